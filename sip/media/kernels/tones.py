"""Tones of up to four frequencies with cadences (ITU-T E.180), and DTMF (Q.23), for many streams at once.

Levels are dBm0 of each frequency, with G.711's sine of full scale at +3.14 dBm0. Phases are 32-bit integers
that go on from frame to frame, so that a tone is the same however it is cut, and exact in frequency to 2 µHz.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.kernels.energy import SINE_DBM0
from sip.media.kernels.types import Floats, Pcm, Rows

LOW: Final = (697.0, 770.0, 852.0, 941.0)
HIGH: Final = (1209.0, 1336.0, 1477.0, 1633.0)
KEYPAD: Final = ("123A", "456B", "789C", "*0#D")
"""Rows are low frequencies, columns high ones (Q.23)."""
DTMF_DBM0: Final = -9.0
"""Of each frequency: what telephones send, and some dB away from clipping."""

TONES: Final = 4
"""Frequencies at a time: a tone that tells of a receiver off its hook has four."""

_TURN: Final = 1 << 32
_BITS: Final = 14
"""Of a table's index: its nearest entry is 82 dB above what is wrong with it, as fine as int16 is."""
_FOREVER: Final = 1 << 62


@cache
def _sines() -> Floats:
    """Return a turn of the sine."""
    turn: Floats = np.sin(np.arange(1 << _BITS) * (2 * np.pi / (1 << _BITS))).astype(np.float32)
    return turn


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a programme; no frequencies: silence."""

    hertz: tuple[float, ...]
    ms: int | None = None
    """None: without end."""
    level: float = -13.0
    """dBm0 of each frequency."""
    twist: float = 0.0
    """dB by which the second one is louder than the first."""


def cadence(hertz: tuple[float, ...], ms: tuple[int, ...], level: float = -13.0) -> tuple[Segment, ...]:
    """Return a tone with its pauses: milliseconds on, off, on, off, ...; none: on without end."""
    if not ms:
        return (Segment(hertz, None, level),)
    return tuple(Segment(() if place % 2 else hertz, length, level) for place, length in enumerate(ms))


def frequencies(digit: str) -> tuple[float, float]:
    """Return a digit's low and high frequency. Raises ValueError for what is no digit."""
    for low, keys in zip(LOW, KEYPAD, strict=True):
        if len(digit) == 1 and digit in keys:
            return low, HIGH[keys.index(digit)]
    raise ValueError(f"{digit!r} is no digit")


def dial(
    digits: str, tone_ms: int = 100, gap_ms: int = 100, level: float = DTMF_DBM0, twist: float = 0.0
) -> tuple[Segment, ...]:
    """Return digits as tones, a gap after each. `twist`: dB by which the high ones are louder."""
    result: list[Segment] = []
    for digit in digits:
        result += (Segment(frequencies(digit), tone_ms, level, twist), Segment((), gap_ms, level))
    return tuple(result)


def length_ms(programme: tuple[Segment, ...]) -> int:
    """Return how long a programme lasts; 0: without end."""
    if any(segment.ms is None for segment in programme):
        return 0
    return sum(segment.ms or 0 for segment in programme)


class ToneBank:
    """Tones on `capacity` slots at one `rate`. A slot plays a programme of segments, or nothing."""

    def __init__(self, capacity: int, rate: int = 8000) -> None:
        self._rate = rate
        self._programmes: list[tuple[Segment, ...]] = [()] * capacity
        self._next = [0] * capacity
        self._turns = [0] * capacity
        self._phase = np.zeros((capacity, TONES), np.uint32)
        self._step = np.zeros((capacity, TONES), np.uint32)
        self._peak = np.zeros((capacity, TONES), np.float32)
        self._left = np.zeros(capacity, np.int64)
        """Samples of the present segment."""

    def start(self, row: int, programme: tuple[Segment, ...], turns: int = 1) -> None:
        """Play a programme so often, from its beginning; 0: until it is stopped.

        Raises ValueError for one that takes no time, or has five frequencies or one above half the rate.
        """
        if not programme or not all(segment.ms is None or segment.ms > 0 for segment in programme):
            raise ValueError("a programme takes some time, and each of its segments")
        for segment in programme:
            if len(segment.hertz) > TONES or not all(0 < hertz < self._rate / 2 for hertz in segment.hertz):
                raise ValueError(f"{segment.hertz} at {self._rate} samples a second")
        self._programmes[row], self._next[row], self._turns[row] = programme, 0, turns
        self._advance(row)

    def skip(self, row: int, samples: int) -> None:
        """Go on with a slot as if so many samples of it had been played."""
        round_ = length_ms(self._programmes[row]) * self._rate // 1000
        if self._turns[row] == 0 and round_:
            samples %= round_
        while samples and self._left[row]:
            step = min(samples, int(self._left[row]))
            samples -= step
            self._left[row] -= step
            for one in range(TONES):
                self._phase[row, one] = (
                    int(self._phase[row, one]) + int(self._step[row, one]) * step
                ) % _TURN
            if not self._left[row]:
                self._advance(row)

    def stop(self, row: int) -> None:
        """Play nothing."""
        self._programmes[row], self._left[row], self._peak[row] = (), 0, 0

    def reset(self, rows: Rows) -> None:
        """Play nothing on slots that others will use."""
        for row in rows.tolist():
            self.stop(row)

    def playing(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which slots have something to play."""
        return self._left[rows] > 0

    def _advance(self, row: int) -> None:
        """Begin the next segment, if there is one."""
        programme, place = self._programmes[row], self._next[row]
        if place == len(programme):
            place = 0
            if self._turns[row] == 1 or not programme:
                self.stop(row)
                return
            self._turns[row] = max(self._turns[row] - 1, 0)
        segment = programme[place]
        self._next[row] = place + 1
        self._left[row] = _FOREVER if segment.ms is None else segment.ms * self._rate // 1000
        self._step[row] = self._phase[row] = self._peak[row] = 0
        for one, hertz in enumerate(segment.hertz):
            self._step[row, one] = round(hertz / self._rate * _TURN)
            level = segment.level + segment.twist * (one == 1)
            self._peak[row, one] = 32768 * 10 ** ((level - SINE_DBM0) / 20)

    def process(self, rows: Rows, out: Pcm) -> None:
        """Fill a frame for each of `rows`, none twice; `out`: int16 [rows, samples]. Ended: silence."""
        samples = out.shape[1]
        at = np.zeros(len(rows), np.int64)
        while True:
            # Who is at the same sample and has as many until his segment or the frame ends, goes together.
            count = np.minimum(self._left[rows], samples - at)
            done = True
            for begin, length in sorted(set(zip(at.tolist(), count.tolist(), strict=True))):
                if length == 0:
                    continue
                same = np.flatnonzero((at == begin) & (count == length))
                if len(same) == len(rows):
                    self._fill(rows, out[:, begin : begin + length])
                else:
                    piece = np.empty((len(same), length), np.int16)
                    self._fill(rows[same], piece)
                    out[same, begin : begin + length] = piece
                self._left[rows[same]] -= length
                for row in rows[same[self._left[rows[same]] == 0]].tolist():
                    self._advance(row)
                done &= begin + length == samples
            at += count
            if done:
                break
        for place in np.flatnonzero(at < samples).tolist():
            out[place, at[place] :] = 0

    def _fill(self, rows: Rows, out: Pcm) -> None:
        samples = np.arange(out.shape[1], dtype=np.uint32)
        total = np.zeros(out.shape, np.float32)
        half = np.uint32(1 << (31 - _BITS))
        for one in range(TONES):
            step, phase = self._step[rows, one], self._phase[rows, one]
            if step.any():
                angle = phase[:, None] + step[:, None] * samples + half
                total += np.take(_sines(), angle >> np.uint32(32 - _BITS)) * self._peak[rows, one, None]
                self._phase[rows, one] = phase + step * np.uint32(out.shape[1])
        np.rint(total, out=total)
        np.clip(total, -32768, 32767, out=total)
        out[:] = total
