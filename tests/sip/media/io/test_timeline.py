"""The order of a recording: every sample where its time says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.io.timeline import Block, Samples, Timeline

pytestmark = pytest.mark.unit

RATE = 8000
FRAME = 160
LIMIT = 10_000_000


def written(blocks: list[Block], channels: int, frames: int) -> Samples:
    """Return what a file would hold."""
    file = np.zeros((frames, channels), np.int32)
    for block in blocks:
        rows = slice(block.position, block.position + len(block.samples))
        if block.patch:
            file[rows] += block.samples
        else:
            file[rows] = block.samples
    return np.clip(file, -32768, 32767).astype(np.int16)


def ramp(start: int, count: int = FRAME, *, step: int = 1) -> Samples:
    return (np.arange(start, start + count) * step % 30_000).astype(np.int16)


def play(
    timeline: Timeline, frames: list[tuple[int, int, int]], channels: int
) -> tuple[Samples, list[Block]]:
    """Put frames (track, sequence, time) whose samples say their time, and return the file."""
    blocks: list[Block] = []
    for track, sequence, time in frames:
        timeline.put(track, sequence, time, ramp(time, step=track + 1))
        blocks += timeline.take()
    blocks += timeline.finish()
    return written(blocks, channels, timeline.length), blocks


def test_two_tracks_are_two_channels_by_the_time_of_their_frames() -> None:
    timeline = Timeline(2, RATE, mixed=False, limit=LIMIT)
    frames = [(track, n, 5000 + FRAME * n) for n in range(200) for track in (0, 1)]
    file, blocks = play(timeline, frames, 2)
    assert np.array_equal(file[:, 0], ramp(5000, 200 * FRAME))
    assert np.array_equal(file[:, 1], ramp(5000, 200 * FRAME, step=2))
    assert timeline.late == timeline.dropped == timeline.lost == 0
    assert len(blocks) < 200


def test_a_track_that_begins_later_is_silent_before_and_one_that_began_earlier_is_first() -> None:
    timeline = Timeline(2, RATE, mixed=False, limit=LIMIT)
    frames = [(0, n, 1600 + FRAME * n) for n in range(5)]
    frames.insert(3, (1, 0, 800))
    file, _ = play(timeline, frames, 2)
    assert np.array_equal(file[:FRAME, 1], ramp(800, step=2))
    assert not file[:800, 0].any()
    assert np.array_equal(file[800:, 0], ramp(1600, 5 * FRAME))


def test_a_mix_is_the_sum_clipped_once() -> None:
    timeline = Timeline(3, RATE, mixed=True, limit=LIMIT)
    loud, quiet = np.full(FRAME, 30_000, np.int16), np.full(FRAME, -28_000, np.int16)
    for track, samples in ((0, loud), (1, loud), (2, quiet)):
        timeline.put(track, 0, 0, samples)
    file = written(timeline.finish(), 1, timeline.length)
    assert set(file[:, 0].tolist()) == {32_000}


def test_gaps_are_silence_and_counted() -> None:
    timeline = Timeline(1, RATE, mixed=True, limit=LIMIT)
    file, _ = play(timeline, [(0, 0, 0), (0, 3, 3 * FRAME)], 1)
    assert timeline.lost == 2
    assert not file[FRAME : 3 * FRAME].any()
    assert np.array_equal(file[3 * FRAME :, 0], ramp(3 * FRAME))


def test_a_gap_of_an_hour_takes_no_memory() -> None:
    timeline = Timeline(1, RATE, mixed=True, limit=LIMIT * 10)
    hour = 3600 * RATE
    timeline.put(0, 0, 0, ramp(0))
    timeline.pause()
    timeline.resume()
    timeline.put(0, 1, hour, ramp(7))
    blocks = timeline.finish()
    assert timeline.length == hour + FRAME
    assert sum(len(block.samples) for block in blocks) < 2 * RATE
    assert np.array_equal(blocks[-1].samples[-FRAME:, 0], ramp(7))


def test_a_frame_that_is_very_late_is_put_into_what_was_written() -> None:
    timeline = Timeline(2, RATE, mixed=False, limit=LIMIT)
    frames = [(0, n, FRAME * n) for n in range(100)]
    frames.append((1, 0, FRAME * 10))
    file, blocks = play(timeline, frames, 2)
    assert timeline.late == 1
    assert any(block.patch for block in blocks)
    assert np.array_equal(file[10 * FRAME : 11 * FRAME, 1], ramp(10 * FRAME, step=2))
    assert np.array_equal(file[:, 0], ramp(0, 100 * FRAME))


def test_a_pause_is_cut_out_of_all_tracks_at_one_sample() -> None:
    timeline = Timeline(2, RATE, mixed=False, limit=LIMIT)
    blocks: list[Block] = []
    for n in range(60):
        if n == 20:
            timeline.pause()
        if n == 40:
            timeline.resume()
        for track in (0, 1):
            timeline.put(track, n, FRAME * n, ramp(FRAME * n, step=track + 1))
        blocks += timeline.take()
    blocks += timeline.finish()
    file = written(blocks, 2, timeline.length)
    assert timeline.length == 40 * FRAME
    assert np.array_equal(file[:, 0], np.concatenate([ramp(0, 20 * FRAME), ramp(40 * FRAME, 20 * FRAME)]))
    assert np.array_equal(file[20 * FRAME :, 1], ramp(40 * FRAME, 20 * FRAME, step=2))


def test_a_recording_that_is_paused_before_anything_came_begins_where_it_goes_on() -> None:
    timeline = Timeline(1, RATE, mixed=True, limit=LIMIT)
    timeline.pause()
    timeline.put(0, 0, 0, ramp(0))
    timeline.resume()
    file, _ = play(timeline, [(0, 1, FRAME)], 1)
    assert np.array_equal(file[:, 0], ramp(FRAME))


def test_nothing_is_longer_than_its_limit() -> None:
    timeline = Timeline(1, RATE, mixed=True, limit=250)
    file, _ = play(timeline, [(0, n, FRAME * n) for n in range(4)], 1)
    assert timeline.full
    assert np.array_equal(file[:, 0], ramp(0, 250))


def test_a_repeated_frame_is_dropped() -> None:
    timeline = Timeline(1, RATE, mixed=True, limit=LIMIT)
    file, _ = play(timeline, [(0, 0, 0), (0, 0, 0), (0, 1, FRAME)], 1)
    assert timeline.dropped == 1
    assert np.array_equal(file[:, 0], ramp(0, 2 * FRAME))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 150)), unique=True, max_size=120),
    st.lists(st.floats(0, 12), min_size=120, max_size=120),
)
def test_whatever_comes_in_whatever_order_is_where_its_time_says(
    frames: list[tuple[int, int]], delays: list[float]
) -> None:
    """The oracle: an array as long as the whole, each frame stored at its time."""
    order = [
        (0, 0),
        *(frames[at] for at in np.argsort([n + d for (_, n), d in zip(frames, delays, strict=False)])),
    ]
    timeline = Timeline(2, RATE, mixed=False, limit=LIMIT)
    file, _ = play(timeline, [(track, n, FRAME * n) for track, n in order], 2)
    whole = np.zeros((FRAME * (max(n for _, n in order) + 1), 2), np.int16)
    for track, n in order:
        whole[FRAME * n : FRAME * (n + 1), track] = ramp(FRAME * n, step=track + 1)
    assert np.array_equal(file, whole)
    assert timeline.dropped == 0
