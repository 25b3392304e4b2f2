"""A leg of PCM: frames from another process, and frames to it, at its rate."""

import numpy as np

from sip.media.engine.pcmsocket import Outlet
from sip.media.engine.plays import StreamSound
from sip.media.kernels.resample import Resampler
from sip.media.kernels.types import Pcm


class PcmLeg:
    """Both ways of one leg."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.sound = StreamSound(outlet.number, outlet.rate)
        self._resampler: Resampler | None = None
        self._source = 0

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.outlet.rate

    @property
    def number(self) -> int:
        """What its datagrams bear, both ways."""
        return self.outlet.number

    def said(self, rate: int) -> Pcm:
        """Return its next frame, silence when there is none."""
        frame = self.sound.frame(rate, 0)
        return np.zeros(rate // 50, np.int16) if frame is None else frame

    def hear(self, frame: Pcm, rate: int) -> None:
        """Send it a frame."""
        silent = not frame.any()
        if rate != self.rate:
            if self._resampler is None or self._source != rate:
                self._resampler, self._source = Resampler(1, rate, self.rate), rate
            out = np.empty((1, self.rate // 50), np.int16)
            frame = self._resampler.process(np.zeros(1, np.intp), frame[None, :], out)[0]
            silent = silent and not frame.any()
        self.outlet.write(frame, silent=silent)
