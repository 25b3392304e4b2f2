"""Keeping a gateway's threads on one core at a time.

A Python process runs one thread at a time, whatever its cores; spread over two, its event loop and the
store's writer pass the interpreter's lock from core to core for every few microseconds of work. Measured with
`python -m bench sms` on two cores: 409 µs of CPU a message spread out, 280 on one core, at a higher rate.

The core is looked at every few seconds: where others need it and another is free, the process moves there.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0
LEAST_SECONDS: Final = 0.1
"""The system counts in hundredths of a second: shares of less time than this mean nothing."""

CROWDED: Final = 0.3
"""The share of a core that others may take before another core is looked for."""

BETTER: Final = 0.2
"""How much freer another core has to be: a move costs what is in its caches."""

_STAT: Final = Path("/proc/stat")
_THREADS: Final = Path("/proc/self/task")
_IDLE: Final = (3, 4)  # idle and iowait, among the times of proc(5), /proc/stat


def busy_times(stat: str) -> dict[int, int]:
    """Return how long each core was busy since the machine started, in ticks, of what /proc/stat holds."""
    times: dict[int, int] = {}
    for line in stat.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            ticks = [int(field) for field in fields[:8]]  # guests' times are in user and nice already
            times[int(name[3:])] = sum(ticks) - sum(ticks[index] for index in _IDLE)
    return times


def choose(current: int, others: Mapping[int, float]) -> int:
    """Return the core to be on, of those in `others`: by core, the share of its time that others took."""
    if current not in others:
        return min(others, key=lambda core: others[core])
    if others[current] <= CROWDED:
        return current
    best = min(others, key=lambda core: others[core])
    return best if others[best] <= others[current] - BETTER else current


class OneCore:
    """Where this process runs. Does nothing on a machine with one core, or that does not tell."""

    def __init__(self) -> None:
        self.core: int | None = None
        """The core; None while nothing was chosen."""
        self._allowed = _allowed()
        self._busy: dict[int, int] = {}
        self._own = self._at = 0.0

    def begin(self) -> None:
        """Choose a core: before threads are started, which stay where the thread that starts them is."""
        if len(self._allowed) < 2 or not _STAT.exists():
            return
        self._look()
        self._go(self._allowed[os.getpid() % len(self._allowed)])  # several gateways begin on several

    async def keep(self) -> None:
        """Look for a freer core again and again; ends at once where nothing was chosen."""
        while self.core is not None:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(OSError):  # a sandbox may refuse what it took at the start: stay
                self.step()

    def step(self) -> None:
        """Look once, and move when another core is freer. Raises OSError."""
        if self.core is None:
            return
        before, own_before, at_before = self._busy, self._own, self._at
        self._look()
        tick = os.sysconf("SC_CLK_TCK")
        passed = max(self._at - at_before, LEAST_SECONDS) * tick
        others = {
            core: (self._busy[core] - before[core]) / passed
            for core in self._allowed
            if core in before and core in self._busy
        }
        if self.core in others:
            own = (self._own - own_before) * tick / passed
            others[self.core] = max(0.0, others[self.core] - own)
        if others and (better := choose(self.core, others)) != self.core:
            log.debug("gateway.moved", core=better)
            self._go(better)

    def _look(self) -> None:
        self._busy = busy_times(_STAT.read_text())
        times = os.times()
        self._own, self._at = times.user + times.system, time.monotonic()

    def _go(self, core: int) -> None:
        for thread in _THREADS.iterdir():
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(int(thread.name), {core})
        self.core = core


def _allowed() -> list[int]:
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux, or forbidden
        return []
