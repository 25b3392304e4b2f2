"""Accounts, quotas and the outbox on both databases."""

import asyncio

import pytest
from sqlalchemy import insert

from sms.esme.account import AccountSettings
from sms.esme.directory import AccountDirectory
from sms.esme.outbox import ClaimedBy, ClaimOutbox, Outcome, SettleOutbox, WaitingAccounts
from sms.esme.store import AddAccount, ChangeAccount, ListAccounts, RemoveAccount, StoredAccount, TakeQuota
from sms.esme.tables import outbox
from telephony.kernel.clock import DAY
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import NodeId, ResourceId, new_id
from telephony.kernel.store import Store
from tests.support.clock import START

pytestmark = pytest.mark.wire

ONE, TWO = ResourceId(new_id(1)), ResourceId(new_id(2))
MINE = [(ONE, "a"), (TWO, "a"), (ONE, "b")]
NODE, OTHER = NodeId(new_id(3)), NodeId(new_id(4))


class Plainly:
    """Seals nothing."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return sealed


def account(resource: ResourceId = ONE, system_id: str = "a", **settings: object) -> StoredAccount:
    return StoredAccount(resource, system_id, b"secret", AccountSettings(**settings), 1, START)  # type: ignore[arg-type]


async def put(store: Store, count: int, *, system_id: str = "a", due: int = START) -> list[bytes]:
    identifiers = [new_id(START) for _ in range(count)]
    rows = [
        {
            "resource": ONE,
            "system_id": system_id,
            "id": identifier,
            "due": due,
            "attempts": 0,
            "content": b"{}",
            "expires": START + DAY,
        }
        for identifier in reversed(identifiers)
    ]
    await store.write(lambda tx: tx.execute(insert(outbox), rows).rowcount)
    return identifiers


async def test_a_system_id_is_one_accounts_alone(store: Store) -> None:
    await store.write(AddAccount(account()))
    for resource in (ONE, TWO):
        with pytest.raises(Conflict):
            await store.write(AddAccount(account(resource)))
    assert await store.read(ListAccounts()) == [account()]


async def test_another_resources_account_is_absent(store: Store) -> None:
    await store.write(AddAccount(account()))
    with pytest.raises(NotFound):
        await store.write(ChangeAccount(TWO, "a", enabled=False))
    with pytest.raises(NotFound):
        await store.write(RemoveAccount(TWO, "a"))
    assert await store.read(ListAccounts(TWO)) == []


async def test_the_directory_tells_whose_account_changed(store: Store) -> None:
    directory = AccountDirectory(store, Plainly())
    changed: list[str] = []
    directory.changed = changed.append
    await store.write(AddAccount(account(inbound=True)))
    await directory.refresh()
    assert [each.system_id for each in directory.inbound(ONE)] == ["a"]
    assert directory.inbound(TWO) == ()
    await store.write(ChangeAccount(ONE, "a", enabled=False))
    await directory.refresh()
    assert (directory.gate("a"), changed) == (None, ["a"])
    assert directory.get("a") is not None
    await store.write(RemoveAccount(ONE, "a"))
    await directory.refresh()
    assert (directory.get("a"), changed) == (None, ["a", "a"])


async def test_a_quota_is_used_up_once_however_many_ask(store: Store) -> None:
    jobs = [TakeQuota(ONE, "a", 7, START) for _ in range(20)]
    assert sum(await asyncio.gather(*(store.write(job) for job in jobs))) == 7
    assert await store.write(TakeQuota(ONE, "a", 7, START + DAY))
    assert await store.write(TakeQuota(TWO, "a", 7, START))


async def test_the_oldest_are_claimed_first_and_once(store: Store) -> None:
    identifiers = await put(store, 5)
    first = await store.write(ClaimOutbox(NODE, ONE, "a", START, 3))
    second = await store.write(ClaimOutbox(OTHER, ONE, "a", START, 3))
    assert [row.key[2] for row in first + second] == identifiers
    assert await store.write(ClaimOutbox(NODE, ONE, "a", START, 3)) == []
    assert {key[2] for key in await store.read(ClaimedBy(NODE))} == set(identifiers[:3])


async def test_what_was_taken_goes_and_the_rest_waits_again(store: Store) -> None:
    await put(store, 2)
    taken, refused = await store.write(ClaimOutbox(NODE, ONE, "a", START, 9))
    outcomes = [Outcome(taken.key), Outcome(refused.key, START + 5, 1)]
    await store.write(SettleOutbox(OTHER, outcomes))  # another node's, so nothing happens
    assert len(await store.read(ClaimedBy(NODE))) == 2
    await store.write(SettleOutbox(NODE, outcomes))
    assert await store.write(ClaimOutbox(NODE, ONE, "a", START + 4, 9)) == []
    assert await store.read(WaitingAccounts(MINE, START + 4)) == set()
    assert await store.read(WaitingAccounts(MINE, START + 5)) == {"a"}
    (again,) = await store.write(ClaimOutbox(NODE, ONE, "a", START + 5, 9))
    assert (again.key, again.attempts) == (refused.key, 1)


async def test_what_expired_is_not_sent(store: Store) -> None:
    await put(store, 1)
    assert await store.write(ClaimOutbox(NODE, ONE, "a", START + DAY, 9)) == []


async def test_what_waits_goes_with_its_account(store: Store) -> None:
    await store.write(AddAccount(account()))
    await put(store, 3)
    await store.write(RemoveAccount(ONE, "a"))
    assert await store.read(WaitingAccounts(MINE, START)) == set()
