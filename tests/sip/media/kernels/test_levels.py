"""Gain and clipping."""

import numpy as np
import pytest

from sip.media.kernels import levels
from tests.support import audio

pytestmark = pytest.mark.unit


def test_a_gain_in_decibels_moves_the_level_by_as_much() -> None:
    pcm = np.stack([audio.tone(1000, -20, 8000, 160)] * 3)
    out = levels.apply_gain(pcm, levels.linear(np.array([-6, 0, 6], np.float32)), np.empty_like(pcm))
    assert [audio.level(row) for row in out] == pytest.approx([-26, -20, -14], abs=0.01)


def test_what_is_too_loud_is_clipped_and_never_wraps() -> None:
    pcm = np.array([[-32768, -20000, -1, 0, 1, 20000, 32767]], np.int16)
    out = levels.apply_gain(pcm, np.array([2.0], np.float32), np.empty_like(pcm))
    assert out.tolist() == [[-32768, -32768, -2, 0, 2, 32767, 32767]]
    out = levels.apply_gain(pcm, np.array([-1.0], np.float32), out)
    assert out.tolist() == [[32767, 20000, 1, 0, -1, -20000, -32767]]


def test_a_gain_of_one_changes_no_sample_and_works_in_place() -> None:
    pcm = np.arange(-32768, 32768).astype(np.int16).reshape(256, 256)
    same = pcm.copy()
    levels.apply_gain(same, np.ones(256, np.float32), same)
    assert np.array_equal(same, pcm)


def test_batches_and_single_streams_give_the_same() -> None:
    random = np.random.default_rng(2)
    pcm = random.integers(-32768, 32768, (300, 160)).astype(np.int16)
    gains = random.uniform(0, 3, 300).astype(np.float32)
    batch = levels.apply_gain(pcm, gains, np.empty_like(pcm))
    for row in range(300):
        one = levels.apply_gain(pcm[row : row + 1], gains[row : row + 1], np.empty((1, 160), np.int16))
        assert np.array_equal(one[0], batch[row])
