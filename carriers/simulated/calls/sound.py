"""Sound as a telephone of 1972 makes and hears it: µ-law octets, one sample at a time. Pure.

Slow on purpose and on its own: the tables are worked out from ITU-T G.711's formula of segments, not taken
from the engine's.
"""

import math
from typing import Final

import numpy as np

RATE: Final = 8000
FRAME: Final = 160
"""Samples of 20 ms."""

SILENCE: Final = b"\xff" * FRAME
"""µ-law of zeros."""

_BIAS: Final = 33
_CLIP: Final = 8158
"""Of 14 bits (G.711 table 2)."""

FULL_SCALE: Final = 8031.0
"""Largest magnitude of µ-law in 14 bits; a sine of it is +3.17 dBm0."""

_PEAK_DBM0: Final = 3.17


def encode(sample: int) -> int:
    """Return the code of a sample of 14 bits."""
    magnitude = min(abs(sample), _CLIP) + _BIAS
    segment = magnitude.bit_length() - 6
    step = (magnitude >> (segment + 1)) & 0xF
    sign = 0x80 if sample < 0 else 0
    return ~(sign | segment << 4 | step) & 0xFF


def decode(code: int) -> int:
    """Return the sample, of 14 bits, of a code."""
    code = ~code & 0xFF
    magnitude = (((code & 0xF) << 1 | 0x21) << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


_DECODED: Final = [decode(code) for code in range(256)]


class ToneSource:
    """A sine, frame after frame without a break."""

    def __init__(self, hertz: float, dbm0: float = -10.0) -> None:
        self._step = 2 * math.pi * hertz / RATE
        self._amplitude = FULL_SCALE * 10 ** ((dbm0 - _PEAK_DBM0) / 20)
        self._place = 0

    def frame(self) -> bytes:
        """Return the next 20 ms."""
        begin = self._place
        self._place += FRAME
        return bytes(
            encode(round(self._amplitude * math.sin(self._step * place)))
            for place in range(begin, begin + FRAME)
        )


def level_of(octets: bytes, hertz: float) -> float:
    """Return how strong a frequency is in µ-law octets, in dBm0, by Goertzel; −99 when it is not there."""
    if not octets:
        return -99.0
    factor = 2 * math.cos(2 * math.pi * hertz / RATE)
    before = last = 0.0
    for code in octets:
        before, last = last, _DECODED[code] + factor * last - before
    power = last * last + before * before - factor * last * before
    amplitude = 2 * math.sqrt(max(power, 0.0)) / len(octets)
    return max(-99.0, 20 * math.log10(amplitude / FULL_SCALE) + _PEAK_DBM0) if amplitude else -99.0


def loudest(octets: bytes, low: int = 300, high: int = 3400, step: int = 25) -> tuple[float, float]:
    """Return the strongest of the frequencies of telephony in µ-law octets, and its level in dBm0.

    All frequencies at once: one after the other they would take half a second from every telephone's sound.
    """
    frequencies = range(low, high, step)
    if not octets:
        return float(frequencies[0]), -99.0
    samples = np.array(_DECODED, np.float64)[np.frombuffer(octets, np.uint8)]
    places = np.arange(len(octets)) * (2j * math.pi / RATE)
    amplitudes = [2 * abs(samples @ np.exp(-hertz * places)) / len(octets) for hertz in frequencies]
    best = max(range(len(frequencies)), key=amplitudes.__getitem__)
    return float(frequencies[best]), level_of(octets, frequencies[best])
