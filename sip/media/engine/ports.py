"""Ports of RTP: pairs of a range, even for RTP and the odd one after it for RTCP (RFC 3550 §11). Pure.

A closed pair rests, so that a late packet of an old call never reaches a new one (R13). Pairs are handed out
in turn: the one that was free longest comes first.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

REST_SECONDS: Final = 30.0
"""How long a closed pair rests: peers that did not hear of a call's end send on for about that long."""


class NoPorts(Exception):
    """Every pair of the range is in use or rests."""


class Ports:
    """The pairs of a range."""

    def __init__(self, low: int, high: int, clock: Callable[[], float]) -> None:
        """Take a range, both ends within it, and a monotonic clock in seconds. Raises ValueError."""
        first = low + low % 2
        if not 0 < low < high <= 65535 or first + 1 > high:
            raise ValueError(f"ports {low}-{high}: expected a range of 1 to 65535 that holds a pair")
        self._clock = clock
        self._free = deque(range(first, high, 2))
        self._resting: deque[tuple[float, int]] = deque()
        self._used: set[int] = set()

    @property
    def free(self) -> int:
        """How many pairs could be taken now."""
        self._wake()
        return len(self._free)

    def take(self) -> int:
        """Return the even port of a pair. Raises NoPorts."""
        self._wake()
        if not self._free:
            raise NoPorts
        port = self._free.popleft()
        self._used.add(port)
        return port

    def release(self, port: int) -> None:
        """Give a pair back: it rests. Also what is taken and turns out to be in use by others."""
        self._used.remove(port)
        self._resting.append((self._clock() + REST_SECONDS, port))

    def _wake(self) -> None:
        now = self._clock()
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
