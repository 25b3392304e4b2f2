"""Comfort noise."""

import numpy as np
import pytest

from sip.media.kernels import noise
from tests.support import audio

pytestmark = pytest.mark.unit


def test_noise_has_the_level_it_was_asked_for_and_no_tone() -> None:
    comfort = noise.ComfortNoise(3)
    rows = np.arange(3)
    comfort.set_level(rows, np.array([-65, -45, -20], np.float32))
    pcm = np.concatenate([comfort.process(rows, np.empty((3, 160), np.int16)) for _ in range(200)], axis=1)
    assert [audio.level(row) for row in pcm] == pytest.approx([-65, -45, -20], abs=0.3)
    spectrum = np.abs(np.fft.rfft(pcm[1].reshape(-1, 320), axis=1)) ** 2
    bands = spectrum.mean(axis=0)[1:-1]
    assert 10 * np.log10(bands.max() / bands.min()) < 6


def test_payloads_carry_the_level_below_overload() -> None:
    levels = np.array([-96, -65, -40, 6.15, 20], np.float32)
    payloads = noise.payload(levels)
    assert payloads.tolist() == [[102], [71], [46], [0], [0]]
    assert noise.level(payloads).tolist() == pytest.approx([-96, -65, -40, 6.15, 6.15], abs=0.5)
    assert noise.level(np.array([[127, 9, 200], [255, 0, 0]], np.uint8)).tolist() == pytest.approx(
        [-120.85] * 2, abs=0.01
    )


def test_no_frame_is_like_another_of_its_slot_or_of_others() -> None:
    comfort = noise.ComfortNoise(50)
    comfort.set_level(np.arange(50), np.full(50, -30, np.float32))
    frames = [comfort.process(np.arange(50), np.empty((50, 160), np.int16)) for _ in range(40)]
    assert len({row.tobytes() for frame in frames for row in frame}) > 1950


def test_batches_and_single_calls_give_the_same_and_a_reset_begins_anew() -> None:
    together, alone = noise.ComfortNoise(200), noise.ComfortNoise(200)
    rows = np.random.default_rng(7).permutation(200)
    level = np.linspace(-70, 0, 200).astype(np.float32)
    together.set_level(rows, level)
    for slot, each in zip(rows, level, strict=True):
        alone.set_level(np.array([slot]), np.array([each], np.float32))
    for _ in range(3):
        batch = together.process(rows, np.empty((200, 160), np.int16))
        for number, slot in enumerate(rows):
            one = alone.process(np.array([slot]), np.empty((1, 160), np.int16))
            assert np.array_equal(one[0], batch[number])
    together.reset(rows)
    fresh = noise.ComfortNoise(200).process(rows, np.empty((200, 160), np.int16))
    assert np.array_equal(together.process(rows, np.empty((200, 160), np.int16)), fresh)


def test_a_frame_longer_than_60_ms_is_refused() -> None:
    with pytest.raises(ValueError, match="2881"):
        noise.ComfortNoise(1).process(np.zeros(1, np.intp), np.empty((1, 2881), np.int16))
