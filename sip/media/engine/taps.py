"""Taps: what a leg says or hears, or what a bridge sounds like, sent to another process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sip.media.engine.pcmsocket import Outlet
from sip.media.kernels.resample import Resampler
from sip.media.kernels.types import Pcm

if TYPE_CHECKING:
    from sip.media.engine.bridges import Bridge
    from sip.media.engine.legs import Leg

TELL_EVERY: Final = 50
"""Frames between two words about what was dropped: a second."""


@dataclass(eq=False)
class Tapping:
    """A tap."""

    owner: str
    name: str
    outlet: Outlet
    leg: "Leg | None" = None
    bridge: "Bridge | None" = None
    heard: bool = False
    told: int = 0
    """Dropped frames that were told."""
    quiet_for: int = 0
    _resampler: Resampler | None = None
    _source: int = 0

    def write(self, frame: Pcm, rate: int, turn: int) -> None:
        """Send a frame of `rate`, the engine's so many-th: equal turns of all taps are the same moment."""
        silent = not frame.any()
        target = self.outlet.rate
        if rate != target:
            if self._resampler is None or self._source != rate:
                self._resampler, self._source = Resampler(1, rate, target), rate
            out = np.empty((1, target // 50), np.int16)
            frame = self._resampler.process(np.zeros(1, np.intp), frame[None, :], out)[0]
            silent = silent and not frame.any()
        self.outlet.time = max(self.outlet.time, turn * (target // 50))
        self.outlet.write(frame, silent=silent)
        self.quiet_for += 1

    def news(self) -> int:
        """Return how many frames were dropped, when that is to be told now; else 0."""
        if self.outlet.dropped > self.told and self.quiet_for >= TELL_EVERY:
            self.told, self.quiet_for = self.outlet.dropped, 0
            return self.told
        return 0
