"""So many a second: a token bucket whose tokens can be owed. Pure; `now` is monotonic seconds.

A second's worth may go at once. A request that brings more goes when nothing is owed, and is paid off before
the next: so in any time T at most rate × T + the largest request go, however they come.
"""

from typing import Final

_LEAST: Final = 1e-9
"""What rounding may cost: a token that is there to nine digits is there."""


class Bucket:
    """One limit's tokens."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        """`rate` is tokens a second; the bucket begins full."""
        self._rate = rate
        self._tokens = self._most
        self._at = now

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._rate

    @property
    def _most(self) -> float:
        return max(1.0, self._rate) if self._rate > 0 else 0.0

    def wait(self, now: float, count: int) -> float | None:
        """Return after how many seconds `count` may go: 0, now; None, never."""
        if self._rate <= 0:
            return None
        needed = min(float(count), self._most)
        missing = needed - self._filled(now)
        return 0.0 if missing <= _LEAST else missing / self._rate

    def take(self, now: float, count: int) -> None:
        """Take tokens for what goes now; what is not there is owed."""
        self._tokens = self._filled(now) - count
        self._at = now

    def give_back(self, count: int) -> None:
        """Return tokens of what did not go after all."""
        self._tokens = min(self._most, self._tokens + count)

    def full(self, now: float) -> bool:
        """Tell whether a new bucket would give the same."""
        return self._filled(now) >= self._most

    def _filled(self, now: float) -> float:
        return min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
