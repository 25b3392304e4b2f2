"""How loud streams are, and whether somebody speaks.

Levels are dBm0 as ITU-T G.711 defines them: its sine of full scale is +3.14 dBm0 (A-law; +3.17 for µ-law,
whose scale ends 0.03 dB lower in sixteen bits). So 0 dBm0 is an effective value of 16,141 of 32,768.
"""

import math
from typing import Final

import numpy as np

from sip.media.kernels.types import Flags, Floats, Pcm, Rows

SINE_DBM0: Final = 3.14
"""A sine whose peak is 32,768 (G.711 §4, A-law)."""
OVERLOAD_DBM0: Final = SINE_DBM0 + 10 * math.log10(2)
"""0 dBov: a square wave of full scale (RFC 3389 §3), +6.15 dBm0."""
SILENCE_DBM0: Final = -96.0
"""What silence is said to be, and what is next to it: a signal of one step of int16 has -84."""

_AT_A_TIME: Final = 8192
"""Samples that are worked on together: their float64 (64 KiB) stay in the second cache."""


def power(pcm: Pcm) -> Floats:
    """Return the mean level of each stream, dBm0, float32 [streams]; `pcm`: int16 [streams, samples].

    Sums of squares are exact, so that company changes no level. Never below SILENCE_DBM0.
    """
    streams, samples = pcm.shape
    step = max(1, _AT_A_TIME // max(1, samples))
    sums = np.empty(streams)
    scratch = np.empty((min(step, streams), samples))
    for begin in range(0, streams, step):
        part = pcm[begin : begin + step]
        work = scratch[: len(part)]
        np.copyto(work, part)
        np.vecdot(work, work, out=sums[begin : begin + step])
    sums /= max(1, samples) * 32768.0**2
    least = 10 ** ((SILENCE_DBM0 - OVERLOAD_DBM0) / 10)
    np.maximum(sums, least, out=sums)
    np.log10(sums, out=sums)
    return (10 * sums + OVERLOAD_DBM0).astype(np.float32)


class VoiceActivity:
    """Whether somebody speaks, per slot, frame by frame.

    A frame is loud when it is `MARGIN` above the noise floor and above `LEAST`. `ONSET` loud frames in a row
    are speech, so that a click is none; speech lasts until `hangover` frames in a row were not loud. The
    floor falls with the quietest frames at once and rises slowly, by `RISE` a frame: steady noise, however
    loud, becomes floor within seconds, while speech, which pauses several times a second, does not.
    """

    MARGIN: Final = 9.0
    """dB above the floor."""
    LEAST: Final = -50.0
    """dBm0: what is quieter is no speech, whatever the floor."""
    ONSET: Final = 2
    """Frames, 40 ms."""
    HANGOVER: Final = 12
    """Frames, 240 ms: longer than the pauses inside words."""
    RISE: Final = 0.08
    """dB a frame, 4 dB a second."""
    FALL: Final = 0.5
    """Share of the distance to a quieter frame that the floor falls."""
    FLOOR: Final = (-75.0, -30.0)
    """dBm0: where the floor may be; speech is louder than -30 + MARGIN, or is lost in its noise."""
    FIRST: Final = -55.0
    """dBm0: the floor of a line of which nothing is known."""

    def __init__(self, capacity: int, hangover: int = HANGOVER) -> None:
        """`capacity`: slots; `hangover`: frames."""
        self._hangover: Final = hangover
        self._floor: Final = np.full(capacity, self.FIRST, np.float32)
        self._loud: Final = np.zeros(capacity, np.int16)
        self._left: Final = np.zeros(capacity, np.int16)

    def reset(self, rows: Rows) -> None:
        """Forget what slots heard."""
        self._floor[rows] = self.FIRST
        self._loud[rows] = 0
        self._left[rows] = 0

    def floor(self, rows: Rows) -> Floats:
        """Return the noise floor of slots, dBm0."""
        return self._floor[rows]

    def process(self, rows: Rows, pcm: Pcm) -> Flags:
        """Take a frame for each slot; return whether its stream speaks, bool [streams]."""
        return self.levels(rows, power(pcm))

    def levels(self, rows: Rows, level: Floats) -> Flags:
        """As `process`, for who has the frames' levels (dBm0, `power`) already."""
        floor = self._floor[rows]
        loud = (level > floor + np.float32(self.MARGIN)) & (level > self.LEAST)
        in_a_row = np.where(loud, np.minimum(self._loud[rows] + 1, self.ONSET), 0).astype(np.int16)
        left = np.maximum(self._left[rows] - 1, 0)
        left = np.where(in_a_row >= self.ONSET, self._hangover + 1, left).astype(np.int16)
        left = np.where(loud & (left > 0), self._hangover + 1, left).astype(np.int16)
        quieter = level < floor
        moved = np.where(
            quieter, floor + np.float32(self.FALL) * (level - floor), floor + np.float32(self.RISE)
        )
        self._floor[rows] = np.clip(moved, *self.FLOOR)
        self._loud[rows] = in_a_row
        self._left[rows] = left
        speaks: Flags = left > 0
        return speaks
