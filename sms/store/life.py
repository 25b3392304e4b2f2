"""What people do to single messages: take one back before it is sent, or have one sent again."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, delete, select, update

from sms.message import KIND, Outbound, SmsDetail, outbound_of
from sms.optouts import store as optouts
from sms.states import OUTBOUND, MessageEvent, MessageState
from sms.store.finish import MAX_SOURCE, Change, Finisher, decode_detail
from sms.store.reroute import Move, at_carrier, moved_usage, pay_difference, priced
from sms.store.tables import parts
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.usage.counters import lock_of
from telephony.usage.record import record

_CANCELLED: Final = "taken back before it was sent"


def _where(resource: ResourceId, identifier: InteractionId) -> tuple[ColumnElement[bool], ...]:
    table = interactions.c
    return table.resource == resource, table.id == identifier, table.kind == KIND


def _state(tx: Connection, resource: ResourceId, identifier: InteractionId) -> MessageState:
    """Return the state of a message. Raises NotFound, and Conflict for one that came in."""
    table = interactions.c
    query = select(table.state, table.direction).where(*_where(resource, identifier))
    if tx.dialect.name == "postgresql":
        query = query.with_for_update()
    row = tx.execute(query).first()
    if row is None:
        raise NotFound("There is no such message.", target="messageId")
    if row.direction != "outbound":
        raise Conflict("The message came in.", target="messageId")
    return MessageState(row.state)


_REFUSED: Final = {
    MessageEvent.CANCEL: "taken back: only one of which nothing was sent is",
    MessageEvent.REQUEUE: "sent again: only one that failed, expired, was not reported or was taken back is",
}


def _follow(state: MessageState, event: MessageEvent) -> MessageState:
    """Return the state that follows. Raises Conflict, in words for people, when none does."""
    if not OUTBOUND.allows(state, event):
        raise Conflict(f"The message is {state.value} and cannot be {_REFUSED[event]}.", target="messageId")
    return OUTBOUND.fire(state, event)


@dataclass(frozen=True, slots=True)
class CancelMessage:
    """Take a message back that nothing was sent of.

    Returns the finisher and the message's carrier. Raises NotFound; Conflict when the message is being sent
    or is over.
    """

    finisher: Finisher
    resource: ResourceId
    id: InteractionId
    now: int
    source: str

    def __call__(self, tx: Connection) -> tuple[Finisher, str]:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        state = _state(tx, self.resource, self.id)
        _follow(state, MessageEvent.CANCEL)
        key = (self.resource, self.id)
        self.finisher.apply(tx, [Change(key, MessageEvent.CANCEL, self.now, self.source, _CANCELLED)])
        carrier = tx.execute(select(interactions.c.carrier).where(*_where(*key))).scalar_one()
        return self.finisher, carrier


@dataclass(frozen=True, slots=True)
class RequeueMessage:
    """Have a message sent again that failed, expired, was never reported or was taken back.

    Returns its carrier and the message as its dispatcher wants it; None for one whose time has not come: it
    waits for that again. What the carrier said of the parts sent before stays in the timeline; receipts for
    them belong to nothing any more. Raises NotFound; Conflict when it is not over or was delivered, its text
    is gone or the recipient has opted out.
    """

    node: NodeId
    resource: ResourceId
    id: InteractionId
    now: int
    validity_seconds: int
    """The operator's setting; the message may say less."""
    source: str
    by: Move | None = None
    """The carrier that is to send it now; None: the same as before."""

    order: ClassVar[int] = 0

    def locks(self) -> set[int]:
        """See `telephony.kernel.store.jobs.LockingJob`."""
        return {lock_of(self.resource)} if self.by is not None and self.by.counters else set()

    def __call__(self, tx: Connection) -> tuple[str, Outbound | None]:
        """See `telephony.kernel.store.jobs.Job`."""
        optouts.lock_to_rely(tx)
        before = _state(tx, self.resource, self.id)
        after = _follow(before, MessageEvent.REQUEUE)
        table = interactions.c
        where = _where(self.resource, self.id)
        row = tx.execute(
            select(
                table.own, table.peer, table.carrier, table.detail, table.price, table.currency, table.created
            ).where(*where)
        ).one()
        if optouts.opted_out(tx, [(self.resource, row.own, row.peer)]):
            raise Conflict(optouts.REFUSED, target="messageId")
        of_body = (bodies.c.resource == self.resource, bodies.c.interaction == self.id)
        body = tx.execute(select(bodies.c.body, bodies.c.expires).where(*of_body)).first()
        if body is None:
            raise Conflict("The message's text is not kept any more.", target="messageId")
        carrier, detail, charged = self._charged(tx, row)
        begin = self.now if detail.extras is None else max(self.now, detail.extras.send_at)
        expires = begin + detail.valid_seconds(self.validity_seconds) * SECOND
        if body.expires < expires:
            tx.execute(update(bodies).where(*of_body).values(expires=expires))
        tx.execute(delete(parts).where(parts.c.resource == self.resource, parts.c.message == self.id))
        tx.execute(
            update(interactions)
            .where(*where)
            .values(
                state=after.value,
                version=table.version + 1,
                node=self.node if begin == self.now else None,
                due=expires if begin == self.now else begin,
                updated=self.now,
                ended=None,
                carrier=carrier,
                detail=msgspec.json.encode(detail),
                **charged,
            )
        )
        said: dict[str, object] = {"was": before.value}
        if self.by is not None:
            said |= {"carrier": carrier, "route": self.by.route}
        entry = Entry(
            self.resource,
            self.id,
            self.now,
            self.node,
            self.source[:MAX_SOURCE],
            "message.requeued",
            said,
        )
        append_many(tx, [entry])
        if begin > self.now:
            return carrier, None
        return carrier, outbound_of(self.resource, self.id, row.own, row.peer, body.body, expires, detail)

    def _charged(
        self,
        tx: Connection,
        row: Any,  # noqa: ANN401 - of some columns
    ) -> tuple[str, SmsDetail, dict[str, object]]:
        """Return the carrier that sends it now, its details there, and the columns of what it comes to.

        Raises Conflict when that would pass the day's budget.
        """
        by = self.by
        detail = structs.replace(decode_detail(row.detail), tried=(), doubt="")
        if by is None:
            return row.carrier, detail, {}
        charge = None if detail.uncounted or by.to == row.carrier else by.charge
        if charge is None:
            return by.to, structs.replace(detail, segments=by.segments, alphabet=by.alphabet), {}
        if not pay_difference(tx, self.resource, row, charge, by.counters):
            raise Conflict("With it the resource would pass its daily_budget.", target="messageId")
        record(tx, self.node, moved_usage(self.resource, row, detail, row.carrier, by.to, charge))
        return by.to, at_carrier(detail, by.segments, by.alphabet, charge), priced(charge)
