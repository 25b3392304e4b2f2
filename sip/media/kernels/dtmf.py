"""DTMF in the audio (ITU-T Q.23, Q.24), detected for many streams at once, at 8000 samples a second.

Every 10 ms a window of 20 ms (Hann, so that one tone does not leak into the other group) is taken to the
eight frequencies, a matrix product for all streams. How their phases move from window to window tells the
true frequencies to fractions of a hertz; by them the tones' power is put right and held against all that
there is. A window is a hit of a digit when both tones are strong enough, near enough to their frequencies
and to each other in level, steady, and nearly all that is heard. `HITS` of one digit in a row are that digit;
so many windows see at least 70 % of a tone of 40 ms wherever it begins, and never of one of 23 ms.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sip.media.kernels.energy import SINE_DBM0
from sip.media.kernels.tones import HIGH, KEYPAD, LOW
from sip.media.kernels.types import Floats, Pcm, Rows

RATE: Final = 8000
FRAME: Final = 160
HOP: Final = 80
WINDOW: Final = 160
HITS: Final = 3
MISSES: Final = 4
"""Windows without the digit that end it: a pause of 40 ms has more, an interruption of 10 ms has fewer."""
LEAST_DBM0: Final = -36.0
"""Of each tone. Q.24: -25 (AT&T) must be heard; administrations want -29 to -55 not to be."""
HIGH_LOUDER_DB: Final = 5.0
LOW_LOUDER_DB: Final = 9.5
"""Q.24: 4 and 8 dB must be taken; 1 dB is for what noise and windows that see parts of tones do."""
OFF: Final = 0.0235
"""Of the frequency. Q.24: 1.5 % must be taken, 3.5 % must not."""
PURE: Final = 0.73
"""Share of the tones in the power of a window: those that see 70 % of a tone pass, in noise 15 dB below."""
CLEAR: Final = 0.92
"""The same share, in the best of a digit's windows: one at least sees nothing but tones, and noise."""
STEADY_HZ: Final = 7.0
"""What a tone's frequency may move by from a pair of windows to the next. Voices glide."""
GROUP: Final = 256
"""Streams whose windows are in the processor's cache at a time."""
EXTRA_MS: Final = 7
"""A tone is longer than its windows' hops by this."""

_KEYS: Final = np.array([ord(key) for keys in KEYPAD for key in keys], np.uint8)
_HERTZ: Final = np.array((*LOW, *HIGH))


class Digit(NamedTuple):
    """A digit that was heard: told once, when it is over."""

    row: int
    digit: str
    ms: int
    """To about 10 ms."""
    ago_ms: int
    """How long before the end of the frame it began."""


def _bank() -> tuple[Floats, Floats]:
    """Return what takes a window to the eight frequencies, and squares to mean powers.

    The first has cosines, then sines, scaled so that a sine answers with its mean power; the second is for a
    frame with the hop before it, which is two windows.
    """
    window = np.hanning(WINDOW + 1)[:-1]
    angles = 2 * np.pi / RATE * _HERTZ * (np.arange(WINDOW)[:, None] - WINDOW / 2)
    bank = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1) * window[:, None]
    means = np.zeros((HOP + FRAME, 2))
    means[:WINDOW, 0] = means[HOP:, 1] = window**2 / (window**2).sum()
    return (bank * np.sqrt(2) / window.sum()).astype(np.float32), means.astype(np.float32)


def _most(strength: Floats, begin: int) -> Floats:
    """Return the largest of four columns; along so short an axis `max` takes ten times as long."""
    one, two, three, four = (strength[:, begin + place] for place in range(4))
    result: Floats = np.maximum(np.maximum(one, two), np.maximum(three, four))
    return result


_BANK, _MEANS = _bank()
_ADVANCE: Final = np.exp(-2j * np.pi * _HERTZ * HOP / RATE).astype(np.complex64)
"""What a tone of exactly the frequency turns by in a hop, taken back."""
_LEAST: Final = np.float32(32768**2 / 2 * 10 ** ((LEAST_DBM0 - SINE_DBM0) / 10))
_HZ: Final = np.float32(RATE / HOP / (2 * np.pi))


class DtmfDetector:
    """Digits on `capacity` slots."""

    def __init__(self, capacity: int) -> None:
        self._tail = np.zeros((capacity, HOP), np.float32)
        self._before = np.zeros((capacity, 16), np.float32)
        self._moved = np.zeros((capacity, 2), np.float32)
        """Hertz by which the present tones lay off, in the last pair of windows."""
        self._clear = np.zeros(capacity, np.float32)
        """The highest share of the tones in the candidate's windows."""
        self._candidate = np.zeros(capacity, np.uint8)
        self._hits = np.zeros(capacity, np.int64)
        self._digit = np.zeros(capacity, np.uint8)
        """The digit that is heard; 0: none."""
        self._lasts = np.zeros(capacity, np.int64)
        """Hops since the digit's first hit."""
        self._misses = np.zeros(capacity, np.int64)

    def reset(self, rows: Rows) -> None:
        """Forget streams; a digit that was not over is not told."""
        self._tail[rows], self._before[rows] = 0, 0
        self._candidate[rows] = self._digit[rows] = 0
        self._hits[rows] = self._lasts[rows] = self._misses[rows] = 0

    def hearing(self, rows: Rows) -> NDArray[np.bool_]:
        """Return on which slots a digit is being heard now: recordings and bots may leave it out."""
        result: NDArray[np.bool_] = self._digit[rows] != 0
        return result

    def process(self, rows: Rows, pcm: Pcm) -> list[Digit]:
        """Take a frame of each of `rows`, none twice; `pcm`: int16 [rows, 160]. Return what is over."""
        count = len(rows)
        parts = np.empty((2, count, 16), np.float32)
        power = np.empty((count, 2), np.float32)
        room = np.empty((min(count, GROUP), HOP + FRAME), np.float32)
        for begin in range(0, count, GROUP):
            some = slice(begin, begin + GROUP)
            signal = room[: count - begin]
            signal[:, :HOP], signal[:, HOP:] = self._tail[rows[some]], pcm[some]
            self._tail[rows[some]] = signal[:, -HOP:]
            np.matmul(signal[:, :WINDOW], _BANK, out=parts[0, some])
            np.matmul(signal[:, HOP:], _BANK, out=parts[1, some])
            np.matmul(np.square(signal, out=signal), _MEANS, out=power[some])
        told: list[Digit] = []
        for half in (0, 1):
            self._step(rows, parts[half], power[:, half], (1 - half) * HOP * 1000 // RATE, told)
        return told

    def _step(self, rows: Rows, parts: Floats, power: Floats, after_ms: int, told: list[Digit]) -> None:
        """Go on by a window."""
        squares = np.square(parts)
        strength = squares[:, :8] + squares[:, 8:]
        tones = _most(strength, 0) + _most(strength, 4)
        before = self._before[rows]
        self._before[rows] = parts
        # Most windows are no digit by far, even if a tone that lies off its frequency answers at 45 %.
        maybe = (tones > power * np.float32(0.4 * PURE)) & (tones > _LEAST)
        some = np.flatnonzero(maybe | (self._hits[rows] > 0) | (self._digit[rows] != 0))
        if len(some):
            waves, old = (part[some, :8] + 1j * part[some, 8:] for part in (parts, before))
            key, share = self._look(rows[some], strength[some], waves * old.conj(), power[some])
            self._count(rows[some], key, share, after_ms, told)

    def _count(
        self, rows: Rows, key: NDArray[np.uint8], share: Floats, after_ms: int, told: list[Digit]
    ) -> None:
        """Take the hits of a window, where there are or were some."""
        again = (key != 0) & (key == self._candidate[rows])
        hits = np.where(again, self._hits[rows] + 1, key != 0)
        clear = np.where(again, np.maximum(self._clear[rows], share), share)
        self._clear[rows] = clear
        self._candidate[rows], self._hits[rows] = key, hits
        digit = self._digit[rows]
        misses = np.where(key == digit, 0, self._misses[rows] + 1)
        lasts = self._lasts[rows] + 1
        begins = (hits >= HITS) & (digit != key) & (clear > CLEAR)
        ends = (digit != 0) & ((misses >= MISSES) | begins)
        for place in np.flatnonzero(ends).tolist():
            hops = int(lasts[place] - misses[place])
            ms = hops * 10 + EXTRA_MS
            ago = int(lasts[place]) * 10 + after_ms + EXTRA_MS
            told.append(Digit(int(rows[place]), chr(digit[place]), ms, ago))
        self._digit[rows] = np.where(begins, key, np.where(ends, 0, digit))
        self._lasts[rows] = np.where(begins, hits, lasts)
        self._misses[rows] = np.where(begins, 0, misses)

    def _look(
        self, rows: Rows, strength: Floats, turned: NDArray[np.complex64], power: Floats
    ) -> tuple[NDArray[np.uint8], Floats]:
        """Return whose window is a hit, of which digit (0: none), and the tones' share of it.

        `turned`: each wave by the one before, conjugated: by how much its phase moved in a hop.
        """
        low, high = strength[:, :4].argmax(axis=1), strength[:, 4:].argmax(axis=1) + 4
        places = np.arange(len(rows))
        turned = turned * _ADVANCE
        off = np.empty((len(rows), 2), np.float32)
        level = np.empty((len(rows), 2), np.float32)
        near = np.ones(len(rows), np.bool_)
        for group, which in enumerate((low, high)):
            off[:, group] = np.angle(turned[places, which]) * _HZ
            most = (_HERTZ * OFF).astype(np.float32)[which]
            near &= np.abs(off[:, group]) < most
            # A Hann window's answer this far from its middle, in its bins (RATE / WINDOW).
            bins = np.minimum(np.abs(off[:, group]), most) * np.float32(WINDOW / RATE)
            answer = np.sinc(bins) / (1 - bins**2)
            level[:, group] = strength[places, which] / answer**2
        steady = np.abs(off - self._moved[rows]).max(axis=1) < STEADY_HZ
        known = self._hits[rows] > 1
        self._moved[rows] = off
        weak, strong = level[:, 0], level[:, 1]
        share = ((weak + strong) / np.maximum(power, 1e-9)).astype(np.float32)
        hit = (
            near
            & (steady | ~known)
            & (level.min(axis=1) > _LEAST)
            & (strong < weak * np.float32(10 ** (HIGH_LOUDER_DB / 10)))
            & (weak < strong * np.float32(10 ** (LOW_LOUDER_DB / 10)))
            & (share > PURE)
        )
        return np.where(hit, _KEYS[low * 4 + high - 4], 0).astype(np.uint8), share
