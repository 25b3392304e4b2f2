"""The arrays that kernels take and give, by their names."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Linear samples, `[streams, samples]`; full scale is ±32768."""

Octets = NDArray[np.uint8]
"""Payloads, `[streams, octets]`."""

Rows = NDArray[np.intp]
"""Which slots of an object with state a call works on, `[streams]`; no slot twice."""

Flags = NDArray[np.bool_]
"""Yes or no, usually per stream."""

Floats = NDArray[np.float32]
"""Levels (dBm0), gains (linear) and the like, usually per stream."""

Doubles = NDArray[np.float64]
"""What has to be exact: sums of products of samples."""

Words = NDArray[np.uint16]
Longs = NDArray[np.int32]
Counts = NDArray[np.int64]

RATES: Final = (8_000, 16_000, 24_000, 48_000)
"""Samples a second."""

FRAME_MS: Final = 20
"""Length of a frame."""

FEW: Final = 16
"""Below this many streams a batch costs more than going row by row, where a kernel offers both."""


def frame_samples(rate: int) -> int:
    """Return the samples of a frame at `rate` samples a second."""
    return rate * FRAME_MS // 1000
