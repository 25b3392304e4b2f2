"""The job that gives messages to another carrier, with what hangs on it: details, charge, timeline.

A message is given away only while its carrier took no part of it, by compare-and-set on its state and
carrier; from the commit on the other carrier's dispatcher sends it, before it the old one's does. So nothing
is lost whenever a process dies, and nothing is sent by two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import structs
from sqlalchemy import Connection, Row, exists, select, update

from sms.message import KIND, SmsDetail
from sms.states import OUTBOUND, MessageEvent, MessageState
from sms.store.finish import Key, decode_detail
from sms.store.submit import by_resource
from sms.store.tables import parts
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import MAX_PARAMETERS
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.usage.counters import SPENT, Most, add, day_of, give_back, lock_of
from telephony.usage.record import Charge, Used, record

KIND_OF_ENTRY: Final = "message.rerouted"

_MOVABLE: Final = tuple(state.value for state in (MessageState.ACCEPTED, MessageState.SUBMITTING))
_MOVED: Final = OUTBOUND.fire(MessageState.SUBMITTING, MessageEvent.REROUTE).value

_OLD: Final = (
    interactions.c.resource,
    interactions.c.id,
    interactions.c.peer,
    interactions.c.version,
    interactions.c.price,
    interactions.c.currency,
    interactions.c.created,
    interactions.c.detail,
)


@dataclass(frozen=True, slots=True)
class Move:
    """A message that another carrier is to send."""

    key: Key
    to: str
    route: str
    segments: int
    alphabet: str
    """As the other carrier takes the text."""
    reason: str
    """Why its carrier is given up."""
    source: str
    doubt: str = ""
    """Why its carrier may have it all the same; empty: it has not."""
    charge: Charge | None = None
    """What it comes to from now on; None: nothing is counted."""
    counters: tuple[Most, ...] = ()
    """The day's budget, for what it costs more."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of moves. What is in neither was somebody's else, or over."""

    details: Mapping[InteractionId, SmsDetail]
    """Of those that were moved."""
    too_dear: frozenset[InteractionId]
    """Those that would have passed the day's budget: they are where they were."""


@dataclass(frozen=True, slots=True)
class MoveMessages:
    """Give messages to other carriers."""

    node: NodeId
    carrier: str
    """Whose they are."""
    now: int
    moves: Sequence[Move]

    def locks(self) -> set[int]:
        """See `telephony.kernel.store.jobs.LockingJob`."""
        return {lock_of(each) for each in {move.key[0] for move in self.moves if move.counters}}

    def __call__(self, tx: Connection) -> Moved:
        """See `telephony.kernel.store.jobs.Job`."""
        by_key = {move.key: move for move in self.moves}
        details: dict[InteractionId, SmsDetail] = {}
        too_dear: set[InteractionId] = set()
        entries: list[Entry] = []
        used: list[Used] = []
        for row in self._rows(tx, by_key):
            key = (ResourceId(bytes(row.resource)), InteractionId(bytes(row.id)))
            move, detail = by_key[key], decode_detail(row.detail)
            charge = None if detail.uncounted else move.charge
            if charge is not None and not pay_difference(tx, key[0], row, charge, move.counters):
                too_dear.add(key[1])
                continue
            new = structs.replace(
                at_carrier(detail, move.segments, move.alphabet, charge),
                tried=(*detail.tried, self.carrier),
                doubt=move.doubt or detail.doubt,
            )
            if charge is not None:
                used += moved_usage(key[0], row, detail, self.carrier, move.to, charge)
            tx.execute(
                update(interactions)
                .where(
                    interactions.c.resource == key[0],
                    interactions.c.id == key[1],
                    interactions.c.version == row.version,
                )
                .values(
                    state=_MOVED,
                    version=row.version + 1,
                    carrier=move.to,
                    updated=self.now,
                    detail=msgspec.json.encode(new),
                    **priced(charge),
                )
            )
            details[key[1]] = new
            entries.append(self._entry(key, move, len(new.tried), charge))
        record(tx, self.node, used)
        append_many(tx, entries)
        return Moved(details, frozenset(too_dear))

    def _rows(self, tx: Connection, keys: Mapping[Key, Move]) -> Sequence[Row[Any]]:
        """Return the messages that may be moved, locked; in one order, so that no two nodes wait for each
        other."""
        table = interactions.c
        rows: list[Row[Any]] = []
        for resource, identifiers in by_resource(keys).items():
            ordered = sorted(identifiers)
            for start in range(0, len(ordered), _MOST):
                query = (
                    select(*_OLD)
                    .where(
                        table.resource == resource,
                        table.id.in_(ordered[start : start + _MOST]),
                        table.kind == KIND,
                        table.carrier == self.carrier,
                        table.node == self.node,
                        table.state.in_(_MOVABLE),
                        table.due > self.now,
                        ~exists().where(parts.c.resource == table.resource, parts.c.message == table.id),
                    )
                    .order_by(table.id)
                )
                if tx.dialect.name == "postgresql":
                    query = query.with_for_update(of=interactions)
                rows.extend(tx.execute(query))
        return rows

    def _entry(self, key: Key, move: Move, attempt: int, charge: Charge | None) -> Entry:
        data: dict[str, object] = {
            "from": self.carrier,
            "to": move.to,
            "route": move.route,
            "reason": move.reason,
            "attempt": attempt + 1,
        }
        if move.doubt:
            data["possible_duplicate"] = True
        if charge is not None and charge.currency:
            data["price"], data["currency"] = charge.price, charge.currency
        return Entry(*key, self.now, self.node, move.source, KIND_OF_ENTRY, data)


_MOST: Final = MAX_PARAMETERS // 2


def at_carrier(detail: SmsDetail, segments: int, alphabet: str, charge: Charge | None) -> SmsDetail:
    """Return a message's details with what follows from its carrier."""
    cost, currency = (0, "") if charge is None else (charge.cost, charge.cost_currency)
    return structs.replace(
        detail,
        segments=segments,
        alphabet=alphabet,
        cost=cost if currency else 0,
        cost_currency=currency,
    )


def priced(charge: Charge | None) -> dict[str, object]:
    """Return the columns of what a message comes to; none when nothing is counted."""
    if charge is None:
        return {}
    return {"price": charge.price, "currency": charge.currency} if charge.currency else _UNPRICED


_UNPRICED: Final[dict[str, object]] = {"price": None, "currency": None}


def pay_difference(
    tx: Connection,
    resource: ResourceId,
    row: Row[Any],
    charge: Charge,
    counters: Sequence[Most],
) -> bool:
    """Count what a message costs more or less than before, on the day it was accepted.

    Returns False when that would pass the day's budget: then nothing is counted.
    """
    day, before = day_of(row.created), row.price or 0
    for counter in counters:
        if counter.name.startswith(SPENT) and not add(tx, resource, day, counter, charge.price - before):
            return False
        if counter.name.startswith(SPENT):
            give_back(tx, resource, day, counter.name, before - charge.price)
    return True


def moved_usage(
    resource: ResourceId,
    row: Row[Any],
    detail: SmsDetail,
    before: str,
    after: str,
    charge: Charge,
) -> tuple[Used, Used]:
    """Return a message's usage taken from one carrier and given to another: on the day it was accepted."""
    old = Charge(
        charge.country, detail.segments, row.price or 0, row.currency or "", detail.cost, detail.cost_currency
    )
    return (
        Used(resource, row.created, before, KIND, "outbound", old, -1),
        Used(resource, row.created, after, KIND, "outbound", charge),
    )
