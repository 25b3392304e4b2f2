"""What is played: tones, clips and streams, a frame at a time, at whatever rate it is heard."""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from sip.media.kernels.resample import Resampler
from sip.media.kernels.tones import Segment, ToneBank, cadence, length_ms
from sip.media.kernels.types import Pcm
from sip.media.protocol import Tone

if TYPE_CHECKING:
    from sip.media.engine.bridges import Bridge
    from sip.media.engine.legs import Leg

STREAM_FRAMES: Final = 500
"""Frames that wait of a stream, ten seconds: a bot sends faster than it is heard. More is dropped."""
PRIMED: Final = 2
"""Frames that wait before a stream is heard, at first and after a break: its sender's clock is not ours."""
STARVED_FRAMES: Final = 1500
"""30 seconds without a frame: whoever sent the stream is gone."""


_FIRST: Final = np.zeros(1, np.intp)


class ProgrammeSound:
    """Tones and pauses, by a bank of one."""

    def __init__(self, programme: tuple[Segment, ...], turns: int) -> None:
        """`turns`: how often; 0: until nobody asks for more."""
        self._programme = programme
        self._turns = turns
        self._bank: ToneBank | None = None
        self._rate = 0

    def frame(self, rate: int, at_ms: int) -> Pcm | None:
        """Return the 20 ms from `at_ms`, which goes on from call to call; silence behind the end."""
        if self._bank is None or self._rate != rate:
            self._bank, self._rate = ToneBank(1, rate), rate
            self._bank.start(0, self._programme, self._turns)
            self._bank.skip(0, at_ms * rate // 1000)
        out = np.empty((1, rate // 50), np.int16)
        self._bank.process(_FIRST, out)
        frame: Pcm = out[0]
        return frame

    @property
    def length_ms(self) -> int:
        """Of one round; 0: it has no end."""
        return length_ms(self._programme)


class ToneSound(ProgrammeSound):
    """Sines, on and off."""

    def __init__(self, tone: Tone) -> None:
        super().__init__(cadence(tone.hertz, tone.cadence, tone.level), 0)


class ClipSound:
    """Samples that were put."""

    def __init__(self, samples: Pcm, rate: int, gain: float) -> None:
        self._samples = samples
        self._rate = rate
        self._gain = 10 ** (gain / 20)
        self._resampler: Resampler | None = None
        self._target = 0

    def frame(self, rate: int, at_ms: int) -> Pcm | None:
        """Return the 20 ms from `at_ms`; the last one is filled up with silence; None behind the end."""
        size = self._rate // 50
        first = at_ms * self._rate // 1000
        if first >= len(self._samples):
            return None
        piece = self._samples[first : first + size]
        if self._gain != 1.0:
            piece = np.clip(np.rint(piece * self._gain), -32768, 32767).astype(np.int16)
        if len(piece) < size:
            piece = np.concatenate([piece, np.zeros(size - len(piece), np.int16)])
        if rate == self._rate:
            return piece
        if self._resampler is None or self._target != rate:
            self._resampler, self._target = Resampler(1, self._rate, rate), rate
        return _row(self._resampler, piece, np.empty((1, rate // 50), np.int16))

    @property
    def length_ms(self) -> int:
        """Of one round, up to whole frames."""
        return -(-len(self._samples) // (self._rate // 50)) * 20


class StreamSound:
    """Frames that another process sends."""

    def __init__(self, number: int, rate: int) -> None:
        self.number = number
        self.rate = rate
        self._waiting: deque[Pcm] = deque()
        self._rest = np.zeros(0, np.int16)
        self._resampler: Resampler | None = None
        self._target = 0
        self._starved = 0
        self._primed = False
        self.ended = False
        self.received = 0
        self.dropped = 0

    def put(self, samples: Pcm, *, last: bool, flush: bool) -> None:
        """Take samples at the stream's rate."""
        self.received += 1
        self.ended = False
        if flush:
            self._waiting.clear()
            self._rest = np.zeros(0, np.int16)
        size = self.rate // 50
        self._rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        while len(self._rest) >= size:
            self._push(self._rest[:size])
            self._rest = self._rest[size:]
        if last:
            if len(self._rest):
                self._push(np.concatenate([self._rest, np.zeros(size - len(self._rest), np.int16)]))
                self._rest = np.zeros(0, np.int16)
            self.ended = True
        self._starved = 0

    def _push(self, frame: Pcm) -> None:
        if len(self._waiting) >= STREAM_FRAMES:
            self.dropped += 1
            return
        self._waiting.append(frame)

    @property
    def starved(self) -> bool:
        """Whether nothing came for so long that nothing will."""
        return self._starved > STARVED_FRAMES

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def frame(self, rate: int, at_ms: int) -> Pcm | None:
        """Return the next frame; silence while none waits; None at the end."""
        if len(self._waiting) < PRIMED and not (self._primed or self.ended):
            self._starved += 1
            return np.zeros(rate // 50, np.int16)
        self._primed = bool(self._waiting)
        if self._waiting:
            self._starved = 0
            piece = self._waiting.popleft()
            if rate == self.rate:
                return piece
            if self._resampler is None or self._target != rate:
                self._resampler, self._target = Resampler(1, self.rate, rate), rate
            out = np.empty((1, rate // 50), np.int16)
            return _row(self._resampler, piece, out)
        if self.ended:
            return None
        self._starved += 1
        return np.zeros(rate // 50, np.int16)

    @property
    def length_ms(self) -> int:
        """Not known."""
        return 0


def _row(resampler: Resampler, frame: Pcm, out: Pcm) -> Pcm:
    """Resample the one stream of a resampler."""
    resampled: Pcm = resampler.process(_FIRST, frame[None, :], out)[0]
    return resampled


class Sound(Protocol):
    """Whatever can be played."""

    @property
    def length_ms(self) -> int:
        """Of one round; 0: it has no end, or one that nobody knows."""

    def frame(self, rate: int, at_ms: int) -> Pcm | None:
        """Return the 20 ms from `at_ms` of its round, or of all without rounds; None behind its end."""


@dataclass(eq=False)
class Playing:
    """Something that plays."""

    owner: str
    name: str
    sound: Sound
    repeat: int
    """Rounds; 0: for ever."""
    alone: bool
    leg: "Leg | None" = None
    bridge: "Bridge | None" = None
    played_ms: int = 0
    done: str = ""
    """Why it ended."""

    def next(self, rate: int) -> Pcm | None:
        """Return the next frame; None when it is over, `done` says why."""
        sound = self.sound
        length = sound.length_ms
        at = self.played_ms
        if length:
            if self.repeat and self.played_ms >= length * self.repeat:
                self.done = "end"
                return None
            if not isinstance(sound, ToneSound):
                at = self.played_ms % length
        frame = sound.frame(rate, at)
        if isinstance(sound, StreamSound) and (frame is None or sound.starved):
            self.done = "stream-ended" if frame is None else "stream-starved"
            return None
        if frame is None:
            self.done = "end"
            return None
        self.played_ms += 20
        return frame
