"""Collecting callbacks into jobs, with a store that does what it is told."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from sms.gather import MOST, Gather
from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store

pytestmark = pytest.mark.unit


class FakeStore:
    """Writes lists of numbers; `poison` cannot be written, and nothing can while `away`."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []
        self.tried = 0
        self.poison: set[int] = set()
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, job: list[int]) -> int:
        self.tried += 1
        await self.gate.wait()
        if self.away:
            raise Unavailable("away")
        if self.poison & set(job):
            raise ValueError("poison")
        self.written.append(list(job))
        return sum(job)

    async def write_until_done(self, job: list[int]) -> int:
        return await self.write(job)


class Told:
    """What the gather told."""

    def __init__(self) -> None:
        self.done: list[tuple[list[int], int]] = []
        self.failed: list[int] = []
        self.raises = False

    def take_done(self, batch: Sequence[int], result: int) -> None:
        if self.raises:
            raise RuntimeError("a mistake")
        self.done.append((list(batch), result))

    def take_failed(self, batch: Sequence[int]) -> None:
        self.failed += batch


def _gather(store: FakeStore, told: Told) -> Gather[int, int]:
    return Gather(
        cast("Store", store),
        lambda batch: cast("Any", list(batch)),
        done=told.take_done,
        failed=told.take_failed,
        persistent=False,
    )


async def test_what_comes_while_a_write_runs_goes_into_the_next() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    store.gate.clear()
    gather.add(1)
    while not store.tried:
        await asyncio.sleep(0)
    for number in (2, 3, 4):
        gather.add(number)
    store.gate.set()
    await gather.flush()
    assert store.written == [[1], [2, 3, 4]]
    assert told.done == [([1], 1), ([2, 3, 4], 9)]


async def test_a_job_is_never_bigger_than_the_ceiling_and_order_is_kept() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    for number in range(MOST * 2 + 1):
        gather.add(number)
    await gather.flush()
    assert [len(job) for job in store.written] == [MOST, MOST, 1]
    assert [number for job in store.written for number in job] == list(range(MOST * 2 + 1))


async def test_one_item_that_cannot_be_written_fails_alone() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    store.poison = {70}
    for number in range(100):
        gather.add(number)
    await gather.flush()
    assert told.failed == [70]
    assert [number for job in store.written for number in job] == [n for n in range(100) if n != 70]
    assert store.tried <= 16


async def test_a_store_that_is_away_fails_the_batch_at_once() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    store.away = True
    for number in range(3):
        gather.add(number)
    await gather.flush()
    assert (told.failed, store.tried) == ([0, 1, 2], 1)


async def test_a_mistake_in_a_callback_does_not_hold_up_what_follows() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    told.raises = True
    gather.add(1)
    await gather.flush()
    told.raises = False
    gather.add(2)
    await gather.flush()
    assert told.done == [([2], 2)]


async def test_whoever_waits_for_the_flush_may_go_away_without_harm() -> None:
    store, told = FakeStore(), Told()
    gather = _gather(store, told)
    store.gate.clear()
    gather.add(1)
    waiting = asyncio.create_task(gather.flush())
    while not store.tried:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    store.gate.set()
    await gather.flush()
    assert told.done == [([1], 1)]


async def test_flushing_nothing_returns() -> None:
    gather = _gather(FakeStore(), Told())
    await gather.flush()
    assert len(gather) == 0
