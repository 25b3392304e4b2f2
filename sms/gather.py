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

MOST: Final = 200
"""Items a job: a bigger one would hold the group's commit up, and then the loop, for everybody."""


class Gather(Generic[T, R]):
    """A queue of items that are written in jobs, one job at a time, in order.

    Each item is given to `done`, with the result of its job, or to `failed`. `persistent` waits out a store
    that is away; otherwise the items of that job have failed. A job that cannot be written is cut in halves
    until the item at fault stands alone.
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
        self._write_job = store.write_until_done if persistent else store.write
        self._job = job
        self._done = done
        self._failed = failed
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
        try:
            result = await self._write_job(self._job(batch))
        except Unavailable:
            self._tell(self._failed, batch)
        except Exception:  # whatever a job raises
            # Something in the batch cannot be written: find out which, so that the rest is not held up by it.
            if len(batch) == 1:
                log.exception("gather.item_refused")
                self._tell(self._failed, batch)
                return
            half = len(batch) // 2
            await self._write(batch[:half])
            await self._write(batch[half:])
        else:
            self._tell(lambda items: self._done(items, result), batch)

    def _tell(self, whom: Callable[[Sequence[T]], None], batch: Sequence[T]) -> None:
        try:
            whom(batch)
        except Exception:  # what is behind in the queue must not wait for ever for one mistake
            log.exception("gather.callback_failed", items=len(batch))
