"""Packet-loss concealment: by ear's stand-ins, against silence, repetition and spandsp."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sip.media.kernels.conceal import Concealer
from tests.support import audio, spandsp

pytestmark = pytest.mark.unit

Frames = NDArray[np.int16]
ONE = np.zeros(1, np.intp)


def concealed(frames: Frames, lost: NDArray[np.bool_], rate: int = 8000) -> Frames:
    """Return what is heard when `lost` frames [frames] of `frames` [frames, samples] never come."""
    concealer = Concealer(1, rate)
    out = frames.copy()
    for number, missing in enumerate(lost):
        frame = out[number : number + 1]
        concealer.lost(ONE, frame) if missing else concealer.good(ONE, frame)
    return out


def by_spandsp(frames: Frames, lost: NDArray[np.bool_]) -> Frames:
    state = spandsp.Concealer()
    out = frames.copy()
    for frame, missing in zip(out, lost, strict=True):
        state.lost(frame) if missing else state.good(frame)
    state.close()
    return out


def by_silence(frames: Frames, lost: NDArray[np.bool_]) -> Frames:
    return np.where(lost[:, None], np.int16(0), frames)


def by_repetition(frames: Frames, lost: NDArray[np.bool_]) -> Frames:
    out = frames.copy()
    for number in np.flatnonzero(lost):
        out[number] = out[number - 1]
    return out


def lost_at(share: float, count: int) -> NDArray[np.bool_]:
    lost = np.random.default_rng(3).random(count) < share
    lost[:10] = False
    return lost


def seams(out: Frames, lost: NDArray[np.bool_]) -> float:
    """Return the mean step from sample to sample across the edges of losses."""
    steps = np.abs(np.diff(out.reshape(-1).astype(int)))
    edges = np.flatnonzero(np.diff(lost)) + 1
    return float(steps[edges * out.shape[1] - 1].mean())


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_speech_with_losses_is_far_nearer_to_itself_than_by_silence_and_as_near_as_by_spandsp(
    share: float,
) -> None:
    results: dict[str, list[float]] = {}
    ways: dict[str, Callable[[Frames, NDArray[np.bool_]], Frames]] = {
        "ours": concealed,
        "silence": by_silence,
        "spandsp": by_spandsp,
    }
    for seed in (1, 7, 9):
        frames = audio.speech(8000 * 16, seed=seed).reshape(-1, 160)
        lost = lost_at(share, len(frames))
        for name, way in ways.items():
            results.setdefault(name, []).append(audio.spectral_distance(frames, way(frames, lost), lost))
    distance = {name: float(np.mean(values)) for name, values in results.items()}
    assert distance["ours"] < distance["silence"] - 4
    assert distance["ours"] < distance["spandsp"] + 0.3


def test_a_steady_tone_goes_on_through_a_loss() -> None:
    frames = audio.tone(200, -10, 8000, 160 * 20).reshape(-1, 160)
    lost = np.zeros(20, np.bool_)
    lost[8] = True
    out = concealed(frames, lost)
    assert audio.snr(frames[8, :80], out[8, :80]) > 30
    assert seams(out, lost) < 2 * seams(frames, lost)


def test_the_edges_of_a_loss_are_no_steeper_than_speech_is_there() -> None:
    ours = spoken = repeated = 0.0
    for seed in (1, 5, 7, 9):
        frames = audio.speech(8000 * 8, seed=seed).reshape(-1, 160)
        lost = lost_at(0.1, len(frames))
        spoken += seams(frames, lost)
        ours += seams(concealed(frames, lost), lost)
        repeated += seams(by_repetition(frames, lost), lost)
    assert ours < spoken
    assert repeated > 1.4 * spoken


def test_it_fades_and_is_silent_after_60_ms() -> None:
    frames = audio.tone(200, -10, 8000, 160 * 12).reshape(-1, 160)
    lost = np.zeros(12, np.bool_)
    lost[5:10] = True
    out = concealed(frames, lost)
    levels = [audio.level(frame) for frame in out[5:10]]
    assert levels[0] == pytest.approx(-10, abs=1.5)
    assert levels[0] > levels[1] > levels[2]
    assert not out[8:10].any()
    assert np.abs(out[10, :8]).max() < 3000
    assert np.array_equal(out[10, 80:], frames[10, 80:])
    assert np.array_equal(out[11], frames[11])


def test_a_line_that_never_sent_is_silent() -> None:
    concealer = Concealer(2, 8000)
    out = np.ones((2, 160), np.int16)
    for _ in range(10):
        assert not concealer.lost(np.arange(2), out).any()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_every_rate_finds_the_pitch(rate: int) -> None:
    frame = rate // 50
    frames = audio.mix(
        audio.tone(125, -12, rate, 20 * frame), audio.tone(375, -16, rate, 20 * frame)
    ).reshape(-1, frame)
    lost = np.zeros(20, np.bool_)
    lost[9] = True
    out = concealed(frames, lost, rate)
    assert audio.snr(frames[9, : frame // 2], out[9, : frame // 2]) > 30


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="11025"):
        Concealer(1, 11025)


def test_batches_and_single_calls_give_the_same_and_reset_forgets() -> None:
    random = np.random.default_rng(8)
    streams = 60
    speech = np.stack([audio.speech(160 * 30, seed=seed).reshape(-1, 160) for seed in range(6)])
    frames = speech[random.integers(0, 6, streams)]
    lost = random.random((streams, 30)) < 0.25
    together = Concealer(streams + 5, 8000)
    rows = random.permutation(streams + 5)[:streams]
    together.good(rows, frames[:, 7].copy())
    together.lost(rows, np.empty((streams, 160), np.int16))
    together.reset(rows)
    out = frames.copy()
    for number in range(30):
        there, gone = np.flatnonzero(~lost[:, number]), np.flatnonzero(lost[:, number])
        out[there, number] = together.good(rows[there], out[there, number])
        out[gone, number] = together.lost(rows[gone], np.empty((len(gone), 160), np.int16))
    for stream in range(streams):
        assert np.array_equal(out[stream], concealed(frames[stream], lost[stream]))
