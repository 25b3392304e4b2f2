"""Signals for tests of audio, and what is measured on them.

Levels are dBm0 as G.711 has them: a sine whose peak is full scale (32768) is +3.14 dBm0.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

FULL_SCALE = 32768.0
SINE_DBM0 = 3.14
"""A sine of full scale (G.711, A-law)."""


def amplitude(level_dbm0: float) -> float:
    """Return the peak of a sine of a level, in steps of int16."""
    return FULL_SCALE * float(10 ** ((level_dbm0 - SINE_DBM0) / 20))


def tone(hz: float, level_dbm0: float, rate: int, samples: int, phase: float = 0.0) -> Pcm:
    """Return a sine, rounded to int16 [samples]; `phase` is of its first sample, in radians."""
    angles = 2 * np.pi * hz / rate * np.arange(samples) + phase
    wave = np.rint(amplitude(level_dbm0) * np.sin(angles))
    clipped: Pcm = np.clip(wave, -32768, 32767).astype(np.int16)
    return clipped


def mix(*signals: Pcm) -> Pcm:
    """Return the sum of signals, clipped."""
    total = sum((signal.astype(np.int64) for signal in signals[1:]), signals[0].astype(np.int64))
    clipped: Pcm = np.clip(total, -32768, 32767).astype(np.int16)
    return clipped


def noise(level_dbm0: float, samples: int, seed: int = 1) -> Pcm:
    """Return white noise, the same for the same seed, int16 [samples]."""
    rms = amplitude(level_dbm0) / math.sqrt(2)
    wave = np.random.default_rng(seed).standard_normal(samples) * rms
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def speech(samples: int, rate: int = 8000, level_dbm0: float = -18.0, seed: int = 1) -> Pcm:
    """Return what has speech's shape, int16 [samples]: syllables of voice, hiss and pauses.

    Voiced: a pulse train that glides between 90 and 240 Hz through three resonances that move. Unvoiced:
    noise through a high resonance. Syllables last 120 to 350 ms with soft edges; every few there is a pause.
    `level_dbm0` is the mean over what is not pause.
    """
    random = np.random.default_rng(seed)
    pieces: list[NDArray[np.float64]] = []
    made = 0
    while made < samples:
        length = int(random.uniform(0.12, 0.35) * rate)
        kind = random.random()
        if kind < 0.15:
            piece = np.zeros(length)
        else:
            voiced = kind < 0.8
            piece = _voiced(random, length, rate) if voiced else _unvoiced(random, length, rate)
            edge = min(length // 3, rate // 50)
            ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
            piece[:edge] *= ramp
            piece[-edge:] *= ramp[::-1]
            loud = float(np.sqrt(np.mean(piece**2))) or 1.0
            piece *= (1.0 if voiced else 0.25) * random.uniform(0.6, 1.4) / loud
        pieces.append(piece)
        made += length
    wave = np.concatenate(pieces)[:samples]
    heard = wave[np.abs(wave) > 0.0]
    rms = float(np.sqrt(np.mean(heard**2))) if heard.size else 1.0
    wave = wave / rms * amplitude(level_dbm0) / math.sqrt(2)
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def _voiced(random: np.random.Generator, length: int, rate: int) -> NDArray[np.float64]:
    first, last = random.uniform(90, 240, 2)
    pitch = np.linspace(first, first + (last - first) * 0.3, length)
    pulses = np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0.0) + random.standard_normal(length) * 0.01
    wave: NDArray[np.float64] = pulses
    for low, high, width in ((300, 800, 60), (900, 2200, 90), (2300, 3000, 150)):
        wave = _resonance(wave, random.uniform(low, high), width, rate)
    return wave


def _unvoiced(random: np.random.Generator, length: int, rate: int) -> NDArray[np.float64]:
    return _resonance(random.standard_normal(length), random.uniform(0.25, 0.4) * rate, 800, rate)


def _resonance(wave: NDArray[np.float64], hz: float, width: float, rate: int) -> NDArray[np.float64]:
    """Pass `wave` through a two-pole resonator, by its impulse response (no recursion to wait for)."""
    radius = math.exp(-math.pi * width / rate)
    times = np.arange(min(len(wave), int(7 / (1 - radius)) + 2))
    angle = 2 * math.pi * hz / rate
    response = radius**times * np.sin(angle * (times + 1)) / math.sin(angle)
    size = 1 << (len(wave) + len(response)).bit_length()
    spectrum = np.fft.rfft(wave, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(wave)]


def level(pcm: NDArray[Any]) -> float:
    """Return the level of samples in dBm0; of silence -inf."""
    mean = float(np.mean(np.asarray(pcm, np.float64) ** 2))
    return -math.inf if mean == 0 else 10 * math.log10(2 * mean / FULL_SCALE**2) + SINE_DBM0


def snr(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    """Return the ratio in dB of `wanted`'s power to that of what differs from it in `got`; equal is inf."""
    signal = np.asarray(wanted, np.float64)
    error = np.sum((np.asarray(got, np.float64) - signal) ** 2)
    return math.inf if error == 0 else 10 * math.log10(float(np.sum(signal**2) / error))


def spectral_distance(wanted: Pcm, got: Pcm, lost: NDArray[np.bool_]) -> float:
    """Return the mean log-spectral distance in dB around lost frames, of [frames, samples]; 0 is alike.

    Spectra of 32 ms at 8 kHz that hold the frame and its edges; where nothing was said, nothing is measured.
    """
    true, made = wanted.reshape(-1).astype(np.float64), got.reshape(-1).astype(np.float64)
    samples = wanted.shape[1]
    width = samples * 8 // 5
    window = np.hanning(width)
    distances = []
    for number in np.flatnonzero(lost):
        begin = number * samples - (width - samples) // 2
        if begin < 0 or begin + width > len(true) or level(true[begin : begin + width]) < -45:
            continue
        spectra = [
            10 * np.log10(np.abs(np.fft.rfft(wave[begin : begin + width] * window)) ** 2 + 1e3)
            for wave in (true, made)
        ]
        distances.append(float(np.sqrt(np.mean((spectra[0] - spectra[1]) ** 2))))
    return float(np.mean(distances))


def sinad(pcm: NDArray[Any], hz: float, rate: int) -> float:
    """Return the ratio in dB of the sine at `hz` (fitted) to all else, noise and distortion."""
    samples = np.asarray(pcm, np.float64)
    basis, parts = _parts(samples, hz, rate)
    return snr(basis @ parts, samples)


def tone_level(pcm: NDArray[Any], hz: float, rate: int) -> float:
    """Return the level in dBm0 of the sine at `hz`, whatever else there is."""
    cosine, sine = _parts(np.asarray(pcm, np.float64), hz, rate)[1]
    peak = math.hypot(cosine, sine)
    return -math.inf if peak == 0 else 20 * math.log10(peak / FULL_SCALE) + SINE_DBM0


def _parts(
    samples: NDArray[np.float64], hz: float, rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the basis (cosine, sine) [samples, 2] at `hz`, and how much of each there is."""
    angles = 2 * np.pi * hz / rate * np.arange(len(samples))
    basis = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return basis, np.linalg.lstsq(basis, samples, rcond=None)[0]


def find_tone(pcm: NDArray[Any], rate: int) -> tuple[float, float]:
    """Return frequency (Hz) and level (dBm0) of the strongest sine; (0.0, -inf) when there is silence.

    Right to a tenth of a bin (0.1 · rate / samples) for a steady tone.
    """
    samples = np.asarray(pcm, np.float64)
    if not samples.any():
        return 0.0, -math.inf
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window))
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-9)
    bend = left - 2 * middle + right
    offset = 0.0 if bend == 0 else 0.5 * (left - right) / bend
    hz = (peak + offset) * rate / len(samples)
    return float(hz), tone_level(pcm, hz, rate)
