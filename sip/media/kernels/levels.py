"""Gain, with clipping at full scale. Gains are linear; `linear` makes them of decibels."""

from typing import Final

import numpy as np

from sip.media.kernels.types import Doubles, Floats, Pcm

LOWEST: Final = -32768.0
HIGHEST: Final = 32767.0

_AT_A_TIME: Final = 16384
"""Samples that are worked on together: their float32 (64 KiB) stay in the processor's second cache."""


def linear(gain_db: Floats | float) -> Floats:
    """Return factors for gains in dB, float32 of the same shape."""
    return np.asarray(10.0 ** (np.asarray(gain_db, np.float64) / 20.0), np.float32)


def to_int16(samples: Floats | Doubles, out: Pcm) -> Pcm:
    """Round to the nearest (halves to even), clip and write into `out`; `samples` is used up."""
    np.rint(samples, out=samples)
    np.clip(samples, LOWEST, HIGHEST, out=samples)
    np.copyto(out, samples, casting="unsafe")
    return out


def apply_gain(pcm: Pcm, gains: Floats, out: Pcm) -> Pcm:
    """Multiply each stream by its factor.

    `pcm` and `out`: int16 [streams, samples], may be the same array; `gains`: float32 [streams]. A factor of
    1 changes no sample. Returns `out`.
    """
    streams, samples = pcm.shape
    step = max(1, _AT_A_TIME // max(1, samples))
    scratch = np.empty((min(step, streams), samples), np.float32)
    for begin in range(0, streams, step):
        group = slice(begin, begin + step)
        part = pcm[group]
        work = scratch[: len(part)]
        np.multiply(part, gains[group, None], out=work)
        to_int16(work, out[group])
    return out
