"""Who owns which number."""

import asyncio

import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.numbers import directory as directories
from telephony.numbers.directory import REMEMBER_SECONDS, NumberDirectory
from telephony.numbers.store import AcquireNumber, FindNumber, ListNumbers, OwnedNumber
from tests.support.clock import ManualClock

pytestmark = pytest.mark.wire

NUMBER = E164("+14255550199")


def _owned(number: str = NUMBER, resource: ResourceId | None = None) -> OwnedNumber:
    return OwnedNumber(resource or ResourceId(new_id(1)), E164(number), "carrier")


async def test_a_number_is_found_with_its_owner_and_carrier(store: Store) -> None:
    owned = _owned()
    await store.write(AcquireNumber(owned, 1))
    assert await store.read(FindNumber(NUMBER)) == owned
    assert await store.read(FindNumber("+14255550198")) is None


async def test_a_number_is_never_two_resources(store: Store) -> None:
    first = _owned()
    await store.write(AcquireNumber(first, 1))
    with pytest.raises(Conflict):
        await store.write(AcquireNumber(_owned(), 2))
    with pytest.raises(Conflict):
        await store.write(AcquireNumber(first, 3))
    assert await store.read(FindNumber(NUMBER)) == first


async def test_a_refused_number_spoils_nothing_else_in_its_group(store: Store) -> None:
    first, second = _owned(), _owned("+14255550198")
    await store.write(AcquireNumber(first, 1))

    def both(tx: object) -> None:
        with pytest.raises(Conflict):
            AcquireNumber(_owned(), 2)(tx)  # type: ignore[arg-type]
        AcquireNumber(second, 2)(tx)  # type: ignore[arg-type]

    await store.write(both)
    assert await store.read(FindNumber(second.number)) == second


async def test_a_resource_lists_its_own_numbers_in_order(store: Store) -> None:
    mine = ResourceId(new_id(1))
    for number in ("+14255550103", "+14255550101", "+14255550102"):
        await store.write(AcquireNumber(_owned(number, mine), 1))
    await store.write(AcquireNumber(_owned("+14255550100"), 1))
    found = await store.read(ListNumbers(mine))
    assert [one.number for one in found] == ["+14255550101", "+14255550102", "+14255550103"]
    assert len(await store.read(ListNumbers(mine, 2))) == 2


async def test_an_answer_is_remembered_for_seconds(sqlite_store: Store) -> None:
    clock = ManualClock()
    directory = NumberDirectory(sqlite_store, clock)
    assert await directory.find(NUMBER) is None
    await sqlite_store.write(AcquireNumber(_owned(), 1))
    assert await directory.find(NUMBER) is None
    clock.advance(REMEMBER_SECONDS)
    assert await directory.find(NUMBER) is not None


async def test_what_is_forgotten_is_looked_up(sqlite_store: Store) -> None:
    directory = NumberDirectory(sqlite_store, ManualClock())
    assert await directory.find(NUMBER) is None
    await sqlite_store.write(AcquireNumber(_owned(), 1))
    directory.forget(NUMBER)
    assert await directory.find(NUMBER) is not None


async def test_what_changes_while_it_is_read_is_not_remembered(sqlite_store: Store) -> None:
    await sqlite_store.write(AcquireNumber(_owned(), 1))
    directory = NumberDirectory(sqlite_store, ManualClock())
    finding = asyncio.create_task(directory.find(NUMBER))
    await asyncio.sleep(0)  # the query is on its way
    directory.forget(NUMBER)  # as a release does
    assert await finding is not None
    assert NUMBER not in directory._known


async def test_guessing_numbers_takes_bounded_memory(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directories, "MAX_REMEMBERED", 3)
    directory = NumberDirectory(sqlite_store, ManualClock())
    for number in range(10):
        await directory.find(f"+1425555010{number}")
        assert len(directory._known) <= 3
    await directory.find("x" * 100_000)
    assert "x" * 100_000 not in directory._known
