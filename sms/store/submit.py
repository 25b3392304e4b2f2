"""The jobs between the store and a carrier: claim before sending, record every answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update

from sms.message import KIND, Outbound, SmsDetail
from sms.receipts import RECEIPT_DECODER, Receipt
from sms.states import MessageEvent, MessageState
from sms.store.finish import IN_CLAUSE, Change, Finisher, Key
from sms.store.receipts import MatchedReceipt, settle
from sms.store.tables import early_receipts, parts
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many


@dataclass(frozen=True, slots=True)
class ClaimMessages:
    """Mark messages as about to be sent; the result holds those that were still waiting.

    After a crash exactly these may be on the wire without an answer, and no others.
    """

    node: NodeId
    now: int
    keys: Sequence[Key]

    def __call__(self, tx: Connection) -> set[InteractionId]:
        """See `telephony.kernel.store.jobs.Job`."""
        claimed: set[InteractionId] = set()
        by_resource: dict[ResourceId, list[InteractionId]] = {}
        for resource, identifier in self.keys:
            by_resource.setdefault(resource, []).append(identifier)
        table = interactions.c
        for resource, identifiers in by_resource.items():
            for start in range(0, len(identifiers), IN_CLAUSE):
                rows = tx.execute(
                    update(interactions)
                    .where(
                        table.resource == resource,
                        table.id.in_(identifiers[start : start + IN_CLAUSE]),
                        table.state == MessageState.ACCEPTED.value,
                        table.node == self.node,
                    )
                    .values(state=MessageState.SUBMITTING.value, version=table.version + 1, updated=self.now)
                    .returning(table.id)
                )
                claimed.update(InteractionId(identifier) for (identifier,) in rows)
        return claimed


@dataclass(frozen=True, slots=True)
class Submitted:
    """A part that a carrier took."""

    key: Key
    part: int
    total: int
    carrier: str
    link: str
    remote_id: str
    """As receipts will spell it (see `sms.receipts.match_id`)."""
    at: int
    last: bool
    """Whether every part of the message is taken now."""
    due: int
    """When to stop waiting for receipts; used with `last`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A message that ends without the carrier having taken it."""

    key: Key
    event: MessageEvent
    at: int
    source: str
    reason: str
    succeeded: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth an entry in the timeline that changes no state."""

    key: Key
    at: int
    source: str
    kind: str
    data: Any


Outcome = Submitted | Ended | Noted


@dataclass(slots=True)
class RecordOutcomes:
    """Write down what carriers answered; returns the finisher, whose deliveries are to be handed on."""

    finisher: Finisher
    outcomes: Sequence[Outcome]

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        node = self.finisher.node
        taken = [outcome for outcome in self.outcomes if isinstance(outcome, Submitted)]
        entries = [_entry(node, outcome) for outcome in self.outcomes if not isinstance(outcome, Ended)]
        if taken:
            insert_rows(
                tx,
                parts,
                [
                    (*one.key, one.part, one.carrier, one.remote_id, one.link, "submitted", one.at, None)
                    for one in taken
                ],
            )
        append_many(tx, entries)
        changes = [
            Change(one.key, MessageEvent.SUBMIT, one.at, one.link, due=one.due) for one in taken if one.last
        ]
        changes += [
            Change(one.key, one.event, one.at, one.source, one.reason, succeeded=one.succeeded)
            for one in self.outcomes
            if isinstance(one, Ended)
        ]
        self.finisher.apply(tx, changes)
        # Receipts may have overtaken the response, or have come for the first parts of a long text already.
        early = _take_early(tx, taken)
        long_ones = [one.key for one in taken if one.last and one.total > 1]
        if early or long_ones:
            settle(tx, self.finisher, early, at=max(one.at for one in taken), also=long_ones)
        return self.finisher


def _entry(node: NodeId, outcome: Submitted | Noted) -> Entry:
    resource, identifier = outcome.key
    if isinstance(outcome, Noted):
        return Entry(resource, identifier, outcome.at, node, outcome.source, outcome.kind, outcome.data)
    data = {"part": outcome.part, "carrier": outcome.carrier, "remote_id": outcome.remote_id}
    return Entry(resource, identifier, outcome.at, node, f"link:{outcome.link}", "part.submitted", data)


def _take_early(tx: Connection, taken: Sequence[Submitted]) -> list[MatchedReceipt]:
    """Return and delete the receipts that were waiting for these parts."""
    by_carrier: dict[str, dict[str, Submitted]] = {}
    for one in taken:
        by_carrier.setdefault(one.carrier, {})[one.remote_id] = one
    matched: list[MatchedReceipt] = []
    table = early_receipts.c
    for carrier, by_id in by_carrier.items():
        remote_ids = list(by_id)
        for start in range(0, len(remote_ids), IN_CLAUSE):
            some = remote_ids[start : start + IN_CLAUSE]
            where = (table.carrier == carrier, table.remote_id.in_(some))
            rows = tx.execute(select(table.remote_id, table.receipt).where(*where).order_by(table.id)).all()
            if rows:
                tx.execute(early_receipts.delete().where(*where))
            for remote_id, body in rows:
                receipt: Receipt = RECEIPT_DECODER.decode(body)
                one = by_id[remote_id]
                matched.append(MatchedReceipt(receipt, one.key, one.part, "submitted"))
    return matched


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query for messages of a node that have to be sent: after a start, or when memory has room again.

    `state` is ACCEPTED, or SUBMITTING for those that a dead process was about to send.
    """

    node: NodeId
    carrier: str
    state: MessageState
    limit: int
    after: InteractionId | None = None

    def __call__(self, tx: Connection) -> list[Outbound]:
        """Return the messages, oldest first."""
        table = interactions.c
        query = (
            select(
                table.resource, table.id, table.own, table.peer, table.created, table.detail, bodies.c.body
            )
            .join_from(
                interactions,
                bodies,
                (bodies.c.resource == table.resource) & (bodies.c.interaction == table.id),
            )
            .where(
                table.node == self.node,
                table.state == self.state.value,
                table.kind == KIND,
                table.carrier == self.carrier,
            )
            .order_by(table.id)
            .limit(self.limit)
        )
        if self.after is not None:
            query = query.where(table.id > self.after)
        found: list[Outbound] = []
        for row in tx.execute(query):
            detail = msgspec.json.decode(row.detail, type=SmsDetail)
            message = Outbound(
                row.resource,
                row.id,
                row.own,
                row.peer,
                row.body.decode(),
                self.carrier,
                row.created,
                detail.report_seconds,
                resent=self.state is MessageState.SUBMITTING,
            )
            if message.resent:
                where = (parts.c.resource == row.resource, parts.c.message == row.id)
                message.done.update(tx.execute(select(parts.c.part).where(*where)).scalars())
            found.append(message)
        return found


@dataclass(frozen=True, slots=True)
class Backlog:
    """A query: how many messages of a node wait for a carrier."""

    node: NodeId
    carrier: str

    def __call__(self, tx: Connection) -> int:
        """Return the count."""
        table = interactions.c
        query = select(func.count()).where(
            table.node == self.node, table.kind == KIND, table.carrier == self.carrier
        )
        return int(tx.execute(query).scalar_one())
