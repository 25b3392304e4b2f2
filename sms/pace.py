"""How fast a link is used after its carrier asked for less. Pure.

A throttled link rests a little and comes back with half as many requests on the wire; each window's worth
of answers lets one more out (additive increase, multiplicative decrease, as TCP does). So a carrier that
takes 20 messages a second gets about 20, not bursts of a window of which it refuses most.
"""

from typing import Final

PAUSE_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses after one throttling upon another without a message taken in between; the last repeats."""


class Pace:
    """One link's pace; `now` is monotonic seconds."""

    __slots__ = ("_allowance", "_pauses", "_seconds", "until")

    def __init__(self, seconds: tuple[float, ...] = PAUSE_SECONDS) -> None:
        """`seconds` are the pauses, as `PAUSE_SECONDS`: `SmppLink.throttle_seconds`."""
        self._seconds = seconds
        self.until = 0.0
        """When the link may be used again."""
        self._pauses = 0
        self._allowance: float | None = None

    def room(self, room: int, outstanding: int, now: float) -> int:
        """Return how much of a link's `room` may be used now, with `outstanding` requests unanswered."""
        if now < self.until:
            return 0
        if self._allowance is None:
            return room
        return min(room, int(self._allowance) - outstanding)

    def taken(self, outstanding: int, room: int) -> None:
        """Learn that the carrier took a message."""
        self._pauses = 0
        if self._allowance is not None:
            self._allowance += 1 / self._allowance
            if self._allowance >= outstanding + room:
                self._allowance = None

    def throttled(self, outstanding: int, now: float) -> None:
        """Learn that the carrier wants less; `outstanding` are still unanswered."""
        if now < self.until:
            return  # answers to what was on the wire already
        self.until = now + self._seconds[min(self._pauses, len(self._seconds) - 1)]
        self._pauses += 1
        had = outstanding + 1 if self._allowance is None else self._allowance
        self._allowance = max(1.0, had / 2)
