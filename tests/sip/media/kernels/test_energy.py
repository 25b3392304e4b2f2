"""Levels and voice activity."""

import numpy as np
import pytest

from sip.media.kernels import energy
from tests.support import audio

pytestmark = pytest.mark.unit

ONE = np.zeros(1, np.intp)


def spoken(activity: energy.VoiceActivity, pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> list[bool]:
    return [bool(activity.process(ONE, frame[None])[0]) for frame in pcm.reshape(-1, 160)]


def test_a_full_scale_sine_is_3_14_dbm0_and_silence_is_the_least() -> None:
    pcm = np.stack(
        [audio.tone(1000, 3.14, 8000, 160), audio.tone(500, -40, 8000, 160), np.zeros(160, np.int16)]
    )
    assert energy.power(pcm).tolist() == pytest.approx([3.14, -40, energy.SILENCE_DBM0], abs=0.02)
    assert energy.power(np.full((1, 160), -32768, np.int16))[0] == pytest.approx(energy.OVERLOAD_DBM0)


def test_a_level_does_not_depend_on_company() -> None:
    random = np.random.default_rng(5)
    pcm = (random.integers(-32768, 32768, (333, 160)) >> random.integers(0, 15, (333, 1))).astype(np.int16)
    batch = energy.power(pcm)
    assert [energy.power(pcm[row : row + 1])[0] for row in range(333)] == batch.tolist()


def test_speech_is_heard_in_quiet_lines_and_in_noisy_ones() -> None:
    for background, least in ((-70, 0.93), (-45, 0.85), (-38, 0.7)):
        voice = audio.speech(8000 * 6, level_dbm0=-16, seed=4)
        loud = np.array([audio.level(frame) > -30 for frame in voice.reshape(-1, 160)])
        line = audio.mix(voice, audio.noise(background, len(voice)))
        activity = energy.VoiceActivity(1)
        spoken(activity, audio.noise(background, 8000 * 6, seed=2))
        heard = np.array(spoken(activity, line))
        assert heard[loud].mean() >= least


def test_noise_alone_is_no_speech_once_it_is_known() -> None:
    for background in (-70, -45, -35):
        activity = energy.VoiceActivity(1)
        heard = spoken(activity, audio.noise(background, 8000 * 12))
        assert not any(heard[-300:])


def test_a_click_is_no_speech_and_a_pause_inside_a_word_is_some() -> None:
    silence = np.zeros(160, np.int16)
    tone = audio.tone(300, -15, 8000, 160)
    activity = energy.VoiceActivity(1)
    assert not any(spoken(activity, np.concatenate([silence, tone, silence, silence, tone, silence])))
    word = [tone] * 5 + [silence] * 11 + [tone] * 5 + [silence] * 20
    heard = spoken(activity, np.concatenate(word))
    assert heard == [False] + [True] * 32 + [False] * 8


def test_slots_are_their_own_and_a_reset_one_knows_nothing() -> None:
    random = np.random.default_rng(6)
    levels = random.uniform(-80, 0, (200, 40)).astype(np.float32)
    batch = energy.VoiceActivity(50)
    rows = random.permutation(50)[:40]
    batch.levels(rows, np.zeros(40, np.float32))
    batch.reset(rows)
    singles = [energy.VoiceActivity(1) for _ in range(40)]
    for frame in levels:
        together = batch.levels(rows, frame)
        alone = [single.levels(ONE, frame[slot : slot + 1])[0] for slot, single in enumerate(singles)]
        assert together.tolist() == alone
    assert batch.floor(rows).tolist() == [single.floor(ONE)[0] for single in singles]
