"""A clock that tests move by hand."""

from typing import Final

from telephony.kernel.clock import SECOND

START: Final = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""


class ManualClock:
    """A `telephony.kernel.clock.Clock` that stands still until it is told to go on."""

    def __init__(self, at: int = START, mono: float = 1000.0) -> None:
        self.at = at
        """Microseconds since the epoch, UTC; may be set, also backwards."""
        self.mono = mono
        """Seconds that never go backwards."""

    def now(self) -> int:
        """See `Clock.now`."""
        return self.at

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.mono

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.at += round(seconds * SECOND)
        self.mono += seconds
