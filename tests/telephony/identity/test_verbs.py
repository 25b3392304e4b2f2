"""Users and tokens on both databases: made, issued, revoked, deleted, counted, listed."""

import asyncio
from collections.abc import AsyncIterator

import jwt
import pytest
from sqlalchemy import Connection, select

from telephony.identity.names import UserId, parse_raw_id, raw_id
from telephony.identity.scopes import Scope
from telephony.identity.settings import IdentitySettings
from telephony.identity.tables import token_revocations, user_counts, users
from telephony.identity.verbs import Wish
from telephony.kernel.clock import HOUR, MINUTE, SECOND
from telephony.kernel.errors import LimitReached, NotFound
from telephony.kernel.ids import new_id
from telephony.kernel.store import Store
from telephony.kernel.store.retention import PurgeExpired
from tests.support.clock import ManualClock
from tests.support.identity import CHAT, Identity, identity, raw
from tests.support.stores import started

pytestmark = pytest.mark.wire


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def home(store: Store, clock: ManualClock) -> AsyncIterator[Identity]:
    async with identity(store, clock) as home:
        yield home


@pytest.fixture
async def alike(sqlite_store: Store, clock: ManualClock) -> AsyncIterator[Identity]:
    """For what is the same on any database."""
    async with identity(sqlite_store, clock) as home:
        yield home


async def test_a_user_is_made_found_and_deleted(home: Identity, store: Store) -> None:
    verbs = home.plane.verbs
    user, issued = await verbs.create(home.one, None, None)
    assert issued is None
    assert (await verbs.find(home.one, raw(user))) == user
    await verbs.delete(home.one, raw(user))
    for gone in (verbs.find, verbs.delete, verbs.revoke):
        with pytest.raises(NotFound):
            await gone(home.one, raw(user))
    with pytest.raises(NotFound):
        await verbs.issue(home.one, raw(user), CHAT)


async def test_a_token_expires_exactly_when_the_answer_says(alike: Identity, clock: ManualClock) -> None:
    clock.at += 123_456
    user, _ = await alike.plane.verbs.create(alike.one, None, None)
    for minutes in (60, 75, 1440):
        issued = await alike.plane.verbs.issue(alike.one, raw(user), Wish((Scope.VOIP,), minutes))
        payload = jwt.decode(issued.token.reveal(), options={"verify_signature": False})
        assert payload["exp"] * SECOND == issued.expires
        assert payload["exp"] - payload["iat"] == minutes * 60
        assert 0 <= clock.now() + minutes * MINUTE - issued.expires < SECOND


async def test_a_revocation_ends_every_token_and_a_later_one_is_good(home: Identity) -> None:
    user, first = await home.token()
    second = (await home.plane.verbs.issue(home.one, user, CHAT)).token.reveal()
    other, others = await home.token()
    assert [await home.proves(each) for each in (first, second, others)] == [True, True, True]
    await home.plane.verbs.revoke(home.one, user)
    assert [await home.proves(each) for each in (first, second, others)] == [False, False, True]
    third = (await home.plane.verbs.issue(home.one, user, CHAT)).token.reveal()
    assert await home.proves(third), "made in the same second as the revocation"
    await home.plane.verbs.revoke(home.one, user)
    assert not await home.proves(third)
    assert other != user


async def test_a_revocation_holds_when_the_clock_jumps(alike: Identity, clock: ManualClock) -> None:
    user, before = await alike.token()
    clock.at += 10 * MINUTE
    await alike.plane.verbs.revoke(alike.one, user)
    clock.at -= 10 * MINUTE
    assert not await alike.proves(before)
    assert await alike.proves((await alike.plane.verbs.issue(alike.one, user, CHAT)).token.reveal())


async def test_a_deleted_users_tokens_are_dead_and_nothing_is_left_of_it(
    home: Identity, store: Store, clock: ManualClock
) -> None:
    user, _ = await home.plane.verbs.create(home.one, CHAT, "sally@contoso.example")
    token = (await home.plane.verbs.issue(home.one, raw(user), CHAT)).token.reveal()
    assert await home.proves(token)
    await home.plane.verbs.delete(home.one, raw(user))
    assert not await home.proves(token)

    def left(tx: Connection) -> tuple[int, list[int]]:
        rows = tx.execute(select(users)).all()
        return len(rows), list(tx.execute(select(user_counts.c.users)).scalars())

    assert await store.read(left) == (0, [0])

    # What gateways have to hear of names the user for an hour, without anything else of it.
    def heard(tx: Connection) -> list[int]:
        return list(tx.execute(select(token_revocations.c.expires)).scalars())

    expires = await store.read(heard)
    assert len(expires) == 2  # the user, and the resource's first key
    await store.write(PurgeExpired(token_revocations, max(expires), 100))
    assert await store.read(heard) == []


async def test_another_resources_user_is_like_none(home: Identity, clock: ManualClock) -> None:
    theirs, token = await home.token(home.other)
    nobody = raw_id(home.one, UserId(new_id(clock.now())))
    parsed = parse_raw_id(theirs)
    assert parsed is not None
    as_mine = raw_id(home.one, parsed[1])
    verbs = home.plane.verbs
    said = set()
    for wrong in (theirs, nobody, as_mine, "8:acs:x", ""):
        for verb in (verbs.find, verbs.revoke, verbs.delete):
            with pytest.raises(NotFound) as refused:
                await verb(home.one, wrong)
            said.add((refused.value.message, refused.value.target))
        with pytest.raises(NotFound) as refused:
            await verbs.issue(home.one, wrong, CHAT)
        said.add((refused.value.message, refused.value.target))
    assert len(said) == 1
    assert await home.proves(token, home.other)
    assert not await home.proves(token, home.one)


async def test_a_custom_id_makes_one_user_however_often_and_by_however_many(home: Identity) -> None:
    verbs = home.plane.verbs
    made = await asyncio.gather(*(verbs.create(home.one, CHAT, "sally") for _ in range(10)))
    assert len({user.id for user, _ in made}) == 1
    assert all([await home.proves(issued.token.reveal()) for _, issued in made if issued is not None])
    theirs, _ = await verbs.create(home.other, None, "sally")
    assert theirs.id != made[0][0].id
    assert [user.id for user in await verbs.list(home.one, after=b"", limit=10)] == [made[0][0].id]
    again, _ = await verbs.create(home.one, None, "sally")
    assert again.id == made[0][0].id
    await verbs.delete(home.one, raw(again))
    fresh, _ = await verbs.create(home.one, None, "sally")
    assert fresh.id != again.id


async def test_gateways_that_make_the_same_user_at_once_make_one(
    postgresql_url: str, clock: ManualClock
) -> None:
    with started(postgresql_url) as here, started(postgresql_url) as there:
        async with identity(here, clock) as one, identity(there, clock) as two:
            made = await asyncio.gather(
                *(
                    each.plane.verbs.create(one.one, None, f"{n % 4}")
                    for n in range(12)
                    for each in (one, two)
                )
            )
            assert len({user.id for user, _ in made}) == 4
            assert len(await one.plane.verbs.list(one.one, after=b"", limit=100)) == 4

            def counted(tx: Connection) -> list[int]:
                return list(tx.execute(select(user_counts.c.users)).scalars())

            assert await here.read(counted) == [4]


async def test_a_user_shows_when_its_last_token_was_issued(alike: Identity, clock: ManualClock) -> None:
    user, _ = await alike.plane.verbs.create(alike.one, None, None)
    assert user.token_issued is None
    clock.advance(5)
    await alike.plane.verbs.issue(alike.one, raw(user), CHAT)
    assert (await alike.plane.verbs.find(alike.one, raw(user))).token_issued == clock.now()


async def test_users_are_listed_in_order_and_by_custom_id(home: Identity, clock: ManualClock) -> None:
    verbs = home.plane.verbs
    made = [(await verbs.create(home.one, None, str(number)))[0] for number in range(5)]
    await verbs.create(home.other, None, "2")
    first = await verbs.list(home.one, after=b"", limit=3)
    rest = await verbs.list(home.one, after=first[-1].id, limit=3)
    assert first + rest == made
    assert await verbs.list(home.one, after=b"", limit=3, custom_id="2") == [made[2]]


async def test_a_resource_has_no_more_users_than_its_limit(store: Store, clock: ManualClock) -> None:
    async with identity(store, clock, IdentitySettings(max_users=3)) as home:
        verbs = home.plane.verbs
        made = await asyncio.gather(
            *(verbs.create(home.one, None, None) for _ in range(6)), return_exceptions=True
        )
        refused = [each for each in made if isinstance(each, BaseException)]
        assert len(refused) == 3
        assert {(type(each), getattr(each, "limit", "")) for each in refused} == {
            (LimitReached, "identity.max_users")
        }
        await verbs.create(home.other, None, None)  # each resource on its own
        (first, _) = next(each for each in made if not isinstance(each, BaseException))
        await verbs.delete(home.one, raw(first))
        await verbs.create(home.one, None, None)


async def test_tokens_and_changes_have_their_rates(sqlite_store: Store, clock: ManualClock) -> None:
    paced = IdentitySettings(tokens_per_second=1, tokens_burst=2, changes_per_second=1, changes_burst=3)
    async with identity(sqlite_store, clock, paced) as home:
        verbs = home.plane.verbs
        user, _ = await verbs.create(home.one, None, None)
        for _ in range(2):
            await verbs.issue(home.one, raw(user), CHAT)
        with pytest.raises(LimitReached) as tokens:
            await verbs.issue(home.one, raw(user), CHAT)
        await verbs.revoke(home.one, raw(user))
        await verbs.revoke(home.one, raw(user))
        with pytest.raises(LimitReached) as changes:
            await verbs.delete(home.one, raw(user))
        assert (tokens.value.limit, changes.value.limit) == (
            "identity.tokens_per_second",
            "identity.changes_per_second",
        )
        assert tokens.value.retry_after == 1
        await home.token(home.other)  # each resource on its own
        clock.advance(1)
        await verbs.issue(home.one, raw(user), CHAT)
        await verbs.delete(home.one, raw(user))


async def test_a_token_dies_with_its_time(alike: Identity, clock: ManualClock) -> None:
    _, token = await alike.token()
    assert await alike.proves(token)
    clock.at += HOUR - 1
    assert await alike.proves(token)
    clock.at += 1
    assert not await alike.proves(token)
    clock.at -= 2 * HOUR
    assert not await alike.proves(token), "before its time"
