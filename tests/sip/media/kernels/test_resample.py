"""Resamplers: quality measured on their impulses and on sines; streaming; company."""

import itertools

import numpy as np
import pytest
import soxr  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sip.media.kernels.resample import Resampler
from sip.media.kernels.types import RATES
from tests.support import audio

pytestmark = pytest.mark.unit

PAIRS = [pair for pair in itertools.product(RATES, RATES) if pair[0] != pair[1]]
ONE = np.zeros(1, np.intp)


def resampled(pcm: NDArray[np.int16], from_rate: int, to_rate: int) -> NDArray[np.int16]:
    machine = Resampler(1, from_rate, to_rate)
    out = np.empty((1, machine.samples_out(len(pcm))), np.int16)
    machine.process(ONE, pcm[None], out)
    return out.reshape(-1)


def tones_through(from_rate: int, to_rate: int, hz: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return sines of -0.9 dB of full scale after the resampler, one a row, without the beginning."""
    pcm = np.stack([audio.tone(each, 2.24, from_rate, from_rate // 5) for each in hz])
    machine = Resampler(len(hz), from_rate, to_rate)
    out = np.empty((len(hz), machine.samples_out(pcm.shape[1])), np.int16)
    machine.process(np.arange(len(hz)), pcm, out)
    return out[:, to_rate // 50 :]


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_the_pass_band_is_flat_to_3400_hz_of_8000_and_carries_no_image(from_rate: int, to_rate: int) -> None:
    hz = np.linspace(0.02, 0.425, 12) * min(from_rate, to_rate)
    for each, row in zip(hz, tones_through(from_rate, to_rate, hz), strict=True):
        assert audio.tone_level(row, each, to_rate) == pytest.approx(2.24, abs=0.01)
        assert audio.sinad(row, each, to_rate) >= 88


@pytest.mark.parametrize(("from_rate", "to_rate"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_the_stop_band_from_4600_hz_of_8000_lets_through_less_than_85_db(
    from_rate: int, to_rate: int
) -> None:
    hz = np.linspace(0.575 * to_rate, 0.49 * from_rate, 40)
    for row in tones_through(from_rate, to_rate, hz):
        assert audio.level(row) - 2.24 <= -85


def test_what_a_lower_rate_cannot_carry_is_gone_instead_of_folded() -> None:
    out = resampled(audio.tone(4700, 0, 16000, 8000), 16000, 8000)
    assert audio.level(out[1000:]) < -80


def test_it_agrees_with_soxr_but_for_the_delay() -> None:
    speech = audio.speech(8000, level_dbm0=-20)
    ours = resampled(speech, 8000, 16000)
    theirs = soxr.resample(speech, 8000, 16000, quality="VHQ")
    delay = 64
    # Between 3.6 and 4 kHz the filters differ: both are asked about speech that has little there.
    assert audio.snr(theirs[1000:12000], ours[1000 + delay : 12000 + delay]) > 35


def test_samples_that_need_no_filter_pass_unchanged() -> None:
    random = np.random.default_rng(3)
    pcm = random.integers(-32768, 32768, 320).astype(np.int16)
    out = resampled(pcm, 8000, 24000)
    assert np.array_equal(out[96::3], pcm[: 320 - 32])


def test_full_scale_is_clipped_and_never_wraps() -> None:
    square = np.repeat(np.array([32767, -32768] * 8, np.int16), 20)
    out = resampled(square, 8000, 48000).astype(int)
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.abs(np.diff(out)).max() < 20000


@pytest.mark.parametrize(("from_rate", "to_rate"), [(8000, 8000), *PAIRS])
def test_a_frame_of_20_ms_becomes_a_frame_of_20_ms(from_rate: int, to_rate: int) -> None:
    assert Resampler(1, from_rate, to_rate).samples_out(from_rate // 50) == to_rate // 50


def test_the_same_rate_changes_nothing() -> None:
    pcm = audio.noise(-20, 480)
    assert np.array_equal(resampled(pcm, 24000, 24000), pcm)


def test_other_rates_odd_lengths_and_wrong_places_are_refused() -> None:
    with pytest.raises(ValueError, match="11025"):
        Resampler(1, 11025, 8000)
    machine = Resampler(1, 48000, 8000)
    with pytest.raises(ValueError, match="multiple of 6"):
        machine.samples_out(100)
    with pytest.raises(ValueError, match="out is"):
        machine.process(ONE, np.zeros((1, 96), np.int16), np.zeros((1, 20), np.int16))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(PAIRS),
    st.integers(1, 200),
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_streaming_in_company_is_one_shot_alone(
    pair: tuple[int, int], streams: int, pieces: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    company = Resampler(streams + 3, *pair)
    lengths = [piece * company.down for piece in pieces]
    pcm = random.integers(-32768, 32768, (streams, sum(lengths))).astype(np.int16)
    rows = random.permutation(streams + 3)[:streams]
    # What went through before is forgotten.
    before = pcm[:, : lengths[0]].copy()
    company.process(rows, before, np.empty((streams, company.samples_out(lengths[0])), np.int16))
    company.reset(rows)
    parts = []
    begin = 0
    for length in lengths:
        out = np.empty((streams, company.samples_out(length)), np.int16)
        order = random.permutation(streams)
        company.process(rows[order], pcm[order, begin : begin + length], out)
        parts.append(out[np.argsort(order)])
        begin += length
    streamed = np.concatenate(parts, axis=1)
    for row in {0, streams - 1}:
        assert np.array_equal(streamed[row], resampled(pcm[row], *pair))
