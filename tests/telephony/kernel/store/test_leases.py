"""Who works on what, on both databases."""

import asyncio
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from telephony.kernel.clock import HOUR, SECOND
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store, leases
from telephony.kernel.store.leases import (
    EndLease,
    LeaseLost,
    Occupied,
    PurgeNodes,
    RegisterNode,
    RenewLease,
    TakeOver,
    database_now,
    expired_nodes,
    hold,
    keep_lease,
    work_tables,
)
from telephony.kernel.store.schema import interactions, nodes, timeline
from tests.support import stores

pytestmark = pytest.mark.wire

RESOURCE = b"r" * 16


class Work:
    """Gives a node messages to work on: version 1, with a line in the timeline."""

    def __init__(self, node: NodeId | None, *ids: int) -> None:
        self.node = node
        self.ids = [number.to_bytes(16, "big") for number in ids]

    def __call__(self, tx: Connection) -> None:
        common = {
            "resource": RESOURCE,
            "kind": "sms",
            "direction": "outbound",
            "state": "accepted",
            "version": 1,
            "rank": 0,
        }
        times = {"created": 1, "updated": 1, "own": "+14255550100", "peer": "+14255550123", "detail": b"{}"}
        tx.execute(
            insert(interactions), [common | times | {"id": number, "node": self.node} for number in self.ids]
        )
        entry = {
            "resource": RESOURCE,
            "at": 1,
            "seq": 1,
            "node": self.node or b"0" * 16,
            "source": "t",
            "kind": "t",
        }
        tx.execute(insert(timeline), [entry | {"interaction": number} for number in self.ids])


def owners(tx: Connection) -> dict[int, tuple[bytes | None, int]]:
    rows = tx.execute(select(interactions.c.id, interactions.c.node, interactions.c.version))
    return {int.from_bytes(number, "big"): (node, version) for number, node, version in rows}


def writers(tx: Connection) -> set[bytes]:
    return set(tx.execute(select(timeline.c.node)).scalars())


async def test_the_databases_clock_is_the_time(store: Store) -> None:
    assert abs(await store.read(database_now) - time.time_ns() // 1000) < 60 * SECOND


async def test_a_registered_node_lives_until_its_lease_runs_out(store: Store) -> None:
    await store.write(RegisterNode("one"))
    assert await store.read(expired_nodes) == []
    dead = await store.write(RegisterNode("two", seconds=0))
    assert await store.read(expired_nodes) == [dead]


async def test_a_name_of_any_length_is_taken(store: Store) -> None:
    node = await store.write(RegisterNode("n" * 300))
    assert (await store.read(lambda tx: tx.execute(select(nodes.c.id)).scalars().all())) == [node]


async def test_a_late_renewal_is_good_as_long_as_nobody_took_over(store: Store) -> None:
    node = await store.write(RegisterNode("slow", seconds=-1))
    assert await store.read(expired_nodes) == [node]
    await store.write(RenewLease(node))
    assert await store.read(expired_nodes) == []


async def test_work_of_a_dead_node_is_taken_over_once_and_its_history_stays(store: Store) -> None:
    dead = await store.write(RegisterNode("dead", seconds=0))
    alive = await store.write(RegisterNode("alive"))
    heir = await store.write(RegisterNode("heir"))
    await store.write(Work(dead, 1, 2))
    await store.write(Work(alive, 3))
    await store.write(Work(None, 4))
    assert await store.write(TakeOver(heir)) == 2
    assert await store.read(owners) == {1: (heir, 2), 2: (heir, 2), 3: (alive, 1), 4: (None, 1)}
    assert await store.read(writers) == {dead, alive, b"0" * 16}
    assert await store.write(TakeOver(heir)) == 0
    assert await store.write(TakeOver(alive)) == 0


async def test_much_work_is_taken_over_in_slices_until_nothing_is_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SLICE", 4)
    dead, survivor = await store.write(RegisterNode("a")), await store.write(RegisterNode("b"))
    await store.write(Work(dead, *range(1, 11)))
    await store.write(EndLease(dead))
    told: list[int] = []
    keeping = asyncio.create_task(keep_lease(store, survivor, told.append, every=3600))
    async with asyncio.timeout(10):
        while sum(told) < 10:
            await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert told == [4, 4, 2], "without a pause while there is more"
    assert set((await store.read(owners)).values()) == {(survivor, 2)}
    with pytest.raises(LeaseLost):
        await store.write(RenewLease(dead))


async def test_a_node_that_was_taken_over_learns_it(store: Store) -> None:
    slept = await store.write(RegisterNode("slept", seconds=0))
    heir = await store.write(RegisterNode("heir"))
    await store.write(TakeOver(heir))
    with pytest.raises(LeaseLost):
        await store.write(RenewLease(slept))
    with pytest.raises(LeaseLost):
        await store.write(RenewLease(NodeId(b"?" * 16)))


async def test_what_a_node_wrote_after_it_was_taken_for_dead_is_taken_over_too(store: Store) -> None:
    slept = await store.write(RegisterNode("slept", seconds=0))
    heir = await store.write(RegisterNode("heir"))
    assert await store.write(TakeOver(heir)) == 0
    await store.write(Work(slept, 1))
    assert await store.read(expired_nodes) == [slept]
    assert await store.write(PurgeNodes(await store.read(database_now) + HOUR)) == 0
    assert await store.write(TakeOver(heir)) == 1
    assert await store.read(expired_nodes) == []
    await store.write(Work(slept, 2))
    assert await store.write(TakeOver(heir, alone=True)) == 1


async def test_a_node_that_stops_in_order_leaves_its_work_at_once(store: Store) -> None:
    leaves = await store.write(RegisterNode("leaves"))
    heir = await store.write(RegisterNode("heir"))
    await store.write(Work(leaves, 1))
    assert await store.write(TakeOver(heir)) == 0
    await store.write(EndLease(leaves))
    assert await store.write(TakeOver(heir)) == 1


async def test_the_only_gateway_takes_from_everybody(store: Store) -> None:
    before = await store.write(RegisterNode("before a kill -9"))
    await store.write(Work(before, 1, 2, 3))
    now = await store.write(RegisterNode("now"))
    assert await store.write(TakeOver(now, alone=True)) == 3
    assert {owner for owner, _ in (await store.read(owners)).values()} == {now}


async def test_of_two_survivors_one_gets_the_work(postgresql_store: Store, postgresql_url: str) -> None:
    dead = await postgresql_store.write(RegisterNode("dead", seconds=0))
    await postgresql_store.write(Work(dead, *range(1, 51)))
    with stores.started(postgresql_url) as other:
        first = await postgresql_store.write(RegisterNode("first"))
        second = await other.write(RegisterNode("second"))
        moved = await asyncio.gather(postgresql_store.write(TakeOver(first)), other.write(TakeOver(second)))
    assert sorted(moved) == [0, 50]
    assert len({owner for owner, _ in (await postgresql_store.read(owners)).values()}) == 1


async def test_the_keeper_renews_and_tells_what_it_took_over(store: Store) -> None:
    node = await store.write(RegisterNode("keeper", seconds=0.0))
    dead = await store.write(RegisterNode("dead", seconds=0))
    await store.write(Work(dead, 1, 2))
    told: asyncio.Queue[int] = asyncio.Queue()
    keeper = asyncio.create_task(keep_lease(store, node, told.put_nowait, every=0.01))
    assert await asyncio.wait_for(told.get(), 5) == 2
    assert await store.read(expired_nodes) == []
    other = await store.write(RegisterNode("other"))
    await store.write(TakeOver(other, alone=True))
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(keeper, 5)


async def test_old_nodes_are_forgotten_when_nothing_of_theirs_is_left(store: Store) -> None:
    dead = await store.write(RegisterNode("dead", seconds=0))
    heir = await store.write(RegisterNode("heir"))
    later = await store.read(database_now) + HOUR
    assert await store.write(PurgeNodes(later)) == 0
    await store.write(TakeOver(heir))
    assert await store.write(PurgeNodes(later)) == 1
    left = await store.read(lambda tx: tx.execute(select(nodes.c.id)).scalars().all())
    assert left == [heir]
    assert dead not in left


def test_every_table_that_says_work_names_a_node_that_may_be_nobody() -> None:
    assert interactions in work_tables()
    assert timeline not in work_tables()
    for table in work_tables():
        assert table.c.node.nullable


def test_a_second_gateway_on_one_sqlite_file_is_refused_in_words(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tandem.db"
    first = hold(url)
    assert first.alone
    with pytest.raises(Occupied, match=r"Another gateway works on .*tandem\.db") as refused:
        hold(url)
    assert refused.value.process == os.getpid()
    first.release()
    first.release()
    second = hold(url)
    second.release()


def test_a_gateway_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tandem.db"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold_for_ever, args=(url, ready))
    process.start()
    assert ready.wait(20)
    with pytest.raises(ConfigurationError):
        hold(url)
    process.kill()
    process.join()
    hold(url).release()


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be writable"):
        hold(f"sqlite:///{tmp_path}/missing/tandem.db")


def test_postgresql_needs_no_lock_on_a_file() -> None:
    assert not hold("postgresql+psycopg://localhost/tandem").alone


def _hold_for_ever(url: str, ready: "multiprocessing.synchronize.Event") -> None:
    kept = leases.hold(url)
    ready.set()
    while kept.alone:
        time.sleep(60)
