"""What tries came to, on its way into the store: in groups, one group at a time.

What a crash loses of it is delivered again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from telephony.events.backlog import Outcome, RecordOutcomes
from telephony.events.lanes import Lane
from telephony.kernel.errors import TandemError
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

GROUP: Final = 500
"""Outcomes that are written at once: keeps the writer's transaction short."""

GATHER_SECONDS: Final = 0.025
"""How long an outcome may wait for others that are written with it, while requests are on the wire.

A crash meanwhile has them sent again; a commit for a few of them costs more than they do.
"""

STOP_SECONDS: Final = 5.0
"""How long `close` waits for a store that is away."""


class Written(Protocol):
    """Is told of each group, in order."""

    def __call__(self, group: Sequence[tuple[Lane, Outcome]], *, lost: bool) -> None:
        """The group is in the store; or, when `lost`, what it tells of is there as it was before."""
        ...


class OutcomeWriter:
    """Writes outcomes. `keep`: see `RecordOutcomes`; `coming` tells whether more are to be expected soon."""

    def __init__(
        self, store: Store, node: NodeId, *, keep: bool, coming: Callable[[], bool], written: Written
    ) -> None:
        self._store, self._node, self._keep = store, node, keep
        self._coming, self._written = coming, written
        self._waiting: list[tuple[Lane, Outcome]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, lane: Lane, outcome: Outcome) -> None:
        """Write an outcome soon."""
        self._waiting.append((lane, outcome))
        if len(self._waiting) >= GROUP:
            self.write_down()
        else:
            self._write_later()

    def write_down(self) -> None:
        """Begin to write what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write(), name="events.outcomes")

    async def close(self) -> None:
        """Write what there is, unless the store is away for long."""
        self.write_down()
        if self._task is not None and not self._task.done():
            _, late = await asyncio.wait((self._task,), timeout=STOP_SECONDS)
            if late:  # what is not written down is delivered again
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    def _write_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self.write_down)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            lost = False
            job = RecordOutcomes([outcome for _, outcome in group], self._node, self._keep)
            try:
                await self._store.write_until_done(job)
            except Exception as error:  # whatever it is, these rows are as they were: they are tried again
                lost = True
                if not isinstance(error, TandemError):
                    log.exception("events.outcomes_failed", count=len(group))
            self._written(group, lost=lost)
            if self._waiting and len(self._waiting) < GROUP and self._coming():
                self._write_later()
                break
