"""Queries for what a node has to send: after a start, after a take-over, when memory has room again."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal, select, tuple_

from sms.message import KIND, Outbound, outbound_of
from sms.states import MessageState
from sms.store.finish import decode_detail
from sms.store.rows import rank_of
from sms.store.sql import among
from sms.store.submit import by_resource
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import Identifier, bodies, interactions

_DONE = "SELECT message, part FROM message_parts WHERE resource = ? AND message {ids}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query for messages of a node that have to be sent.

    `state` is ACCEPTED, or SUBMITTING for those that a dead process was about to send.
    """

    node: NodeId
    carrier: str
    state: MessageState
    limit: int
    after: Outbound | None = None
    """The last one of the page before."""
    sender: str | None = None
    """Of this sender alone."""
    without: Collection[str] = ()
    """Senders to leave out."""

    def __call__(self, tx: Connection) -> list[Outbound]:
        """Return the messages, the urgent ones first, then the oldest."""
        table = interactions.c
        query = (
            select(table.resource, table.id, table.own, table.peer, table.due, table.detail, bodies.c.body)
            .join_from(
                interactions,
                bodies,
                (bodies.c.resource == table.resource) & (bodies.c.interaction == table.id),
            )
            .where(
                table.node == self.node,
                table.carrier == self.carrier,
                table.state == self.state.value,
                table.kind == KIND,
            )
            .order_by(table.rank, table.id)
            .limit(self.limit)
        )
        if self.after is not None:
            place = tuple_(literal(rank_of(self.after.priority)), literal(self.after.id, Identifier))
            query = query.where(tuple_(table.rank, table.id) > place)
        if self.sender is not None:
            query = query.where(table.own == self.sender)
        if self.without:
            query = query.where(table.own.not_in(sorted(self.without)))
        doubt = self.state is MessageState.SUBMITTING
        found = [
            outbound_of(
                row.resource,
                row.id,
                row.own,
                row.peer,
                row.body,
                row.due,
                decode_detail(row.detail),
                doubt=doubt,
            )
            for row in tx.execute(query)
        ]
        if doubt:
            _add_done(tx, found)
        return found


def _add_done(tx: Connection, messages: list[Outbound]) -> None:
    by_key = {(message.resource, message.id): message for message in messages}
    for resource, identifiers in by_resource(by_key).items():
        for identifier, part in among(tx, _DONE, identifiers, before=(resource,)):
            by_key[resource, InteractionId(bytes(identifier))].done.add(part)


@dataclass(frozen=True, slots=True)
class Backlog:
    """A query: how many messages of a node wait for a carrier, in a state."""

    node: NodeId
    carrier: str
    state: MessageState

    def __call__(self, tx: Connection) -> int:
        """Return the count."""
        table = interactions.c
        query = select(func.count()).where(
            table.node == self.node,
            table.state == self.state.value,
            table.carrier == self.carrier,
            table.kind == KIND,
        )
        return int(tx.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class SenderBacklogs:
    """A query: how many accepted messages of a node wait for a carrier, by sender."""

    node: NodeId
    carrier: str

    def __call__(self, tx: Connection) -> dict[str, int]:
        """Return the counts."""
        table = interactions.c
        query = (
            select(table.own, func.count())
            .where(
                table.node == self.node,
                table.state == MessageState.ACCEPTED.value,
                table.carrier == self.carrier,
                table.kind == KIND,
            )
            .group_by(table.own)
        )
        return {own: int(count) for own, count in tx.execute(query)}


@dataclass(frozen=True, slots=True)
class CarriersWithWork:
    """A query: the carriers for which a node works on something. As many look-ups as there are carriers."""

    node: NodeId

    def __call__(self, tx: Connection) -> list[str]:
        """Return their names."""
        table, last = interactions.c, ""
        found: list[str] = []
        while True:
            query = select(func.min(table.carrier)).where(table.node == self.node, table.carrier > last)
            carrier = tx.execute(query).scalar()
            if carrier is None:
                return found
            found.append(carrier)
            last = carrier


@dataclass(frozen=True, slots=True)
class FindOutbound:
    """A query for one message that was sent or is to be, with its carrier; None: there is none, or its text
    is gone."""

    resource: ResourceId
    id: InteractionId

    def __call__(self, tx: Connection) -> tuple[Outbound, str] | None:
        """Return them; the message's validity is not looked up."""
        table = interactions.c
        row = tx.execute(
            select(table.own, table.peer, table.carrier, table.detail, bodies.c.body)
            .join_from(
                interactions,
                bodies,
                (bodies.c.resource == table.resource) & (bodies.c.interaction == table.id),
            )
            .where(
                table.resource == self.resource,
                table.id == self.id,
                table.kind == KIND,
                table.direction == "outbound",
            )
        ).first()
        if row is None:
            return None
        detail = decode_detail(row.detail)
        message = outbound_of(self.resource, self.id, row.own, row.peer, row.body, 0, detail)
        return message, row.carrier or ""
