"""Packet-loss concealment: what a frame that never came may have sounded like.

After ITU-T G.711 Appendix I: the last pitch period, found by autocorrelation, is repeated; from 10 ms on the
last two, from 20 ms on the last three; joints are overlapped by a quarter of a period; after 10 ms it fades,
and at 60 ms there is silence. The first frame that comes again is overlapped with the repetition.

Unlike there, nothing is delayed: the Appendix holds all audio back by 3.75 ms to overlap the joint where the
loss begins; here the step between the last sample and the repetition is taken out, and fades in over a
quarter period.

Correlations are sums of products of integers and exact in float64: a batch gives what single calls give.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sip.media.kernels.levels import to_int16
from sip.media.kernels.types import RATES, Counts, Doubles, Pcm, Rows, frame_samples

FRAMES_KEPT: Final = 3
"""60 ms: three periods of the longest pitch and a quarter are 48.75 ms."""
SHORTEST_MS: Final = 5
"""Of a pitch period that is repeated: 200 Hz; higher voices repeat two or more of theirs."""
LONGEST_MS: Final = 15
FADE_FROM_MS: Final = 10
SILENT_FROM_MS: Final = 60
LONGEST_RETURN_MS: Final = 10
"""Of the overlap with what comes again: a quarter period, and 4 ms for each 10 ms lost."""

_GROUP: Final = 32
"""Streams at a time: what is worked on stays in the second cache."""
_COARSE: Final = 4_000
"""Samples a second in which the pitch is looked for first."""


class Concealer:
    """Conceals lost frames of 20 ms, per slot.

    Each frame of a stream is either given to `good` or asked for with `lost`. A slot takes 12 frames' octets:
    1.9 kB at 8 kHz.
    """

    def __init__(self, capacity: int, rate: int) -> None:
        """`capacity`: slots; `rate`: one of `types.RATES`, else ValueError."""
        if rate not in RATES:
            raise ValueError(f"{rate}: expected one of {RATES}")
        self._frame: Final = frame_samples(rate)
        self._ms: Final = rate // 1000
        self._coarse: Final = rate // _COARSE
        self._heard: Final = np.zeros((capacity, FRAMES_KEPT, self._frame), np.int16)
        """The last frames, a ring: what came, or what was made up for it."""
        self._next: Final = np.zeros(capacity, np.intp)
        self._before: Final = np.zeros((capacity, FRAMES_KEPT * self._frame), np.int16)
        """The samples before the loss."""
        self._pitch: Final = np.zeros(capacity, np.int64)
        self._lost: Final = np.zeros(capacity, np.int64)
        """Samples lost so far."""

    def reset(self, rows: Rows) -> None:
        """Forget what slots heard."""
        self._heard[rows] = 0
        self._lost[rows] = 0

    def good(self, rows: Rows, frames: Pcm) -> Pcm:
        """Take frames that came, int16 [streams, a frame]; return them.

        Where frames were lost before, the beginning is changed in place: it grows out of what was made up.
        """
        after_loss = np.flatnonzero(self._lost[rows])
        if len(after_loss):
            self._return(rows[after_loss], after_loss, frames)
        self._keep(rows, frames)
        return frames

    def lost(self, rows: Rows, out: Pcm) -> Pcm:
        """Make up the next frame of each slot, int16 [streams, a frame], into `out`; return it."""
        for begin in range(0, len(rows), _GROUP):
            self._make(rows[begin : begin + _GROUP], out[begin : begin + _GROUP])
        return out

    def _make(self, rows: Rows, out: Pcm) -> None:
        lost = self._lost[rows]
        begins = rows[lost == 0]
        if len(begins):
            order = (self._next[begins, None] + np.arange(FRAMES_KEPT)) % FRAMES_KEPT
            before = self._heard[begins[:, None], order].reshape(len(begins), -1)
            self._before[begins] = before
            self._pitch[begins] = self._find_pitch(before)
        out[...] = 0
        audible = np.flatnonzero(lost < SILENT_FROM_MS * self._ms)
        if len(audible):
            frames = np.empty((len(audible), self._frame), np.int16)
            out[audible] = to_int16(self._repeat(rows[audible], self._frame), frames)
        self._keep(rows, out)
        # Counted no further than there is something to count: a line may be lost for days.
        self._lost[rows] = np.minimum(lost + self._frame, SILENT_FROM_MS * self._ms)

    def _keep(self, rows: Rows, frames: Pcm) -> None:
        following = self._next[rows]
        self._heard[rows, following] = frames
        self._next[rows] = (following + 1) % FRAMES_KEPT
        self._lost[rows] = 0

    def _return(self, slots: Rows, where: Rows, frames: Pcm) -> None:
        """Overlap the beginning of frames number `where` with the repetition's next samples."""
        longest = LONGEST_RETURN_MS * self._ms
        overlap = np.minimum(self._pitch[slots] // 4 + self._lost[slots] * 4 // 10, longest)
        made = self._repeat(slots, longest)
        weight = np.minimum((np.arange(longest) + 1) / (overlap[:, None] + 1), 1.0)
        made += weight * (frames[where, :longest] - made)
        heads = np.empty((len(slots), longest), np.int16)
        frames[where, :longest] = to_int16(made, heads)

    def _repeat(self, slots: Rows, samples: int) -> Doubles:
        """Return what follows what is lost already, faded, float64 [streams, samples]."""
        pitch = self._pitch[slots][:, None]
        quarter = pitch // 4
        before = self._before[slots]
        lost = self._lost[slots][:, None]
        time = lost + np.arange(samples)
        ten = 10 * self._ms
        stage = np.minimum(time // ten, 2)
        made = _cycle(before, time, (stage + 1) * pitch, quarter)
        longest = LONGEST_MS * self._ms // 4
        for offset in range(0, samples, ten):
            # Another number of periods begins here, or the loss itself: the first quarter period is a joint.
            joint = made[:, offset : offset + longest]
            since = time[:, offset : offset + longest]
            weight = np.maximum(1 - (since - since[:, :1] + 1) / (quarter + 1), 0.0)
            begins, first = since[:, 0] == 0, since[:, 0] <= 2 * ten
            if begins.any():
                last = before[begins, -1:].astype(np.float64)
                gap = last - _gather(before[begins], before.shape[1] - 1 - pitch[begins])
                joint[begins] += weight[begins] * gap
            changes = first & ~begins
            if changes.any():
                periods = since[changes, :1] // ten * pitch[changes]
                former = _cycle(before[changes], since[changes], periods, quarter[changes])
                joint[changes] += weight[changes] * (former - joint[changes])
        fade = 1 - (time / self._ms - FADE_FROM_MS) / (SILENT_FROM_MS - FADE_FROM_MS)
        made *= np.clip(fade, 0.0, 1.0, out=fade)
        return made

    def _find_pitch(self, before: Pcm) -> Counts:
        """Return the pitch period of the last 20 ms of samples, in samples, [streams].

        Of the periods allowed it is that whose samples one period earlier are most alike (normalised
        cross-correlation), looked for at 4 kHz first and then around the best.
        """
        streams, coarse = len(before), self._coarse
        slow = before[:, ::coarse].astype(np.float64)
        for offset in range(1, coarse):
            slow += before[:, offset::coarse]
        length = slow.shape[1]
        width = length // FRAMES_KEPT
        longest, shortest = LONGEST_MS * self._ms // coarse, SHORTEST_MS * self._ms // coarse
        row, step = slow.strides
        first = length - width - longest
        windows = as_strided(slow[:, first:], (streams, longest - shortest + 1, width), (row, step, step))
        alike = np.vecdot(windows, slow[:, None, length - width :])
        sums = np.zeros((streams, length + 1))
        np.cumsum(slow * slow, axis=1, out=sums[:, 1:])
        after = first + longest - shortest + 1
        power = sums[:, first + width : after + width] - sums[:, first:after]
        best = longest - np.argmax(alike / np.sqrt(power + 1), axis=1)
        around = best[:, None] * coarse + np.arange(1 - coarse, coarse)
        np.clip(around, SHORTEST_MS * self._ms, LONGEST_MS * self._ms, out=around)
        return self._refine(before, around)

    def _refine(self, before: Pcm, around: Counts) -> Counts:
        streams, total = before.shape
        begin = total - self._frame
        wanted = before[:, None, begin:].astype(np.float64)
        index = begin - around[:, :, None] + np.arange(self._frame)
        earlier = _gather(before, index.reshape(streams, -1)).reshape(index.shape).astype(np.float64)
        alike = np.vecdot(earlier, wanted) / np.sqrt(np.vecdot(earlier, earlier) + 1)
        best: Counts = np.take_along_axis(around, np.argmax(alike, axis=1)[:, None], axis=1)[:, 0]
        return best


def _gather(samples: Pcm, index: Counts) -> Pcm:
    """Return of each row the samples at its own places, [streams, places]."""
    flat = index + np.arange(0, samples.size, samples.shape[1])[:, None]
    return np.take(samples.reshape(-1), flat, mode="clip")


def _cycle(before: Pcm, time: Counts, period: Counts, quarter: Counts) -> Doubles:
    """Return the last `period` samples repeated, at `time` since their end; seams overlap by `quarter`."""
    total = before.shape[1]
    place = time % period
    made = _gather(before, total - period + place).astype(np.float64)
    weight = (place - (period - quarter) + 1) / (quarter + 1)
    earlier = _gather(before, np.maximum(total - 2 * period + place, 0))
    made += np.maximum(weight, 0.0) * (earlier - made)
    return made
