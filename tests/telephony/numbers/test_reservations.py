"""Reservations, on both databases."""

from uuid import uuid4

import pytest

from telephony.kernel.clock import SECOND
from telephony.kernel.errors import Conflict, InvalidRequest, LimitReached, NotFound
from telephony.kernel.http.longrunning import OperationKind
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.holds import FindHold, Hold, HoldKind, ListHolds
from telephony.numbers.kinds import EVERYTHING, Assignment, Capabilities, Capability, NumberType
from telephony.numbers.reservations import (
    LONGEST,
    MAX_NUMBERS,
    ChangeReservation,
    DeleteReservation,
    Pick,
    Reserved,
)
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import HoldState
from telephony.numbers.store import ListOwned
from telephony.numbers.trade import Purchase
from tests.support.numbers import (
    SETTINGS,
    TEXTS,
    consistent,
    let_time_pass,
    lot,
    searched,
    somebody,
    states,
    stocked,
    wanted,
)

pytestmark = pytest.mark.wire

PICK = Pick("US", NumberType.GEOGRAPHIC, Assignment.APPLICATION, TEXTS)


def number(last: int) -> str:
    return f"+1206555{last:04d}"


async def change(
    store: Store,
    resource: ResourceId,
    identifier: bytes,
    *,
    add: tuple[int, ...] = (),
    drop: tuple[int, ...] = (),
    pick: Pick = PICK,
    settings: NumberSettings = SETTINGS,
) -> Reserved:
    changes: dict[str, Pick | None] = {number(last): pick for last in add}
    changes |= {number(last): None for last in drop}
    return await store.write(ChangeReservation(resource, identifier, changes, settings))


async def read(store: Store, resource: ResourceId, identifier: bytes) -> Hold:
    found = await store.read(FindHold(resource, HoldKind.RESERVATION, identifier))
    assert found is not None
    return found


async def test_numbers_come_and_go_and_are_bought_together(store: Store) -> None:
    await stocked(store, "+12065550100-0109")
    me, mine = somebody(), uuid4().bytes
    first = await change(store, me, mine, add=(100, 101))
    assert (first.created, len(first.hold.numbers), dict(first.failed)) == (True, 2, {})
    second = await change(store, me, mine, add=(101, 102), drop=(100, 109))
    assert not second.created
    assert [held.number for held in second.hold.numbers] == [number(101), number(102)]
    assert await store.read(states) == {"free": 8, "reserved": 2}
    assert (await read(store, me, mine)).numbers == second.hold.numbers
    bought = await store.write(Purchase(me, HoldKind.RESERVATION, mine, False, SETTINGS))
    assert bought.operation.kind is OperationKind.RESERVATION_PURCHASE
    assert (await store.write(Purchase(me, HoldKind.RESERVATION, mine, False, SETTINGS))) == bought
    assert [one.number for one in await store.read(ListOwned(me, 0, 9))] == [number(101), number(102)]
    assert (await read(store, me, mine)).state is HoldState.COMPLETED
    with pytest.raises(Conflict):
        await change(store, me, mine, add=(103,))
    with pytest.raises(Conflict):
        await store.write(DeleteReservation(me, mine))
    await store.read(consistent)


async def test_what_cannot_be_had_fails_alone(store: Store) -> None:
    await stocked(store, "+12065550100-0109")
    await stocked(store, "+12065550110", of=lot(capabilities=TEXTS))
    me, mine = somebody(), uuid4().bytes
    taken = await searched(store, somebody(), wanted(1))
    others = int(taken.numbers[0].number[-4:])
    free = next(last for last in range(100, 110) if last != others)
    reserved = await change(store, me, mine, add=(others, free, 999))
    assert set(reserved.failed) == {number(others), number(999)}
    assert [held.number for held in reserved.hold.numbers] == [number(free)]
    for wrong in (
        Pick("CA", PICK.type, PICK.assignment, TEXTS),
        Pick("US", NumberType.MOBILE, PICK.assignment, TEXTS),
        Pick("US", PICK.type, Assignment.PERSON, TEXTS),
        Pick("US", PICK.type, PICK.assignment, EVERYTHING),
    ):
        assert set((await change(store, me, mine, add=(110,), pick=wrong)).failed) == {number(110)}
    assert [held.number for held in (await read(store, me, mine)).numbers] == [number(free)]
    await store.read(consistent)


async def test_each_change_gives_fifteen_minutes_up_to_two_hours(store: Store) -> None:
    await stocked(store, "+12065550100-0101")
    me, mine = somebody(), uuid4().bytes
    first = (await change(store, me, mine, add=(100,))).hold
    assert first.until - first.created == pytest.approx(SETTINGS.hold_seconds * SECOND, abs=SECOND)
    passed = 0
    until = first.until
    while passed < 2 * 3600 - 840:
        await store.write(let_time_pass(840))
        passed += 840
        changed = (await change(store, me, mine)).hold
        assert changed.until >= until
        until = changed.until
    assert until - first.created == pytest.approx(LONGEST, abs=SECOND)
    await store.write(let_time_pass(840))
    assert (await read(store, me, mine)).state is HoldState.EXPIRED
    with pytest.raises(Conflict):
        await change(store, me, mine, add=(101,))
    with pytest.raises(Conflict):
        await store.write(DeleteReservation(me, mine))
    with pytest.raises(InvalidRequest) as refused:
        await store.write(Purchase(me, HoldKind.RESERVATION, mine, False, SETTINGS))
    assert refused.value.code == "ReservationExpired"


async def test_a_deleted_reservation_is_forgotten(store: Store) -> None:
    await stocked(store, "+12065550100-0109")
    me, mine = somebody(), uuid4().bytes
    await change(store, me, mine, add=(100, 101))
    with pytest.raises(NotFound):
        await store.write(DeleteReservation(somebody(), mine))
    await store.write(DeleteReservation(me, mine))
    assert await store.read(states) == {"free": 10}
    with pytest.raises(NotFound):
        await store.write(DeleteReservation(me, mine))
    assert await store.read(FindHold(me, HoldKind.RESERVATION, mine)) is None
    assert (await change(store, me, mine, add=(100,))).created


async def test_the_same_id_is_two_things_for_two_resources(store: Store) -> None:
    await stocked(store, "+12065550100-0109")
    me, other, same = somebody(), somebody(), uuid4().bytes
    await change(store, me, same, add=(100,))
    made = await change(store, other, same, add=(100, 101))
    assert made.created
    assert set(made.failed) == {number(100)}
    assert [held.number for held in (await read(store, me, same)).numbers] == [number(100)]


async def test_limits_hold(store: Store) -> None:
    await stocked(store, "+12065550000-0200")
    me, mine = somebody(), uuid4().bytes
    await change(store, me, mine, add=tuple(range(MAX_NUMBERS)))
    with pytest.raises(InvalidRequest):
        await change(store, me, mine, add=(MAX_NUMBERS,))
    swapped = await change(store, me, mine, add=(MAX_NUMBERS,), drop=(0,))
    assert len(swapped.hold.numbers) == MAX_NUMBERS
    with pytest.raises(LimitReached):
        await change(store, me, uuid4().bytes, add=(150,), settings=NumberSettings(max_held=MAX_NUMBERS))
    empty = uuid4().bytes
    await change(store, me, empty)
    with pytest.raises(InvalidRequest):
        await store.write(Purchase(me, HoldKind.RESERVATION, empty, False, SETTINGS))


async def test_reservations_are_listed_in_pages(store: Store) -> None:
    me = somebody()
    ids = sorted(uuid4().bytes for _ in range(5))
    for identifier in ids:
        await change(store, me, identifier)
    await change(store, somebody(), uuid4().bytes)
    first = await store.read(ListHolds(me, b"", 3))
    rest = await store.read(ListHolds(me, first[-1].id, 3))
    assert [hold.id for hold in first + rest] == ids


def test_a_pick_says_what_it_shall_do() -> None:
    assert Capabilities.of(PICK.capabilities.mask) == Capabilities(Capability.NONE, Capability.BOTH)
