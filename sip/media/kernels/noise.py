"""Comfort noise (RFC 3389): what fills the silence of a line that sends nothing while nobody speaks.

A payload's first octet is the level, 0 to 127 dB below overload (-dBov); 0 dBov is a square wave of full
scale, +6.15 dBm0. Octets after it shape the spectrum; they are for receivers to use or to leave (RFC 3389
§4): here the noise is white, and none are sent.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sip.media.kernels.energy import OVERLOAD_DBM0
from sip.media.kernels.levels import to_int16
from sip.media.kernels.types import Counts, Floats, Octets, Pcm, Rows

QUIETEST: Final = 127
"""-dBov."""
DEFAULT_DBM0: Final = -65.0
"""Of a line of which no level is known: about what a quiet office is."""

_TABLE: Final = 1 << 16
"""Samples of noise, made once; a frame is cut from them anywhere: drawing normal numbers takes 15 times as
long."""
_LONGEST: Final = 2880
"""60 ms at 48 kHz."""
_AT_A_TIME: Final = 16384


def payload(level: Floats) -> Octets:
    """Return RFC 3389 payloads for levels (dBm0 [streams]): uint8 [streams, 1]."""
    below = np.rint(OVERLOAD_DBM0 - np.asarray(level, np.float64))
    return np.clip(below, 0, QUIETEST).astype(np.uint8)[:, None]


def level(payloads: Octets) -> Floats:
    """Return the levels (dBm0 [streams]) of RFC 3389 payloads, uint8 [streams, at least 1].

    The highest bit of the level is for nobody to set, and is ignored.
    """
    return (OVERLOAD_DBM0 - (payloads[:, 0] & np.uint8(QUIETEST))).astype(np.float32)


class ComfortNoise:
    """White noise at a level, per slot.

    Every slot walks through the table of noise in its own way, which depends on nothing but the slot and how
    many frames it took: so a batch gives what single calls give.
    """

    def __init__(self, capacity: int, seed: int = 3389) -> None:
        """`capacity`: slots; `seed`: of the table."""
        table = np.random.default_rng(seed).standard_normal(_TABLE + _LONGEST).astype(np.float32)
        self._table: Final[Floats] = table
        self._scale: Final = np.zeros(capacity, np.float32)
        self._at: Final[Counts] = np.zeros(capacity, np.int64)
        self.reset(np.arange(capacity))

    def reset(self, rows: Rows) -> None:
        """Begin anew, at the default level."""
        self._at[rows] = rows
        self.set_level(rows, np.full(len(rows), DEFAULT_DBM0, np.float32))

    def set_level(self, rows: Rows, dbm0: Floats) -> None:
        """Set the levels of slots, dBm0 [streams]."""
        decibels = np.asarray(dbm0, np.float64) - OVERLOAD_DBM0
        self._scale[rows] = 32768.0 * 10 ** (decibels / 20)

    def process(self, rows: Rows, out: Pcm) -> Pcm:
        """Write a piece of noise for each slot into `out`, int16 [streams, samples <= 2,880]; return it."""
        streams, samples = out.shape
        if samples > _LONGEST:
            raise ValueError(f"{samples} samples: expected at most {_LONGEST}")
        # A full period over 2**16 (Hull and Dobell: an odd addend, a multiplier of 4k + 1).
        at = (self._at[rows] * 24693 + 13849) % _TABLE
        self._at[rows] = at
        windows = sliding_window_view(self._table, samples)
        scale = self._scale[rows]
        step = max(1, _AT_A_TIME // max(1, samples))
        for begin in range(0, streams, step):
            group = slice(begin, begin + step)
            work = windows[at[group]]
            work *= scale[group, None]
            to_int16(work, out[group])
        return out
