"""Streaming resamplers between 8, 16, 24 and 48 kHz, any pair, for many streams at once.

A filter of 64 taps at the lower of both rates (Kaiser window, β = 10, its middle at half the lower rate, so
that every sample which needs no filter passes unchanged), as a product of matrices: [streams, taps + block]
by [taps + block, block out]. What the next call needs of this one is kept per stream. The delay is 32 samples
of the lower rate: 4 ms at 8 kHz, 2 ms at 16 kHz.

Coefficients are whole multiples of 2**-34. A product with a sample and any sum of them then has fewer than 53
bits, so that float64 holds it exactly: neither the order of summing nor the size of a batch or block changes
a sample. One stream alone, a thousand together and one call instead of many give the same, on any processor.

Quality (tests/sip/media/kernels/test_resample.py), by sines near full scale: ripple to 0.425 of the lower
rate (3.4 kHz of 8) below 0.001 dB; going down, what lies above 0.575 (4.6 kHz) is below -97 dB; images and
noise together -93 dB. The transition lies between.
"""

import math
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sip.media.kernels.levels import to_int16
from sip.media.kernels.types import FEW, RATES, Doubles, Pcm, Rows

TAPS: Final = 64
"""Of the filter, at the lower rate."""
BETA: Final = 10.0
"""Kaiser's: stop band -100 dB; more widens the transition past 3.4 kHz at 8 kHz."""
BITS: Final = 34
"""Of a coefficient after the point: 16 of a sample, 34, and 3 for the sum are 53."""

_BLOCK: Final = 32
"""Samples that one product yields at the higher rate, at least: more waste products, fewer waste calls."""
_LEAST: Final = 16
"""Samples out of one product going down: fewer columns leave the processor's vectors empty."""
_GROUP: Final = 128
"""Streams at a time: samples, filter and results (float64) stay in the second cache."""


def prototype(up: int, down: int) -> Doubles:
    """Return the low-pass at `up` times the rate of what comes in, with gain `up`; an odd number of taps."""
    width = max(up, down)
    half = TAPS // 2 * width
    times = np.arange(-half, half + 1)
    taps: Doubles = np.sinc(times / width) * np.kaiser(2 * half + 1, BETA) * (up / width)
    return taps


class Resampler:
    """Resamples streams from one rate to another.

    `process` takes [streams, samples] int16 and gives to_rate / from_rate times as many samples, always;
    state of a slot is 63 to 384 int16.
    """

    def __init__(self, capacity: int, from_rate: int, to_rate: int) -> None:
        """`capacity`: slots. Raises ValueError for rates that are not among `types.RATES`."""
        if from_rate not in RATES or to_rate not in RATES:
            raise ValueError(f"{from_rate} to {to_rate}: expected two of {RATES}")
        common = math.gcd(from_rate, to_rate)
        self.up: Final = to_rate // common
        self.down: Final = from_rate // common
        self._history: Final = 0 if self.up == self.down else TAPS * max(self.up, self.down) // self.up
        self._tail: Final = np.zeros((capacity, self._history), np.int16)
        most = -(-_BLOCK // max(self.up, self.down))
        self._block: Final = self.down * (most if self.up > 1 else max(most, _LEAST))
        self._matrix, self._middle = self._make_matrix()
        self._work = np.empty((0, 0))
        self._results = np.empty((0, 0))

    @property
    def delay(self) -> float:
        """In samples of what comes in."""
        return self._history / 2

    def reset(self, rows: Rows) -> None:
        """Forget what went through slots: silence came before what comes next."""
        self._tail[rows] = 0

    def samples_out(self, samples: int) -> int:
        """Return how many samples come of `samples`. Raises ValueError when that is no whole number."""
        if samples % self.down:
            raise ValueError(f"{samples} samples: expected a multiple of {self.down}")
        return samples // self.down * self.up

    def process(self, rows: Rows, pcm: Pcm, out: Pcm) -> Pcm:
        """Resample what came for slots `rows`.

        `pcm`: int16 [streams, samples], samples a multiple of `down`; `out`: int16 [streams,
        samples_out(samples)]. Returns `out`.
        """
        streams, samples = pcm.shape
        if out.shape != (streams, self.samples_out(samples)):
            raise ValueError(f"out is {out.shape}: expected {(streams, self.samples_out(samples))}")
        if self.up == self.down:
            np.copyto(out, pcm)
            return out
        history = self._history
        for begin in range(0, streams, _GROUP):
            group = slice(begin, begin + _GROUP)
            slots = rows[group]
            self._convert(slots, pcm[group], out[group])
            if samples < history:
                self._tail[slots, : history - samples] = self._tail[slots, samples:]
                self._tail[slots, history - samples :] = pcm[group]
            else:
                self._tail[slots] = pcm[group, samples - history :]
        return out

    def _convert(self, slots: Rows, pcm: Pcm, out: Pcm) -> None:
        """Turn what was kept of slots and what came into `out`."""
        streams, samples = pcm.shape
        tail = self._tail[slots]
        if self.up > 1 and self.down > 1:
            to_int16(self._products(tail, pcm), out)
        elif self.down == 1:
            between = out.reshape(streams, samples, self.up)
            to_int16(self._products(tail, pcm).reshape(streams, samples, -1), between[:, :, 1:])
            _delayed(tail, pcm, between[:, :, 0])
        else:
            # Of `down` samples in a row one is only ever met by the filter's middle: it needs no product.
            met = np.empty(out.shape, np.int16)
            _delayed(tail[:, :: self.down], pcm[:, :: self.down], met)
            products = self._products(
                tail.reshape(streams, -1, self.down)[:, :, 1:], pcm.reshape(streams, -1, self.down)[:, :, 1:]
            )
            products += met * self._middle
            to_int16(products, out)

    def _products(self, tail: Pcm, pcm: Pcm) -> Doubles:
        """Return what the filter makes, float64 [streams, samples out]; valid until the next call.

        Both are [streams, samples], or [streams, periods, samples of a period that are filtered].
        """
        streams = len(pcm)
        kept, came = math.prod(tail.shape[1:]), math.prod(pcm.shape[1:])
        width, made = self._matrix.shape
        step = width - kept
        blocks = -(-came // step)
        length = kept + blocks * step
        if self._work.shape[1] != length or len(self._work) < streams:
            self._work = np.zeros((streams, length))
            self._results = np.empty((streams, blocks * made))
        work, results = self._work[:streams], self._results[:streams]
        np.copyto(work[:, :kept].reshape(tail.shape), tail)
        np.copyto(work[:, kept : kept + came].reshape(pcm.shape), pcm)
        if streams < FEW:
            windows = as_strided(work, (streams, blocks, width), (work.strides[0], step * 8, 8))
            every = np.ascontiguousarray(windows).reshape(-1, width)
            np.matmul(every, self._matrix, out=results.reshape(-1, made))
        else:
            for number in range(blocks):
                part = work[:, number * step : number * step + width]
                np.matmul(part, self._matrix, out=results[:, number * made : (number + 1) * made])
        return results[:, : came * made // step]

    def _make_matrix(self) -> tuple[Doubles, float]:
        """Return [history + block, block out], and the filter's middle; without what needs no product.

        Output o stands at o · down of the grid that is `up` times as fine as what comes in; input i (the
        history's first is 0) at i · up. The middle of the filter lies half a history later.
        """
        up, down, history = self.up, self.down, self._history
        if up == down:
            return np.zeros((0, 0)), 1.0
        taps = prototype(up, down)
        half = len(taps) // 2
        outputs = np.arange(self._block * up // down)
        inputs = np.arange(history + self._block)
        distance = inputs[:, None] * up - (outputs[None, :] * down + history // 2 * up)
        inside = np.abs(distance) <= half
        matrix: Doubles = np.where(inside, taps[np.clip(distance + half, 0, 2 * half)], 0.0)
        matrix /= matrix.sum(axis=0)
        matrix = np.rint(matrix * 2.0**BITS) / 2.0**BITS
        middle = float(matrix[history // 2, 0])
        if down == 1:
            matrix = matrix[:, outputs % up != 0]
        elif up == 1:
            matrix = matrix[inputs % down != 0]
        return np.ascontiguousarray(matrix), middle


def _delayed(tail: Pcm, pcm: Pcm, out: Pcm) -> None:
    """Write samples that are half of `tail` late into `out`, [streams, samples]."""
    half, samples = tail.shape[1] // 2, out.shape[1]
    if samples <= half:
        np.copyto(out, tail[:, half : half + samples])
    else:
        np.copyto(out[:, :half], tail[:, half:])
        np.copyto(out[:, half:], pcm[:, : samples - half])
