"""Streams over a bad network through the jitter buffers."""

from typing import Final

import numpy as np

from sip.media.rtp.jitter import JitterBuffers, Status

F: Final = 20_000
"""A frame in microseconds."""


def flow(
    loss: float, jitter_ms: float, streams: int = 40, seconds: int = 12, seed: int = 1
) -> tuple[JitterBuffers, float, float]:
    """Streams over a bad network, each frame checked. Returns the shares that were concealed and late."""
    chance = np.random.default_rng(seed)
    count = seconds * 50
    buffers, rows = JitterBuffers(streams), np.arange(streams)
    buffers.reset(rows)
    delay = np.abs(chance.normal(0, jitter_ms * 1000, (count, streams)))
    arrivals = (np.arange(count)[:, None] * F + delay).astype(np.int64)
    kept = np.argwhere(chance.random((count, streams)) >= loss)
    times = arrivals[kept[:, 0], kept[:, 1]]
    order = np.argsort(times, kind="stable")
    kept, times = kept[order], times[order]
    out, status = np.zeros((streams, 160), np.uint8), np.zeros(streams, np.uint8)
    place, last = 0, np.full(streams, -1)
    for tick in range(count):
        now = tick * F + 7_000
        end = int(np.searchsorted(times, now, side="right"))
        number, row = kept[place:end, 0], kept[place:end, 1]
        packets = np.zeros((end - place, 172), np.uint8)
        packets[:, 12:] = (row % 251)[:, None]
        packets[:, 12], packets[:, 13] = number // 256, number % 256
        ends = np.full(end - place, 12), np.full(end - place, 160)
        buffers.insert(row, number + 65536, number * 160, packets, *ends, times[place:end])
        place = end
        buffers.play(rows, now, out, status)
        good = np.flatnonzero(status == Status.GOOD)
        number = out[good, 0].astype(int) * 256 + out[good, 1]
        assert (number > last[good]).all(), "in order, each once"
        last[good] = number
        assert (out[good, 2:] == (good % 251)[:, None]).all(), "never another stream's"
    received = buffers.received.sum()
    return buffers, buffers.concealed.sum() / buffers.played.sum(), buffers.late.sum() / received
