"""The jobs of calls: each change of a row by compare-and-set on its version, with all that hangs on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Row, insert, select, update

from telephony.calling.calls import Call, Meter
from telephony.calling.record import KIND, call_of, detail_of
from telephony.events.event import Event
from telephony.events.ports import Sealer
from telephony.events.routed import endpoint_of, publish_to
from telephony.events.store import Delivery, Matching, Publication, publish
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.usage import calls as usage
from telephony.usage import counters
from telephony.usage.limiter import CallAdmission

_i: Final = interactions.c


@dataclass(frozen=True, slots=True)
class Values:
    """A call's row as it is to be: taken when the job is made, so that memory may go on."""

    resource: ResourceId
    id: InteractionId
    version: int
    """Before the change."""
    state: str
    carrier: str
    detail: bytes
    ended: int | None

    @classmethod
    def of(cls, call: Call) -> "Values":
        """Return a call's row."""
        leg = next((leg for leg in reversed(call.legs.values()) if not leg.came), call.main_leg)
        return cls(
            call.resource,
            call.id,
            call.version,
            call.state.value,
            "" if leg is None else leg.carrier,
            detail_of(call),
            call.ended,
        )


@dataclass(frozen=True, slots=True)
class BeginCall:
    """Job: a call begins, counted among the simultaneous ones. Raises LimitForbids when there are enough."""

    values: Values
    direction: str
    own: str
    peer: str
    created: int
    node: NodeId
    entries: Sequence[Entry]
    admission: CallAdmission | None
    """None: it is refused, and only recorded."""

    def locks(self) -> Iterable[int]:
        """See LockingJob."""
        return () if self.admission is None else (counters.lock_of(self.values.resource),)

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        values = self.values
        key = (_i.resource == values.resource, _i.id == values.id)
        if tx.execute(select(_i.id).where(*key)).first() is not None:
            return  # it ran before, and its answer was lost
        if self.admission is not None:
            usage.begin(tx, self.admission, values.id, self.node, self.created)
        tx.execute(
            insert(interactions).values(
                resource=values.resource,
                id=values.id,
                kind=KIND,
                direction=self.direction,
                state=values.state,
                version=values.version,
                own=self.own,
                peer=self.peer,
                carrier=values.carrier,
                node=self.node if values.ended is None else None,
                rank=0,
                created=self.created,
                updated=self.created,
                ended=values.ended,
                detail=values.detail,
            )
        )
        append_many(tx, self.entries)


@dataclass(slots=True)
class Saved:
    """What a change left."""

    won: bool
    """False: somebody else has the call now."""
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SaveCall:
    """Job: a call is as memory has it now; with what happened, and what applications are told of it."""

    values: Values
    node: NodeId
    at: int
    entries: Sequence[Entry]
    events: Sequence[Event]
    subscriptions: Matching
    meters: Sequence[tuple[Meter, int]] = ()
    """Of a call that is over: what is to be charged, each with its length in microseconds."""

    def locks(self) -> Iterable[int]:
        """See LockingJob."""
        return () if self.values.ended is None else (counters.lock_of(self.values.resource),)

    def __call__(self, tx: Connection) -> Saved:
        """See the class."""
        values = self.values
        over = values.ended is not None
        changed: dict[str, object] = {
            "state": values.state,
            "version": values.version + 1,
            "updated": self.at,
            "carrier": values.carrier,
            "detail": values.detail,
        }
        if over:
            changed |= {"ended": values.ended, "node": None, **self._charged(tx, dry=True)}
        mine = (
            _i.resource == values.resource,
            _i.id == values.id,
            _i.version == values.version,
            _i.ended.is_(None),
        )
        if tx.execute(update(interactions).where(*mine).values(changed)).rowcount == 0:
            return Saved(self._again(tx))
        if over:
            self._charged(tx, dry=False)
        append_many(tx, self.entries)
        deliveries = publish(
            tx,
            values.resource,
            values.id,
            self.events,
            subscriptions=self.subscriptions,
            node=self.node,
            now=self.at,
        )
        return Saved(True, deliveries)

    def _charged(self, tx: Connection, *, dry: bool) -> dict[str, object]:
        """Return price and currency of all legs; unless it is a rehearsal, count them as well."""
        price, currency = 0, ""
        for meter, length in self.meters:
            if dry:
                charge = meter.admission.charge(length)
                price, currency = price + charge.price, currency or charge.currency
                continue
            usage.end(
                tx,
                meter.admission,
                self.values.id,
                self.node,
                carrier=meter.carrier,
                direction=meter.direction,
                at=self.at,
                answered_for=length,
                paid=meter.paid,
            )
        if not dry:
            counters.end_call(tx, self.values.resource, self.values.id)
        return {"price": price, "currency": currency} if currency else {}

    def _again(self, tx: Connection) -> bool:
        """Tell whether the job ran before, and only its answer was lost."""
        values = self.values
        row = tx.execute(
            select(_i.version, _i.node, _i.ended).where(_i.resource == values.resource, _i.id == values.id)
        ).first()
        if row is None or row.version != values.version + 1:
            return False
        return bool(row.ended == values.ended if values.ended is not None else row.node == self.node)


@dataclass(frozen=True, slots=True)
class Pay:
    """Job: take an amount off a day's budget before it is used; tells whether it was there."""

    admission: CallAdmission
    day: int
    amount: int

    def locks(self) -> Iterable[int]:
        """See LockingJob."""
        return (counters.lock_of(self.admission.resource),)

    def __call__(self, tx: Connection) -> bool:
        """See the class."""
        return usage.pay(tx, self.admission, self.day, self.amount)


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Job: an amount that was taken off a budget was not used."""

    admission: CallAdmission
    day: int
    amount: int

    def locks(self) -> Iterable[int]:
        """See LockingJob."""
        return (counters.lock_of(self.admission.resource),)

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        if self.admission.budget is not None:
            counters.give_back(tx, self.admission.resource, self.day, self.admission.budget.name, self.amount)


@dataclass(frozen=True, slots=True)
class Announce:
    """Job: tell applications of a call that waits. Returns deliveries, or in words why nobody is told."""

    resource: ResourceId
    id: InteractionId
    event: Event
    subscriptions: Matching
    sealer: Sealer
    node: NodeId
    at: int
    url: str = ""
    """A rule's; empty: whoever subscribed."""

    def __call__(self, tx: Connection) -> list[Delivery] | str:
        """See the class."""
        if not self.url:
            made = publish(
                tx,
                self.resource,
                self.id,
                (self.event,),
                subscriptions=self.subscriptions,
                node=self.node,
                now=self.at,
            )
            return made or "Nobody of the resource has asked for calls."
        endpoint = endpoint_of(tx, self.resource, self.url, self.sealer, self.at)
        if isinstance(endpoint, str):
            return f"{endpoint[0].upper()}{endpoint[1:]}."
        publication = Publication(self.resource, self.id, (self.event,))
        return publish_to(tx, endpoint, [publication], node=self.node, now=self.at)


@dataclass(frozen=True, slots=True)
class MyCalls:
    """Query: the calls that a node carries."""

    node: NodeId

    def __call__(self, tx: Connection) -> list[Call]:
        """See the class."""
        query = select(interactions).where(_i.node == self.node, _i.kind == KIND, _i.ended.is_(None))
        return [_call(row) for row in tx.execute(query)]


def _call(row: Row[tuple[object, ...]]) -> Call:
    return call_of(
        ResourceId(bytes(row.resource)),
        InteractionId(bytes(row.id)),
        row.direction,
        row.own,
        row.peer,
        row.created,
        row.state,
        row.version,
        bytes(row.detail),
    )
