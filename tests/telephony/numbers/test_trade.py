"""Searching, buying, changing and giving back, on both databases."""

import pytest

from telephony.kernel.clock import DAY
from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict, InvalidRequest, LimitReached, NotFound
from telephony.kernel.http.longrunning import OperationKind, OperationStatus
from telephony.kernel.ids import new_id
from telephony.kernel.money import Money
from telephony.kernel.store import Store
from telephony.kernel.store.retention import PurgeExpired, expiring_tables
from telephony.numbers.holds import FindHold, HoldKind
from telephony.numbers.kinds import Capabilities, Capability, NumberType
from telephony.numbers.operations import FindOperation
from telephony.numbers.search import Browse, SearchNumbers
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import HoldState, NumberState
from telephony.numbers.stock import FindStock, StockFilter, WithdrawNumber, list_stock
from telephony.numbers.store import AcquireNumber, FindNumber, FindOwned, ListOwned, OwnedNumber
from telephony.numbers.tables import holds, operations
from telephony.numbers.trade import CancelSearch, Purchase, ReleaseNumber, UpdateCapabilities
from tests.support.numbers import (
    CARRIER,
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

FIRST = "+12065550100"


async def test_what_is_found_is_held_and_can_be_bought_once(store: Store) -> None:
    await stocked(store, "+12065550100-0104")
    me = somebody()
    found = await searched(store, me, wanted(3))
    assert [held.number for held in found.numbers] == sorted(held.number for held in found.numbers)
    assert await store.read(states) == {"free": 2, "reserved": 3}
    bought = await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    assert bought.operation.status is OperationStatus.SUCCEEDED
    again = await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    assert again.operation == bought.operation  # a client that got no answer asks once more
    assert await store.read(states) == {"free": 2, "owned": 3}
    mine = await store.read(ListOwned(me, 0, 10))
    assert [one.number for one in mine] == list(bought.numbers)
    assert {(one.capabilities, one.cost, one.carrier) for one in mine} == {
        (TEXTS, Money(1_000_000, "USD"), CARRIER)
    }
    kept = await store.read(FindOperation(me, OperationKind.PURCHASE, found.id))
    assert kept == bought.operation
    await store.read(consistent)


async def test_the_cheapest_price_with_enough_numbers_is_found(store: Store) -> None:
    await stocked(store, "+12065550100-0101", of=lot(cost=Money(500_000, "USD")))
    await stocked(store, "+12065550110-0119", of=lot(cost=Money(800_000, "USD")))
    await stocked(store, "+12065550120-0129", of=lot(cost=Money(900_000, "USD")))
    me = somebody()
    for quantity, cost in ((2, 500_000), (3, 800_000), (10, 900_000)):
        found = await searched(store, me, wanted(quantity))
        assert {held.cost for held in found.numbers} == {cost}
        assert len(found.numbers) == quantity
        assert not found.detail.short
    left = await searched(store, me, wanted(100))
    assert (len(left.numbers), left.detail.short) == (7, True)  # the price that has most


async def test_only_what_is_wanted_is_found(store: Store) -> None:
    await stocked(store, "+12065550100", of=lot(capabilities=TEXTS))
    await stocked(store, "+14255550100", of=lot(area_code="425"))
    await stocked(store, "+18005550100", of=lot(type=NumberType.TOLL_FREE, area_code="800"))
    me = somebody()
    calls = Capabilities(Capability.INBOUND, Capability.NONE)
    assert [held.number for held in (await searched(store, me, wanted(capabilities=calls))).numbers] == [
        "+14255550100"
    ]
    found = await searched(store, me, wanted(9, type=NumberType.TOLL_FREE))
    assert [held.number for held in found.numbers] == ["+18005550100"]
    for none in (wanted(area_code="212"), wanted(country="CA"), wanted(area_code="206", capabilities=calls)):
        done = await store.write(SearchNumbers(me, none, SETTINGS))
        assert done.status is OperationStatus.FAILED
        assert done.error is not None
        assert done.error.code == "OutOfStock"
        assert await store.read(FindHold(me, HoldKind.SEARCH, done.id)) is None


async def test_another_resource_sees_nothing_of_a_search(store: Store) -> None:
    await stocked(store, FIRST)
    me, other = somebody(), somebody()
    found = await searched(store, me)
    for resource, identifier in ((other, found.id), (me, new_id(2))):
        with pytest.raises(NotFound):
            await store.write(Purchase(resource, HoldKind.SEARCH, identifier, False, SETTINGS))
        with pytest.raises(NotFound):
            await store.write(CancelSearch(resource, identifier))
    with pytest.raises(NotFound):  # it is a search, not a reservation
        await store.write(Purchase(me, HoldKind.RESERVATION, found.id, False, SETTINGS))


async def test_an_agreement_not_to_resell_must_be_given(store: Store) -> None:
    await stocked(store, FIRST, of=lot(agreement=True))
    me = somebody()
    found = await searched(store, me)
    with pytest.raises(InvalidRequest) as refused:
        await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    assert refused.value.target == "agreeToNotResell"
    await store.write(Purchase(me, HoldKind.SEARCH, found.id, True, SETTINGS))
    await store.read(consistent)


async def test_a_hold_that_is_over_cannot_be_bought(store: Store) -> None:
    await stocked(store, FIRST)
    me = somebody()
    found = await searched(store, me)
    await store.write(let_time_pass(SETTINGS.hold_seconds - 1))
    assert (await store.read(FindHold(me, HoldKind.SEARCH, found.id))) is not None
    await store.write(let_time_pass(2))
    with pytest.raises(InvalidRequest) as refused:
        await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    assert refused.value.code == "ReservationExpired"
    over = await store.read(FindHold(me, HoldKind.SEARCH, found.id))
    assert over is not None
    assert over.state is HoldState.EXPIRED


async def test_a_cancelled_search_gives_its_numbers_back(store: Store) -> None:
    await stocked(store, "+12065550100-0101")
    me = somebody()
    found = await searched(store, me, wanted(2))
    await store.write(CancelSearch(me, found.id))
    await store.write(CancelSearch(me, found.id))
    assert await store.read(states) == {"free": 2}
    kept = await store.read(FindOperation(me, OperationKind.SEARCH, found.id))
    assert kept is not None
    assert (kept.status, kept.error and kept.error.code) == (OperationStatus.FAILED, "Cancelled")
    with pytest.raises(NotFound):
        await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    bought = await searched(store, me)
    await store.write(Purchase(me, HoldKind.SEARCH, bought.id, False, SETTINGS))
    with pytest.raises(Conflict):
        await store.write(CancelSearch(me, bought.id))


async def test_a_resource_cannot_hold_everything(store: Store) -> None:
    await stocked(store, "+12065550100-0109")
    few, me = NumberSettings(max_held=3), somebody()
    await store.write(SearchNumbers(me, wanted(2), few))
    with pytest.raises(LimitReached) as refused:
        await store.write(SearchNumbers(me, wanted(2), few))
    assert refused.value.limit == "numbers.max_held"
    await store.write(SearchNumbers(me, wanted(1), few))
    await store.write(SearchNumbers(somebody(), wanted(3), few))
    await store.write(let_time_pass(SETTINGS.hold_seconds + 1))
    await store.write(SearchNumbers(me, wanted(3), few))


async def test_capabilities_change_within_what_the_number_can(store: Store) -> None:
    most = Capabilities(Capability.NONE, Capability.BOTH)
    await stocked(store, FIRST, of=lot(capabilities=most))
    me, outbound = somebody(), Capability.OUTBOUND
    found = await searched(store, me)
    await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    done = await store.write(UpdateCapabilities(me, FIRST, None, Capability.INBOUND, SETTINGS))
    assert done.location == f"/phoneNumbers/{FIRST}"
    now = await store.read(FindOwned(me, FIRST))
    assert now is not None
    assert now.capabilities == Capabilities(Capability.NONE, Capability.INBOUND)
    asked = await store.read(FindNumber(FIRST))
    assert asked is not None
    assert not asked.sends_sms
    await store.write(UpdateCapabilities(me, FIRST, None, outbound, SETTINGS))
    with pytest.raises(InvalidRequest):
        await store.write(UpdateCapabilities(me, FIRST, outbound, None, SETTINGS))
    for resource, number in ((somebody(), FIRST), (me, "+12065550101"), (me, "nonsense")):
        with pytest.raises(NotFound):
            await store.write(UpdateCapabilities(resource, number, None, outbound, SETTINGS))


async def test_a_released_number_rests_before_it_is_sold_again(store: Store) -> None:
    await stocked(store, FIRST)
    me = somebody()
    found = await searched(store, me)
    await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    with pytest.raises(NotFound):
        await store.write(ReleaseNumber(somebody(), FIRST, SETTINGS))
    await store.write(ReleaseNumber(me, FIRST, SETTINGS))
    assert await store.read(FindNumber(FIRST)) is None
    assert await store.read(states) == {"released": 1}
    with pytest.raises(NotFound):
        await store.write(ReleaseNumber(me, FIRST, SETTINGS))
    await store.read(consistent)


async def test_without_quarantine_a_number_is_free_at_once(store: Store) -> None:
    await stocked(store, FIRST)
    me = somebody()
    await store.write(AcquireNumber(OwnedNumber(me, E164(FIRST), CARRIER), 1))
    await store.write(ReleaseNumber(me, FIRST, NumberSettings(quarantine_days=0)))
    assert await store.read(states) == {"free": 1}


async def test_an_operator_gives_numbers_and_takes_them_out_of_the_inventory(store: Store) -> None:
    await stocked(store, "+12065550100-0102")
    me = somebody()
    await store.write(AcquireNumber(OwnedNumber(me, E164(FIRST), CARRIER), 1))
    found = await searched(store, me)
    for number in (FIRST, found.numbers[0].number):
        with pytest.raises(Conflict):
            await store.write(WithdrawNumber(number))
        with pytest.raises(Conflict):
            await store.write(AcquireNumber(OwnedNumber(me, E164(number), CARRIER), 1))
    (free,) = await store.read(list_stock(StockFilter(state=NumberState.FREE)))
    await store.write(WithdrawNumber(free.number))
    assert await store.read(FindStock(free.number)) is None
    with pytest.raises(NotFound):
        await store.write(WithdrawNumber(free.number))
    await store.read(consistent)


async def test_a_number_that_is_imported_again_changes_unless_it_is_somebodys(store: Store) -> None:
    await stocked(store, "+12065550100-0104")
    me = somebody()
    await store.write(AcquireNumber(OwnedNumber(me, E164(FIRST), CARRIER), 1))
    dearer = lot(cost=Money(9_000_000, "USD"))
    intake = await stocked(store, "+12065550100-0101", "+12065550101", of=dearer)
    assert intake.kept == 1
    assert [rejected.reason[: len(FIRST)] for rejected in intake.rejected] == [FIRST]
    costs = [one.lot.cost.micros for one in await store.read(list_stock(StockFilter()))]
    assert costs == [1_000_000, 9_000_000, 1_000_000, 1_000_000, 1_000_000]


async def test_a_price_that_was_shown_is_the_price_that_is_paid(store: Store) -> None:
    await stocked(store, FIRST)
    me = somebody()
    found = await searched(store, me)
    assert (await stocked(store, FIRST, of=lot(cost=Money(9_000_000, "USD")))).kept == 0
    await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    (mine,) = await store.read(ListOwned(me, 0, 10))
    assert mine.cost == Money(1_000_000, "USD")


async def test_operations_and_holds_are_forgotten_after_their_days(store: Store) -> None:
    await stocked(store, FIRST)
    me, days = somebody(), NumberSettings(operation_days=2)
    done = await store.write(SearchNumbers(me, wanted(), days))
    for table in (operations, holds):
        assert table in expiring_tables()
        assert await store.write(PurgeExpired(table, done.created + 2 * DAY - 1, 10)) == 0
        assert await store.write(PurgeExpired(table, done.created + 2 * DAY, 10)) == 1
    assert await store.read(FindOperation(me, OperationKind.SEARCH, done.id)) is None
    assert await store.read(FindHold(me, HoldKind.SEARCH, done.id)) is None


async def test_browsing_shows_free_numbers_and_holds_none(store: Store) -> None:
    await stocked(store, "+12065550100-0199")
    await stocked(store, "+14255550100-0109", of=lot(area_code="425"))
    me = somebody()
    held = {one.number for one in (await searched(store, me, wanted(60))).numbers}
    shown = await store.read(Browse(wanted()))
    assert 40 <= len(shown) <= 50
    assert not held & {number for number, _ in shown}
    some = await store.read(Browse(wanted(), ["+1425555010", "+144"]))
    assert {number for number, _ in some} == {f"+1425555010{digit}" for digit in range(10)} - held
    assert await store.read(Browse(wanted(country="CA"))) == []
    assert await store.read(states) == {"free": 50, "reserved": 60}
