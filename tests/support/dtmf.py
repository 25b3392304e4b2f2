"""Digits as telephones send them and worse, what is not digits, and spandsp's detector beside ours."""

import ctypes
from dataclasses import dataclass
from typing import Final

import numpy as np

from sip.media.kernels.dtmf import Digit, DtmfDetector
from sip.media.kernels.tones import KEYPAD, frequencies
from tests.support.audio import Pcm, amplitude

DIGITS: Final = "".join(KEYPAD)


@dataclass(frozen=True, slots=True)
class Key:
    """How a digit is sent: levels in dBm0 of low and high tone, `off` in parts of the frequency."""

    ms: float = 50
    gap: float = 50
    low: float = -10
    high: float = -10
    off: float = 0
    snr: float | None = None
    """Noise so many dB below the louder tone."""
    broken: tuple[float, float] | None = None
    """From and to which millisecond it is interrupted."""


def pressed(digits: str, key: Key, seed: int = 0) -> Pcm:
    """Return digits, at any place within a frame, with any phases."""
    chance = np.random.default_rng(seed)
    pieces = [np.zeros(int(chance.integers(400, 560)))]
    for digit in digits:
        times = np.arange(round(key.ms * 8)) / 8000
        low, high = (2 * np.pi * hertz * (1 + key.off) for hertz in frequencies(digit))
        phases = chance.uniform(0, 2 * np.pi, 2)
        tone = amplitude(key.low) * np.sin(low * times + phases[0])
        tone += amplitude(key.high) * np.sin(high * times + phases[1])
        if key.broken:
            tone[(times * 1000 >= key.broken[0]) & (times * 1000 < key.broken[1])] = 0
        pieces += [tone, np.zeros(round(key.gap * 8))]
    wave = np.concatenate([*pieces, np.zeros(800)])
    wave = np.concatenate([wave, np.zeros(-len(wave) % 160)])
    if key.snr is not None:
        rms = amplitude(max(key.low, key.high) - key.snr) / np.sqrt(2)
        wave += chance.normal(0, rms, len(wave))
    clipped: Pcm = np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
    return clipped


def heard(signals: list[Pcm]) -> list[list[Digit]]:
    """Return what our detector says of signals, all in one batch."""
    longest = max(len(signal) for signal in signals)
    batch = np.zeros((len(signals), longest), np.int16)
    for row, signal in enumerate(signals):
        batch[row, : len(signal)] = signal
    detector, rows = DtmfDetector(len(signals)), np.arange(len(signals))
    told: list[list[Digit]] = [[] for _ in signals]
    for at in range(0, longest, 160):
        for digit in detector.process(rows, batch[:, at : at + 160]):
            told[digit.row].append(digit)
    return told


def music(samples: int, seed: int, level_dbm0: float = -14.0) -> Pcm:
    """Return something like music: chords of one to three notes with overtones, that fade."""
    chance = np.random.default_rng(seed)
    wave = np.zeros(samples)
    at = 0
    while at < samples:
        end = min(samples, at + int(chance.uniform(0.08, 0.5) * 8000))
        times = np.arange(end - at) / 8000
        for _ in range(chance.integers(1, 4)):
            note = 110 * 2 ** (chance.integers(0, 48) / 12)
            for overtone in range(1, 6):
                if note * overtone < 3800:
                    sine = np.sin(2 * np.pi * note * overtone * times + chance.uniform(0, 6))
                    wave[at:end] += (
                        chance.uniform(0.2, 1) / overtone * sine * np.exp(-times * chance.uniform(0, 6))
                    )
        at = end
    wave *= amplitude(level_dbm0) / np.sqrt(2) / np.sqrt(np.mean(wave**2))
    clipped: Pcm = np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
    return clipped


class SpandspDtmf:
    """spandsp's detector, with its own limits, for one stream."""

    def __init__(self) -> None:
        library = ctypes.CDLL("libspandsp.so.2")
        self._take, self._get, self._free = library.dtmf_rx, library.dtmf_rx_get, library.dtmf_rx_free
        library.dtmf_rx_init.restype = ctypes.c_void_p
        library.dtmf_rx_init.argtypes = [ctypes.c_void_p] * 3
        self._take.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        self._get.restype = ctypes.c_size_t
        self._get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self._free.argtypes = [ctypes.c_void_p]
        self._state = library.dtmf_rx_init(None, None, None)
        self._room = ctypes.create_string_buffer(129)

    def close(self) -> None:
        """Give its memory back."""
        self._free(self._state)

    def process(self, pcm: Pcm) -> str:
        """Return the digits that were recognised in samples, any number of them."""
        whole = np.ascontiguousarray(pcm)
        self._take(self._state, whole.ctypes.data, len(whole))
        count = self._get(self._state, self._room, 128)
        return self._room.raw[:count].decode()


def spandsp_hears(signal: Pcm) -> str:
    """Return what spandsp's detector says of a signal."""
    detector = SpandspDtmf()
    digits = "".join(detector.process(signal[at : at + 800]) for at in range(0, len(signal), 800))
    detector.close()
    return digits
