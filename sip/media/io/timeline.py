"""The order of a recording: frames of several tracks by the engine's time, out come blocks of samples. Pure.

Frames are put where their time says. What lies between is silence. A short while is waited for late ones;
those that are later still come out as patches of what was written already. Paused time is cut out of all
tracks at one and the same sample.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

START: Final = 0.25
"""Seconds in which the earliest frame is looked for: more than a Unix datagram socket's queue (11 frames)."""

HOLD: Final = 0.05
"""Seconds that are waited for late frames: those that are later cost a patch, and a crash costs these."""

FLUSH: Final = 0.05
"""Seconds that are gathered at least before they are given out."""

SPAN: Final = 2.0
"""Seconds that are held at most."""

MAX_PENDING: Final = 64
"""Frames that wait for the first moment to be known."""

MAX_SEGMENTS: Final = 8
"""Stretches between pauses that a late frame can still belong to."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples for a file."""

    position: int
    """Frames of the file before these."""
    samples: Samples
    """[frames, channels]."""
    patch: bool = False
    """Whether these are to be added to what is written there already."""


@dataclass(slots=True)
class _Segment:
    """A stretch that is recorded: a frame's place is its time less `offset`."""

    start: int
    offset: int
    end: int | None = None


class Timeline:
    """Puts the frames of one recording in order. Times and lengths are samples at the recording's rate."""

    def __init__(self, tracks: int, rate: int, *, mixed: bool, limit: int) -> None:
        """`limit` is how many frames the file may have."""
        self._mixed, self._limit = mixed, limit
        self._rate, self._hold = rate, int(HOLD * rate)
        self._sequences: list[int | None] = [None] * tracks
        self._lost = [0] * tracks
        self._over = [False] * tracks
        self._held = np.zeros((int(SPAN * rate), 1 if mixed else tracks), np.int32)
        self._base = 0  # the file's frame that the first held one is: what is before it was given out
        self._end = 0  # after the last frame that was put
        self._latest = 0  # time after the last frame that came, paused or not
        self._segments: list[_Segment] = []
        self._paused = False
        self._pending: list[tuple[int, int, Samples]] = []
        self._out: list[Block] = []
        self.late = 0
        """Frames that came after theirs was given out."""
        self.dropped = 0
        """Frames without a place: from before the beginning, from a pause, repeated, beyond the limit."""

    @property
    def lost(self) -> int:
        """Frames that did not come."""
        return sum(self._lost)

    @property
    def length(self) -> int:
        """Frames of the file, those still held included."""
        return self._end

    @property
    def full(self) -> bool:
        """Whether it is as long as it may be."""
        return self._end >= self._limit

    @property
    def over(self) -> bool:
        """Whether every track's last frame came."""
        return all(self._over)

    def put(self, track: int, sequence: int, time: int, samples: Samples, *, last: bool = False) -> None:
        """Take a frame: int16, one channel. `samples` is not kept."""
        self._over[track] = self._over[track] or last
        if not self._count(track, sequence):
            self.dropped += 1
        elif not len(samples):  # an engine's last frame is an empty one
            self._latest = max(self._latest, time)
        elif self._segments:
            self._place(track, time, samples)
        elif self._paused:
            self.dropped += 1
        else:
            # The tracks' first frames come in any order: nothing is placed until the earliest is known.
            self._pending.append((track, time, samples.copy()))
            times = [each for _, each, _ in self._pending]
            if max(times) - min(times) >= START * self._rate or len(times) >= MAX_PENDING:
                self._begin()

    def pause(self) -> None:
        """Leave out what is later than what came so far."""
        self._begin()
        if not self._paused and self._segments:
            self._segments[-1].end = self._latest
        self._paused = True

    def resume(self) -> None:
        """Go on with what is later than what came so far."""
        if self._paused and self._segments:
            before = self._segments[-1]
            cut = self._latest - (before.end or 0)
            self._segments.append(_Segment(self._latest, before.offset + cut))
            del self._segments[:-MAX_SEGMENTS]
        self._paused = False

    def take(self, flush: float = FLUSH) -> list[Block]:
        """Return what is ready to be written, in order; nothing while that is less than `flush` seconds."""
        if self._end - self._base >= self._hold + flush * self._rate:
            self._give(self._end - self._hold)
        return self._given()

    def finish(self) -> list[Block]:
        """Return all that is left."""
        self._begin()
        self._give(self._end)
        return self._given()

    def _given(self) -> list[Block]:
        out, self._out = self._out, []
        return out

    def _count(self, track: int, sequence: int) -> bool:
        """Count what is missing; tell whether this one is new."""
        before = self._sequences[track]
        if before is None:
            self._sequences[track] = sequence
            return True
        ahead = (sequence - before) & 0xFFFF_FFFF
        if ahead >= 0x8000_0000:  # overtaken by the one before; it was counted as lost
            self._lost[track] = max(0, self._lost[track] - 1)
        elif ahead:
            self._lost[track] += ahead - 1
            self._sequences[track] = sequence
        return ahead != 0

    def _begin(self) -> None:
        if self._pending:
            origin = min(time for _, time, _ in self._pending)
            self._latest = origin
            self._segments.append(_Segment(origin, origin))
            pending, self._pending = self._pending, []
            for track, time, samples in pending:
                self._place(track, time, samples)

    def _place(self, track: int, time: int, samples: Samples) -> None:
        end = time + len(samples)
        self._latest = max(self._latest, end)
        placed = False
        for segment in self._segments:
            first = max(time, segment.start)
            last = end if segment.end is None else min(end, segment.end)
            last = min(last, segment.offset + self._limit)
            if first < last:
                placed = True
                self._store(first - segment.offset, track, samples[first - time : last - time])
            elif segment.end is None and time - segment.offset >= self._limit:
                self._end = max(self._end, self._limit)
        self.dropped += not placed

    def _store(self, position: int, track: int, samples: Samples) -> None:
        """Put samples where they belong in the file."""
        column = 0 if self._mixed else track
        early = min(len(samples), self._base - position)
        if early > 0:
            self.late += 1
            patch = np.zeros((early, self._held.shape[1]), np.int16)
            patch[:, column] = samples[:early]
            self._out.append(Block(position, patch, patch=True))
            position, samples = position + early, samples[early:]
        if not len(samples):
            return
        end = position + len(samples)
        if end - self._base > len(self._held):
            self._give(self._end)
            # What a long gap leaves out is never written: a file's hole is silence.
            self._base = max(self._base, end - max(self._hold, len(samples)))
            if position < self._base:  # longer than what is held: cannot be, but must not write elsewhere
                self._store(position, track, samples)
                return
        self._held[position - self._base : end - self._base, column] += samples
        self._end = max(self._end, end)

    def _give(self, until: int) -> None:
        """Give out what is held, up to a position."""
        count = until - self._base
        if count <= 0:
            return
        mixed = np.clip(self._held[:count], -32768, 32767).astype(np.int16)
        self._out.append(Block(self._base, mixed))
        left = self._end - until
        self._held[:left] = self._held[count : count + left].copy()
        self._held[left : left + count] = 0
        self._base = until
