"""Holds in the store: a search's result and a reservation are the same thing with another door."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from telephony.kernel.clock import DAY, SECOND
from telephony.kernel.errors import Conflict, LimitReached
from telephony.kernel.ids import ResourceId
from telephony.numbers.hold_time import Moment, moment
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import HOLD, NUMBER, HoldEvent, HoldState, NumberEvent, NumberState
from telephony.numbers.tables import holds, inventory, one_of

HELD_RETRY_SECONDS: Final = 60.0
"""When to come back after holding too much: holds end by themselves."""


class HoldKind(StrEnum):
    """Which door."""

    SEARCH = "search"
    RESERVATION = "reservation"


class Held(msgspec.Struct, frozen=True, array_like=True):
    """One number of a hold, as it was when it was taken."""

    number: str
    capabilities: int
    """What it shall be able to do once bought."""
    country: str
    type: str
    assignment: str
    cost: int
    currency: str
    agreement: bool


class HoldDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a hold's row keeps beside its columns."""

    numbers: tuple[Held, ...]
    short: bool = False
    """Whether a search wanted more numbers than there were."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it was read."""

    resource: ResourceId
    kind: HoldKind
    id: bytes
    state: HoldState
    created: int
    until: int
    detail: HoldDetail
    ends: int
    """`until` on the clock on the wall."""

    @property
    def numbers(self) -> tuple[Held, ...]:
        """What it holds, or held."""
        return self.detail.numbers


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(HoldDetail).decode


@dataclass(frozen=True, slots=True)
class FindHold:
    """A query for one of a resource's holds."""

    resource: ResourceId
    kind: HoldKind
    id: bytes

    def __call__(self, tx: Connection) -> Hold | None:
        """Return it, or None when the resource has no such."""
        row = tx.execute(select(holds).where(*_key(self.resource, self.kind, self.id))).first()
        return None if row is None else _hold(row, moment(tx))


@dataclass(frozen=True, slots=True)
class ListHolds:
    """A query for a page of a resource's reservations, in the order of their ids."""

    resource: ResourceId
    after: bytes
    limit: int

    def __call__(self, tx: Connection) -> list[Hold]:
        """Return the reservations."""
        table = holds.c
        query = (
            select(holds)
            .where(
                table.resource == self.resource,
                table.kind == HoldKind.RESERVATION.value,
                table.id > self.after,
            )
            .order_by(table.id)
            .limit(self.limit)
        )
        now = moment(tx)
        return [_hold(row, now) for row in tx.execute(query)]


def find_to_change(
    tx: Connection, resource: ResourceId, kind: HoldKind, identifier: bytes, at: Moment
) -> Hold | None:
    """Return a hold that nobody else changes until this transaction's end."""
    query = select(holds).where(*_key(resource, kind, identifier))
    if tx.dialect.name == "postgresql":
        query = query.with_for_update()
    row = tx.execute(query).first()
    return None if row is None else _hold(row, at)


def check_room(tx: Connection, resource: ResourceId, more: int, settings: NumberSettings, at: Moment) -> None:
    """Raise LimitReached when a resource would hold more than it may."""
    active = (
        holds.c.resource == resource,
        holds.c.state == HoldState.ACTIVE.value,
        holds.c.until > at.now,
    )
    held = tx.execute(select(func.coalesce(func.sum(holds.c.count), 0)).where(*active)).scalar_one()
    if held + more > settings.max_held:
        raise LimitReached(
            f"A resource may hold {settings.max_held} numbers without buying them (numbers.max_held).",
            limit="numbers.max_held",
            retry_after=HELD_RETRY_SECONDS,
        )


def open_hold(
    tx: Connection,
    resource: ResourceId,
    kind: HoldKind,
    identifier: bytes,
    detail: HoldDetail,
    settings: NumberSettings,
    at: Moment,
) -> Hold:
    """Make a hold of numbers that `reserve` takes."""
    until = at.now + settings.hold_seconds * SECOND
    row = {
        "resource": resource,
        "kind": kind.value,
        "id": identifier,
        "state": HOLD.initial.value,
        "version": 1,
        "created": at.now,
        "until": until,
        "count": len(detail.numbers),
        "detail": _encode(detail),
        "expires": at.wall + settings.operation_days * DAY,
    }
    tx.execute(insert(holds).values(row))
    return Hold(resource, kind, identifier, HOLD.initial, at.now, until, detail, until - at.offset)


def change_hold(
    tx: Connection,
    hold: Hold,
    event: HoldEvent,
    *,
    until: int | None = None,
    detail: HoldDetail | None = None,
) -> None:
    """Change a hold that `find_to_change` returned. Raises IllegalTransition."""
    values: dict[str, Any] = {"state": HOLD.fire(hold.state, event).value, "version": holds.c.version + 1}
    if until is not None:
        values["until"] = until
    if detail is not None:
        values |= {"detail": _encode(detail), "count": len(detail.numbers)}
    tx.execute(update(holds).where(*_key(hold.resource, hold.kind, hold.id)).values(values))


def drop_hold(tx: Connection, hold: Hold) -> None:
    """Forget a hold that `find_to_change` returned. Raises IllegalTransition."""
    HOLD.fire(hold.state, HoldEvent.CANCEL)
    tx.execute(delete(holds).where(*_key(hold.resource, hold.kind, hold.id)))


def reserve(
    tx: Connection,
    resource: ResourceId,
    hold: bytes,
    found: Sequence[str],
    until: int,
    *,
    locked: bool = False,
) -> list[str]:
    """Take numbers that are free; return those that were. `locked` when nobody else can take them."""
    if not found:
        return []
    if (
        tx.dialect.name == "postgresql" and not locked
    ):  # in one order, so that two buyers never wait for each other
        mine = select(inventory.c.number).where(one_of(tx, found)).order_by(inventory.c.number)
        tx.execute(mine.with_for_update())
    taken = (
        update(inventory)
        # Free is what is nobody's and waits for nothing. Asking for the state would let PostgreSQL, while its
        # statistics are old, read the whole index of free numbers.
        .where(one_of(tx, found), inventory.c.resource.is_(None), inventory.c.until.is_(None))
        .values(
            state=NUMBER.fire(NumberState.FREE, NumberEvent.RESERVE).value,
            version=inventory.c.version + 1,
            resource=resource,
            hold=hold,
            until=until,
        )
        .returning(inventory.c.number)
    )
    return list(tx.execute(taken).scalars())


def prolong(tx: Connection, hold: Hold, until: int) -> None:
    """Let the numbers of a hold be held until another time."""
    tx.execute(
        update(inventory).where(*_held_by(tx, hold)).values(until=until, version=inventory.c.version + 1)
    )


def give_back(tx: Connection, hold: Hold, numbers: Sequence[str]) -> None:
    """Free numbers of a hold before its time."""
    free = (
        update(inventory)
        .where(*_held_by(tx, hold), one_of(tx, numbers))
        .values(
            state=NUMBER.fire(NumberState.RESERVED, NumberEvent.GIVE_BACK).value,
            version=inventory.c.version + 1,
            resource=None,
            hold=None,
            until=None,
        )
    )
    if numbers:
        tx.execute(free)


def take_over(tx: Connection, hold: Hold) -> None:
    """Make all numbers of a hold owned. Raises Conflict when one is not held by it any more."""
    bought = (
        update(inventory)
        .where(*_held_by(tx, hold))
        .values(
            state=NUMBER.fire(NumberState.RESERVED, NumberEvent.BUY).value,
            version=inventory.c.version + 1,
            hold=None,
            until=None,
        )
    )
    if tx.execute(bought).rowcount != len(hold.numbers):
        raise Conflict("A number is not held any more.", code="ReservationExpired")


def _held_by(tx: Connection, hold: Hold) -> tuple[Any, ...]:
    table = inventory.c
    return (
        one_of(tx, [held.number for held in hold.numbers]),
        table.state == NumberState.RESERVED.value,
        table.hold == hold.id,
        table.resource == hold.resource,
    )


def _key(resource: ResourceId, kind: HoldKind, identifier: bytes) -> tuple[Any, ...]:
    return holds.c.resource == resource, holds.c.kind == kind.value, holds.c.id == identifier


def _hold(row: Row[Any], now: Moment) -> Hold:
    state = HoldState(row.state)
    if state is HoldState.ACTIVE and row.until <= now.now:
        state = HOLD.fire(state, HoldEvent.EXPIRE)  # by itself: nobody has to come and say so
    return Hold(
        ResourceId(bytes(row.resource)),
        HoldKind(row.kind),
        bytes(row.id),
        state,
        row.created,
        row.until,
        _decode(row.detail),
        row.until - now.offset,
    )
