"""Holds and quarantines end by themselves, after their time and not with a clock that somebody sets."""

import asyncio

import pytest
from sqlalchemy import Connection, update

from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND
from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest, Unavailable
from telephony.kernel.store import Store
from telephony.numbers import hold_time
from telephony.numbers.hold_time import SLACK, SLICE, TOLERANCE, Look, hold_now, watch_holds
from telephony.numbers.holds import HoldKind
from telephony.numbers.settings import NumberSettings
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.numbers.tables import inventory
from telephony.numbers.trade import Purchase, ReleaseNumber
from tests.support.clock import START, ManualClock
from tests.support.numbers import CARRIER, SETTINGS, consistent, searched, somebody, states, stocked, wanted

pytestmark = pytest.mark.wire

HOLD = SETTINGS.hold_seconds * SECOND


class DatabaseClock:
    """The database's clock, set by hand."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self, _: object) -> int:
        return self.at


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> DatabaseClock:
    clock = DatabaseClock()
    monkeypatch.setattr(hold_time, "database_now", clock)
    return clock


class Gateway:
    """What one gateway knows: its monotonic clock, and the time at its last look."""

    def __init__(self, store: Store, wall: DatabaseClock) -> None:
        self._store, self._wall = store, wall
        self.expected: int | None = None

    async def look(self, passed: int = 0, *, clock_moves: int | None = None) -> int:
        """Let time pass, here and on the database's clock, and look; return how many numbers became free."""
        self._wall.at += passed if clock_moves is None else clock_moves
        expected = None if self.expected is None else self.expected + passed
        self.expected, freed = await self._store.write(Look(expected))
        return freed


@pytest.fixture
async def gateway(store: Store, wall: DatabaseClock) -> Gateway:
    made = Gateway(store, wall)
    await made.look()
    await stocked(store, "+12065550100-0109")
    return made


async def test_a_hold_ends_by_itself_after_its_time(store: Store, gateway: Gateway) -> None:
    await searched(store, somebody(), wanted(3))
    for _ in range(SETTINGS.hold_seconds // 30 - 1):
        assert await gateway.look(30 * SECOND) == 0
    assert await store.read(states) == {"free": 7, "reserved": 3}
    assert await gateway.look(30 * SECOND) == 3
    assert await store.read(states) == {"free": 10}
    await store.read(consistent)


@pytest.mark.parametrize("jump", [HOUR, -400 * DAY, 20 * MINUTE])
async def test_a_clock_that_is_set_frees_nothing_early_and_nothing_late(
    store: Store, gateway: Gateway, jump: int
) -> None:
    me = somebody()
    found = await searched(store, me, wanted(3))
    await gateway.look(5 * SECOND)
    assert await gateway.look(5 * SECOND, clock_moves=5 * SECOND + jump) == 0
    assert await store.read(states) == {"free": 7, "reserved": 3}
    passed = 10 * SECOND
    while passed < HOLD - 10 * SECOND:
        passed += 10 * SECOND
        assert await gateway.look(10 * SECOND) == 0, passed
    bought = await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))
    assert len(bought.numbers) == 3
    await searched(store, me, wanted(2))
    late = 0
    while await gateway.look(10 * SECOND) == 0:
        late += 10 * SECOND
    assert abs(late - HOLD) <= TOLERANCE + 10 * SECOND


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_before_anybody_looks_a_jump_counts_for_a_minute_at_most(
    store: Store, gateway: Gateway, wall: DatabaseClock, jump: int
) -> None:
    me = somebody()
    found = await searched(store, me)
    before = await store.read(hold_now)
    wall.at += jump
    assert 0 <= await store.read(hold_now) - before <= SLACK
    await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))


async def test_two_gateways_correct_a_jump_once(store: Store, gateway: Gateway, wall: DatabaseClock) -> None:
    other = Gateway(store, wall)
    await other.look()
    await searched(store, somebody())
    wall.at += HOUR
    for each in (gateway, other, gateway, other):
        assert await each.look() == 0
    assert abs(await store.read(hold_now) - START) < SECOND


async def test_time_when_nothing_runs_counts_but_never_backwards(
    store: Store, gateway: Gateway, wall: DatabaseClock
) -> None:
    await searched(store, somebody())
    wall.at -= 2 * HOUR
    again = Gateway(store, wall)
    assert await again.look() == 0
    assert await store.read(hold_now) >= START
    wall.at += HOLD
    assert await Gateway(store, wall).look() == 1


async def test_an_hour_off_ends_every_hold(store: Store, gateway: Gateway, wall: DatabaseClock) -> None:
    me = somebody()
    found = await searched(store, me)
    wall.at += HOUR
    assert await Gateway(store, wall).look() == 1
    with pytest.raises(InvalidRequest):
        await store.write(Purchase(me, HoldKind.SEARCH, found.id, False, SETTINGS))


async def test_a_quarantine_ends_after_its_days(store: Store, gateway: Gateway, wall: DatabaseClock) -> None:
    me, days = somebody(), NumberSettings(quarantine_days=2)
    await store.write(AcquireNumber(OwnedNumber(me, E164("+12065550100"), CARRIER), 1))
    await store.write(ReleaseNumber(me, "+12065550100", days))
    wall.at += 2 * DAY - HOUR
    assert await Gateway(store, wall).look() == 0
    assert await store.read(states) == {"free": 9, "released": 1}
    wall.at += HOUR
    assert await Gateway(store, wall).look() == 1
    assert await store.read(states) == {"free": 10}


async def test_the_watch_looks_again_and_again_and_frees_by_the_slice(sqlite_store: Store) -> None:
    await stocked(sqlite_store, f"+12065550000-{SLICE + 200:04d}")
    await sqlite_store.write(_hold_all)
    clock = ManualClock()
    watching = asyncio.create_task(watch_holds(sqlite_store, clock, seconds=0.001))
    try:
        async with asyncio.timeout(20):
            while (await sqlite_store.read(states)).get("free") != SLICE + 201:
                pass
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_the_watch_goes_on_whatever_goes_wrong(sqlite_store: Store) -> None:
    class Stumbling:
        def __init__(self) -> None:
            self.troubles: list[Exception] = [Unavailable("away"), RuntimeError("a mistake")]
            self.looked = asyncio.Event()

        async def write(self, job: Look) -> tuple[int, int]:
            if self.troubles:
                raise self.troubles.pop()
            found = await sqlite_store.write(job)
            self.looked.set()
            return found

    store = Stumbling()
    watching = asyncio.create_task(watch_holds(store, ManualClock(), seconds=0))  # type: ignore[arg-type]
    try:
        await asyncio.wait_for(store.looked.wait(), 10)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert store.troubles == []


def _hold_all(tx: Connection) -> None:
    values = {"state": "reserved", "until": 1, "hold": bytes(16), "resource": bytes(16)}
    tx.execute(update(inventory).values(values))
