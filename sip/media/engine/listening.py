"""What is listened for in the audio of legs: DTMF, and whether somebody speaks."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.legs import Leg, Legs
from sip.media.engine.transcoding import Rates
from sip.media.kernels.dtmf import DtmfDetector
from sip.media.kernels.energy import VoiceActivity, power
from sip.media.kernels.types import Floats, Pcm, Rows
from sip.media.protocol import Digit, Event, Silence, Speech

FRAME_MS: Final = 20
RATE: Final = 8000


class Listening:
    """Detectors of every leg, by slot; made when the first leg is listened to."""

    def __init__(self, legs: Legs, tell: Callable[[str, Event], None]) -> None:
        self._legs = legs
        self._tell = tell
        self._dtmf: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        self._speech: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        self._any = 0
        self._detector: DtmfDetector | None = None
        self._activity: VoiceActivity | None = None
        self._rates = Rates(legs.capacity)
        self._speaks: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        self._silent_ms: NDArray[np.int64] = np.zeros(legs.capacity, np.int64)

    def set(self, leg: Leg) -> None:
        """Listen for what a leg's `dtmf` and `speech` say."""
        slot, row = leg.slot, np.array([leg.slot])
        if leg.dtmf and self._detector is None:
            self._detector = DtmfDetector(self._legs.capacity)
        if leg.speech and self._activity is None:
            self._activity = VoiceActivity(self._legs.capacity, hangover=0)
        if leg.dtmf and not self._dtmf[slot] and self._detector is not None:
            self._detector.reset(row)
            self._rates.forget(slot)
        if leg.speech and not self._speech[slot] and self._activity is not None:
            self._activity.reset(row)
            self._speaks[slot], self._silent_ms[slot] = False, 0
        self._dtmf[slot], self._speech[slot] = leg.dtmf, leg.speech
        self._any = int(np.count_nonzero(self._dtmf | self._speech))

    def forget(self, slot: int) -> None:
        """Drop a leg."""
        self._dtmf[slot] = self._speech[slot] = False
        self._any = int(np.count_nonzero(self._dtmf | self._speech))

    def listen(self, slots: Rows, frames: Pcm, levels: Floats | None, rate: int, now_us: int) -> None:
        """Take a frame of each of `slots`; `levels` in dBm0, None: not known yet."""
        if not self._any:
            return
        dtmf = self._dtmf[slots]
        if self._detector is not None and dtmf.any():
            some = slots[dtmf]
            sound = self._rates.convert(some, frames[dtmf], rate, RATE)
            for digit in self._detector.process(some, sound):
                leg = self._legs.records[digit.row]
                if leg is not None:
                    began = now_us - digit.ago_ms * 1000
                    self._tell(leg.owner, Digit(leg.name, digit.digit, digit.ms, True, began))
        speech = self._speech[slots]
        if self._activity is not None and speech.any():
            loud = power(frames[speech]) if levels is None else levels[speech]
            self._turns(slots[speech], loud, now_us)

    def _turns(self, slots: Rows, levels: Floats, now_us: int) -> None:
        assert self._activity is not None
        speaking = self._activity.levels(slots, levels)
        self._silent_ms[slots] = np.where(speaking, 0, self._silent_ms[slots] + FRAME_MS)
        for slot in slots[speaking & ~self._speaks[slots]].tolist():
            self._speaks[slot] = True
            leg = self._legs.records[slot]
            if leg is not None:
                self._tell(leg.owner, Speech(leg.name, now_us))
        for slot in slots[~speaking & self._speaks[slots]].tolist():
            leg = self._legs.records[slot]
            if leg is not None and self._silent_ms[slot] >= leg.silence_ms:
                self._speaks[slot] = False
                self._tell(leg.owner, Silence(leg.name, now_us))
