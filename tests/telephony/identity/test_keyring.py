"""Signing keys on both databases: made, replaced by age and by hand, given up, published."""

import asyncio
import base64
from collections.abc import AsyncIterator

import jwt
import msgspec
import pytest
from sqlalchemy import Connection, select

from telephony.identity.key_store import OVERLAP
from telephony.identity.keys import Jwk, load_private_key, private_bytes
from telephony.identity.settings import IdentitySettings
from telephony.identity.states import KeyState
from telephony.identity.tables import token_keys
from telephony.identity.token import MAX_MINUTES
from telephony.kernel.clock import DAY, HOUR, MINUTE
from telephony.kernel.errors import NotFound
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.kernel.store.retention import PurgeExpired
from telephony.resources.seal import MasterKeys
from tests.support.clock import ManualClock
from tests.support.identity import CHAT, Identity, identity

pytestmark = pytest.mark.wire

DAILY = IdentitySettings(key_days=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def home(store: Store, clock: ManualClock) -> AsyncIterator[Identity]:
    async with identity(store, clock, DAILY) as home:
        yield home


@pytest.fixture
async def alike(sqlite_store: Store, clock: ManualClock) -> AsyncIterator[Identity]:
    """For what is the same on any database."""
    async with identity(sqlite_store, clock, DAILY) as home:
        yield home


async def kids(home: Identity) -> list[str]:
    return [key.kid for key in await home.plane.keyring.published(home.one)]


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_anybody_can_verify_a_token_by_the_published_keys(alike: Identity) -> None:
    _, token = await alike.token()
    published = msgspec.json.decode(
        msgspec.json.encode({"keys": await alike.plane.keyring.published(alike.one)})
    )
    assert set(published["keys"][0]) == set(Jwk.__struct_fields__)  # no private member (RFC 7518 §6.2.2)
    keys = jwt.PyJWKSet.from_dict(published)
    payload = jwt.decode(
        token,
        keys[kid_of(token)].key,
        algorithms=["ES256"],
        issuer="https://one.test",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert payload["resourceId"] == to_text(alike.one)


async def test_a_key_is_replaced_by_age_and_verifies_as_long_as_any_token_of_its_lives(
    alike: Identity, clock: ManualClock
) -> None:
    assert OVERLAP >= MAX_MINUTES * MINUTE
    _, first = await alike.token()
    clock.advance(DAY / 1e6 - 1)
    user, last = await alike.token()
    assert kid_of(last) == kid_of(first)
    clock.advance(1)
    _, fresh = await alike.token()
    assert kid_of(fresh) != kid_of(first)
    assert await kids(alike) == [kid_of(first), kid_of(fresh)]
    assert await alike.proves(last)
    assert [key.state for key in await alike.plane.verbs.keys(alike.one)] == [
        KeyState.VERIFYING,
        KeyState.SIGNING,
    ]
    clock.at += OVERLAP
    clock.mono += OVERLAP / 1e6
    assert await kids(alike) == [kid_of(fresh)]
    assert user


async def test_a_key_that_is_over_is_deleted(home: Identity, store: Store, clock: ManualClock) -> None:
    await home.token()
    await home.plane.verbs.rotate_keys(home.one, end_old=False)
    assert await store.write(PurgeExpired(token_keys, clock.now() + OVERLAP - 1, 10)) == 0
    assert await store.write(PurgeExpired(token_keys, clock.now() + OVERLAP, 10)) == 1
    assert len(await home.plane.verbs.keys(home.one)) == 1


async def test_a_rotation_by_hand_keeps_old_tokens_or_ends_them_all(home: Identity) -> None:
    _, old = await home.token()
    _, theirs = await home.token(home.other)
    kid = to_text(await home.plane.verbs.rotate_keys(home.one, end_old=False))
    _, fresh = await home.token()
    assert kid_of(fresh) == kid
    assert [await home.proves(each) for each in (old, fresh)] == [True, True]
    await home.plane.verbs.rotate_keys(home.one, end_old=True)
    _, newest = await home.token()
    assert [await home.proves(each) for each in (old, fresh, newest)] == [False, False, True]
    assert await home.proves(theirs, home.other)
    assert await kids(home) == [kid_of(newest)]


async def test_gateways_that_need_a_key_at_once_make_one(store: Store, clock: ManualClock) -> None:
    async with identity(store, clock) as one, identity(store, clock) as two:
        tokens = await asyncio.gather(*(each.token(one.one) for each in (one, two) * 5))
        assert len({kid_of(token) for _, token in tokens}) == 1
        for _, token in tokens:
            assert await one.proves(token)
            assert await two.proves(token)


async def test_a_key_that_another_gateway_has_just_made_is_found(store: Store, clock: ManualClock) -> None:
    async with identity(store, clock) as one, identity(store, clock) as two:
        _, first = await one.token()
        assert await two.proves(first)
        await one.plane.verbs.rotate_keys(one.one, end_old=False)
        _, second = await one.token()
        clock.advance(1)  # so that the keys may be read again
        assert await two.proves(second)


async def test_made_up_keys_do_not_keep_the_store_busy(alike: Identity, clock: ManualClock) -> None:
    _, token = await alike.token()
    assert await alike.proves(token)
    head, rest = token.split(".", 1)
    read = alike.plane.keyring._store.read
    reads = 0

    async def counted(query: object) -> object:
        nonlocal reads
        reads += 1
        return await read(query)  # type: ignore[arg-type]

    alike.plane.keyring._store.read = counted  # type: ignore[method-assign, assignment]
    try:
        made_up = [
            base64.urlsafe_b64encode(
                b'{"alg":"ES256","kid":"%s"}' % to_text(number.to_bytes(16, "big")).encode()
            )
            .rstrip(b"=")
            .decode()
            for number in range(20)
        ]
        proven = await asyncio.gather(*(alike.proves(f"{each}.{rest}") for each in made_up))
    finally:
        alike.plane.keyring._store.read = read  # type: ignore[method-assign]
    assert not any(proven)
    assert reads <= 2, reads
    assert head


async def test_private_keys_are_sealed_for_their_place(alike: Identity, sqlite_store: Store) -> None:
    await alike.token()

    def stored(tx: Connection) -> bytes:
        return bytes(tx.execute(select(token_keys.c.sealed)).scalar_one())

    sealed = await sqlite_store.read(stored)
    signing = await alike.plane.keyring.signing(alike.one)
    raw = private_bytes(signing.key)
    assert raw not in sealed
    assert private_bytes(load_private_key(raw)) == raw
    secret = signing.key.private_numbers().private_value.to_bytes(32, "big")
    assert secret not in sealed


async def test_without_the_master_key_a_fresh_key_signs_and_the_old_one_verifies(
    alike: Identity, sqlite_store: Store, clock: ManualClock
) -> None:
    _, old = await alike.token()
    async with identity(sqlite_store, clock, master=MasterKeys([b"n" * 32])) as other:
        _, fresh = await other.token()
        assert kid_of(fresh) != kid_of(old)
        assert await other.proves(old)
        assert await other.proves(fresh)


async def test_a_resource_that_there_is_not_gets_no_key(alike: Identity) -> None:
    nobody = ResourceId(b"n" * 16)
    with pytest.raises(NotFound):
        await alike.plane.verbs.rotate_keys(nobody, end_old=False)
    with pytest.raises(NotFound):
        await alike.plane.keyring.signing(nobody)
    assert await alike.plane.keyring.published(nobody) == ()


async def test_a_clock_that_jumps_makes_a_key_too_many_at_most(alike: Identity, clock: ManualClock) -> None:
    clock.at -= 400 * DAY  # not forward: ids that were made never go back, for whatever test comes next
    _, early = await alike.token()
    clock.at += 400 * DAY
    _, late = await alike.token()
    clock.at -= 400 * DAY
    _, back = await alike.token()
    assert kid_of(late) == kid_of(back) != kid_of(early)
    assert await alike.proves(early)
    assert await alike.proves(back)
    user, _ = await alike.token()
    assert (await alike.plane.verbs.issue(alike.one, user, CHAT)).expires == clock.now() + HOUR
