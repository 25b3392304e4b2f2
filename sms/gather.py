"""Collecting what callbacks bring into few jobs: what came while the last write ran goes into the next."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Job, Store

log = structlog.get_logger(__name__)
T = TypeVar("T")
R = TypeVar("R")

MOST: Final = 500
"""Items a job: a bigger one would hold the group's commit up for everybody."""


class Gather(Generic[T, R]):
    """A queue of items that are written in jobs, one job at a time, in order.

    `persistent` waits out a store that is away; otherwise the items of that job are given to `failed`.
    """

    def __init__(
        self,
        store: Store,
        job: Callable[[Sequence[T]], Job[R]],
        *,
        done: Callable[[Sequence[T], R], None],
        failed: Callable[[Sequence[T]], None],
        persistent: bool,
    ) -> None:
        self._store = store
        self._job = job
        self._done = done
        self._failed = failed
        self._persistent = persistent
        self._items: list[T] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, item: T) -> None:
        """Take one item; call it on the loop."""
        self._items.append(item)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    def __len__(self) -> int:
        return len(self._items)

    async def flush(self) -> None:
        """Wait until everything taken so far is written or failed."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._items:
                batch, self._items = self._items[:MOST], self._items[MOST:]
                await self._write(batch)
        finally:
            self._task = None

    async def _write(self, batch: list[T]) -> None:
        write = self._store.write_until_done if self._persistent else self._store.write
        try:
            result = await write(self._job(batch))
        except Unavailable:
            self._failed(batch)
        except Exception:
            # Something in the batch cannot be written: find out which, so that the rest is not held up by it.
            if len(batch) == 1:
                log.exception("gather.item_refused")
                self._failed(batch)
                return
            for item in batch:
                await self._write([item])
        else:
            self._done(batch, result)
