"""Conferences, against sums written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.kernels import levels, mix
from tests.support import audio

pytestmark = pytest.mark.unit


def test_everybody_in_a_conference_of_ten_hears_the_nine_others() -> None:
    hz = [400 + 250 * member for member in range(10)]
    frames = np.stack([audio.tone(each, -25, 8000, 1600) for each in hz])
    out = mix.mix_minus(frames, np.zeros(10, np.intp), np.ones(10, np.bool_), None, np.empty_like(frames))
    for member in range(10):
        heard = [audio.tone_level(out[member], each, 8000) for each in hz]
        assert heard[member] < -70
        assert [level for other, level in enumerate(heard) if other != member] == pytest.approx(
            [-25] * 9, abs=0.1
        )


def test_a_muted_member_hears_but_is_not_heard_and_who_is_alone_hears_silence() -> None:
    frames = np.array([[10], [200], [3000], [5]], np.int16)
    talks = np.array([True, False, True, True])
    out = mix.mix_minus(frames, np.array([7, 7, 7, -1]), talks, None, np.empty_like(frames))
    assert out[:, 0].tolist() == [3000, 3010, 10, 0]


def test_the_sum_is_clipped_once_at_the_end() -> None:
    frames = np.array([[32767], [32767], [-32768], [1]], np.int16)
    everybody = np.ones(4, np.bool_)
    out = mix.mix_minus(frames, np.zeros(4, np.intp), everybody, None, np.empty_like(frames))
    assert out[:, 0].tolist() == [0, 0, 32767, 32766]
    total = mix.mix(frames, np.zeros(4, np.intp), everybody, None, np.empty((2, 1), np.int16))
    assert total[:, 0].tolist() == [32767, 0]


def test_a_frame_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="3 frames for 4 members"):
        mix.mix_minus(
            np.zeros((3, 1), np.int16),
            mix.Conferences(np.zeros(4, np.intp)),
            np.ones(3, np.bool_),
            None,
            np.zeros((3, 1), np.int16),
        )


def test_nobody_is_no_mistake() -> None:
    nothing = np.zeros((0, 160), np.int16)
    out = mix.mix_minus(nothing, np.zeros(0, np.intp), np.zeros(0, np.bool_), None, nothing.copy())
    assert out.shape == (0, 160)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_conferences_of_any_sizes_and_order_are_the_sums_written_out(
    sizes: list[int], in_order: bool, with_gains: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    bridge = np.repeat(np.arange(len(sizes)), sizes)
    if not in_order:
        random.shuffle(bridge)
    streams = len(bridge)
    frames = random.integers(-32768, 32768, (streams, 160)).astype(np.int16)
    talks = random.random(streams) < 0.8
    gains = random.uniform(0, 4, streams).astype(np.float32) if with_gains else None
    given_ = frames
    if gains is not None:
        given_ = levels.apply_gain(frames, gains, np.empty_like(frames))
    wide = given_.astype(np.int64) * talks[:, None]
    totals = np.stack([wide[bridge == number].sum(axis=0) for number in range(len(sizes))])
    out = mix.mix_minus(frames, bridge, talks, gains, np.empty_like(frames))
    assert np.array_equal(out, np.clip(totals[bridge] - wide, -32768, 32767))
    full = mix.mix(frames, bridge, talks, gains, np.empty((len(sizes), 160), np.int16))
    assert np.array_equal(full, np.clip(totals, -32768, 32767))
    members = np.flatnonzero(bridge == bridge[0])
    alone = mix.mix_minus(
        frames[members],
        bridge[members],
        talks[members],
        None if gains is None else gains[members],
        np.empty((len(members), 160), np.int16),
    )
    assert np.array_equal(alone, out[members])
