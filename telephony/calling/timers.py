"""What is to happen after a while, on the clock that is handed in: so that tests let time pass by hand."""

import heapq
import itertools
from collections.abc import Callable
from typing import Final

from telephony.kernel.clock import Clock


class Timer:
    """Something that is to happen, unless it is stopped before."""

    __slots__ = ("act", "at")

    def __init__(self, at: float, act: Callable[[], None]) -> None:
        self.at = at
        self.act: Callable[[], None] | None = act

    def stop(self) -> None:
        """Let it not happen. May be called twice, and afterwards."""
        self.act = None


class Timers:
    """All of a plane's. Whoever owns them calls `fire` when `next_in` says; `changed` tells of earlier ones.

    They go by monotonic seconds: a clock that is set ends nobody's call (R35).
    """

    def __init__(self, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self.changed = changed
        self._heap: list[tuple[float, int, Timer]] = []
        self._order: Final = itertools.count()

    def after(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Let something happen after so many seconds."""
        timer = Timer(self._clock.monotonic() + seconds, act)
        first = not self._heap or timer.at < self._heap[0][0]
        heapq.heappush(self._heap, (timer.at, next(self._order), timer))
        if first:
            self.changed()
        return timer

    def fire(self) -> None:
        """Let happen what is due, in its order."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, _, timer = heapq.heappop(self._heap)
            act, timer.act = timer.act, None
            if act is not None:
                act()

    def next_in(self) -> float | None:
        """Return the seconds until something is due; None: there is nothing."""
        while self._heap and self._heap[0][2].act is None:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self._clock.monotonic()) if self._heap else None
