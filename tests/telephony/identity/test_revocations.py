"""Revocations reach every gateway of a database, in a bounded time, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update

from telephony.identity.key_store import KEYS_CHANGED
from telephony.identity.names import UserId, parse_raw_id
from telephony.identity.revocations import GAP_SECONDS, OVERLAP_SECONDS, POLL_SECONDS, STALE_SECONDS
from telephony.identity.store import DELETED
from telephony.identity.tables import users
from telephony.identity.verifier import MAX_TOKENS
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from tests.support.clock import ManualClock
from tests.support.identity import CHAT, Identity, identity
from tests.support.stores import started

pytestmark = pytest.mark.wire


class Watcher:
    """Somebody who holds on to tokens."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def revoked(self, resource: ResourceId, user: UserId, generation: int) -> None:
        self.heard.append((resource, user, generation))

    def keys_changed(self, resource: ResourceId) -> None:
        self.heard.append(resource)

    def lost(self) -> None:
        self.heard.append("lost")


class Cut:
    """A store that can be cut off, and counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def read(self, query: object) -> object:
        self.reads += 1
        if self.away:
            raise Unavailable("The database is away; try again.")
        return await self._store.read(query)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@asynccontextmanager
async def gateways(store: Store, clock: ManualClock) -> AsyncIterator[tuple[Identity, Identity, Cut]]:
    """Run two gateways; the second one's store can be cut off."""
    cut = Cut(store)
    async with identity(store, clock) as one, identity(cut, clock) as two:  # type: ignore[arg-type]
        yield one, two, cut


@pytest.fixture
async def pair(store: Store, clock: ManualClock) -> AsyncIterator[tuple[Identity, Identity, Cut]]:
    """Two gateways, on both databases."""
    async with gateways(store, clock) as found:
        yield found


@pytest.fixture
async def alike(sqlite_store: Store, clock: ManualClock) -> AsyncIterator[tuple[Identity, Identity, Cut]]:
    """Two gateways, for what is the same on any database."""
    async with gateways(sqlite_store, clock) as found:
        yield found


async def test_what_is_remembered_is_not_asked_for_again(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, cut = alike
    _, token = await one.token()
    await two.plane.revocations.refresh()
    assert await two.proves(token)
    before = cut.reads
    for _ in range(100):
        assert await two.proves(token)
    assert cut.reads == before


async def test_another_gateways_revocation_counts_within_a_second(
    pair: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, _ = pair
    assert STALE_SECONDS < 1
    user, token = await one.token()
    deleted, gone = await one.token()
    await two.plane.revocations.refresh()
    assert await two.proves(token)
    assert await two.proves(gone)
    await one.plane.verbs.revoke(one.one, user)
    await one.plane.verbs.delete(one.one, deleted)
    assert not await one.proves(token), "here at once"
    clock.advance(STALE_SECONDS + 0.001)  # nothing was read meanwhile: nothing is believed
    assert not await two.proves(token)
    assert not await two.proves(gone)


async def test_a_revocation_that_was_read_counts_at_once(
    pair: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, _ = pair
    user, token = await one.token()
    await two.plane.revocations.refresh()
    assert await two.proves(token)
    await one.plane.verbs.revoke(one.one, user)
    clock.advance(POLL_SECONDS)
    await two.plane.revocations.refresh()
    assert not await two.proves(token)
    assert await two.proves((await one.plane.verbs.issue(one.one, user, CHAT)).token.reveal())


async def test_a_key_that_another_gateway_ended_counts_no_more(
    pair: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, _ = pair
    _, token = await one.token()
    await two.plane.revocations.refresh()
    assert await two.proves(token)
    await one.plane.verbs.rotate_keys(one.one, end_old=True)
    clock.advance(POLL_SECONDS)
    await two.plane.revocations.refresh()
    assert not await two.proves(token)


async def test_a_database_that_is_away_lets_nobody_in_for_longer_than_that(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, cut = alike
    _, token = await one.token()
    await two.plane.revocations.refresh()
    assert await two.proves(token)
    cut.away = True
    assert await two.proves(token)
    clock.advance(STALE_SECONDS + 0.001)
    with pytest.raises(Unavailable):
        await two.proves(token)
    cut.away = False
    assert await two.proves(token)


async def test_a_revocation_during_the_question_is_not_overlooked(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, cut = alike
    user, token = await one.token()
    await two.plane.revocations.refresh()
    answer = asyncio.Event()
    read = cut.read

    async def slow(query: object) -> object:
        found = await read(query)
        if type(query).__name__ == "FindStanding":
            await answer.wait()  # what was found is old by the time it comes
        return found

    cut.read = slow  # type: ignore[method-assign]
    asked = asyncio.create_task(two.proves(token))
    while cut.reads < 3:
        await asyncio.sleep(0)
    await one.plane.verbs.revoke(one.one, user)
    await two.plane.revocations.refresh()
    answer.set()
    assert not await asked
    assert not await two.proves(token)


async def test_whoever_holds_on_to_tokens_hears_of_revocations_once(
    pair: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, _ = pair
    user, _ = await one.token()
    await two.plane.revocations.refresh()
    here, there = Watcher(), Watcher()
    one.plane.revocations.observe(here)
    end = two.plane.revocations.observe(there)
    await one.plane.verbs.revoke(one.one, user)
    await one.plane.verbs.rotate_keys(one.one, end_old=False)
    await one.plane.verbs.delete(one.one, user)
    parsed = parse_raw_id(user)
    assert parsed is not None
    for _ in range(3):
        await one.plane.revocations.refresh()
        await two.plane.revocations.refresh()
    assert here.heard[0] == (*parsed, 1)
    assert (*parsed, DELETED) in here.heard
    assert one.one in here.heard
    assert sorted(map(str, there.heard)) == sorted(map(str, {*there.heard}))
    assert {(*parsed, DELETED), one.one} <= set(there.heard)
    end()
    other, _ = await one.token()
    await one.plane.verbs.revoke(one.one, other)
    heard = len(there.heard)
    await two.plane.revocations.refresh()
    assert len(there.heard) == heard


async def test_an_observer_that_fails_keeps_nobody_else_from_hearing(
    alike: tuple[Identity, Identity, Cut],
) -> None:
    one, _, _ = alike
    user, _ = await one.token()

    class Failing(Watcher):
        def revoked(self, resource: ResourceId, user: UserId, generation: int) -> None:
            raise RuntimeError("no")

    watcher = Watcher()
    one.plane.revocations.observe(Failing())
    one.plane.revocations.observe(watcher)
    await one.plane.verbs.revoke(one.one, user)
    assert watcher.heard


async def test_each_change_is_heard_once_even_when_the_databases_clock_goes_back(
    alike: tuple[Identity, Identity, Cut],
) -> None:
    one, _, _ = alike
    watcher = Watcher()
    one.plane.revocations.observe(watcher)
    for at in (10, 5, 10, 5):
        one.plane.revocations.tell(one.one, KEYS_CHANGED, at)
    assert watcher.heard == [one.one, one.one]


async def test_what_was_heard_long_ago_is_forgotten(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, _, _ = alike
    revocations, user = one.plane.revocations, UserId(b"u" * 16)
    revocations.tell(one.one, user, 1)
    clock.advance(OVERLAP_SECONDS)
    revocations.tell(one.one, user, 2)
    clock.advance(OVERLAP_SECONDS + 1)
    await revocations.refresh()
    assert revocations.floor(one.one, user) == 2
    clock.advance(OVERLAP_SECONDS + 1)
    await revocations.refresh()
    assert (revocations.floor(one.one, user), revocations._heard) == (0, {})


async def test_after_a_long_silence_nothing_remembered_is_believed(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    one, two, cut = alike
    _, token = await one.token()
    await two.plane.revocations.refresh()
    watcher = Watcher()
    two.plane.revocations.observe(watcher)
    assert await two.proves(token)
    clock.mono += GAP_SECONDS + 1
    await two.plane.revocations.refresh()
    assert watcher.heard == ["lost"]
    before = cut.reads
    assert await two.proves(token)
    assert cut.reads > before


async def test_nothing_is_read_while_nobody_asks(
    alike: tuple[Identity, Identity, Cut], clock: ManualClock
) -> None:
    _, two, cut = alike
    revocations = two.plane.revocations.start()
    for _ in range(20):
        await asyncio.sleep(0)
    assert cut.reads == 1  # the directory's own
    revocations.fresh()
    while cut.reads < 2:
        await asyncio.sleep(0.001)
    await revocations.stop()


async def test_gateways_by_themselves_hear_of_a_revocation_within_a_second(postgresql_url: str) -> None:
    clock = SystemClock()
    with started(postgresql_url) as here, started(postgresql_url) as there:
        async with identity(here, clock) as one, identity(there, clock) as two:
            await two.plane.start()
            user, token = await one.token()
            assert await two.proves(token)
            while not two.plane.verifier._generations:  # until it believes what it remembers
                await asyncio.sleep(0.01)
                assert await two.proves(token)
            await one.plane.verbs.revoke(one.one, user)
            committed = asked = clock.monotonic()
            while await two.proves(token):
                await asyncio.sleep(0.01)
                asked = clock.monotonic()
            assert asked - committed < 1.0


async def test_remembered_tokens_are_bounded(alike: tuple[Identity, Identity, Cut]) -> None:
    one, _, _ = alike
    verifier = one.plane.verifier
    _, token = await one.token()
    assert await one.proves(token)
    (proven,) = verifier._tokens.values()
    for number in range(MAX_TOKENS + 10):
        verifier._remember(number.to_bytes(32, "big"), proven)
    assert len(verifier._tokens) == MAX_TOKENS
    assert await one.proves(token)


async def test_a_token_of_a_database_that_was_restored_is_dead(
    pair: tuple[Identity, Identity, Cut], store: Store
) -> None:
    one, two, _ = pair
    user, _ = await one.token()
    await one.plane.verbs.revoke(one.one, user)
    token = (await one.plane.verbs.issue(one.one, user, CHAT)).token.reveal()
    await store.write(lambda tx: tx.execute(update(users).values(generation=0)).rowcount)
    assert not await two.proves(token)
