"""How busy the engine is: counted while it works, read each second. Pure."""

from typing import Final

BUSY: Final = 0.85
"""Share of the time above which no more legs are taken: the rest is for bursts and for the kernel's work."""
LATE_MS: Final = 20.0
"""A tick that begins later than this is late: its frames have missed their slot at the far end."""
CAUTION_MS: Final = 15.0
"""A tick of the last second that began this late: more legs would make it late."""


class Meter:
    """Counters of this second, and what the last one showed."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.late_ticks = 0
        self.busy = 0.0
        self.received_rate = 0
        self.sent_rate = 0
        self.worst_tick_ms = 0.0
        self._worked = 0.0
        self._worst = 0.0
        self._cautious = 0

    def tick(self, late_seconds: float, worked_seconds: float) -> None:
        """Count a tick: how late it began, how long it took."""
        late_ms = late_seconds * 1000
        self._worst = max(self._worst, late_ms)
        self._worked += worked_seconds
        if late_ms > LATE_MS:
            self.late_ticks += 1

    def second(self, seconds: float = 1.0) -> None:
        """Begin another second."""
        self.busy = min(1.0, self._worked / seconds) if seconds > 0 else 0.0
        self.worst_tick_ms = self._worst
        self.received_rate, self.sent_rate = self.received, self.sent
        self._cautious = (
            5 if self._worst > CAUTION_MS and self.busy > BUSY / 2 else max(0, self._cautious - 1)
        )
        self._worked = self._worst = 0.0
        self.received = self.sent = 0

    @property
    def accepts(self) -> bool:
        """Whether more legs would be in time."""
        return self.busy < BUSY and not self._cautious
