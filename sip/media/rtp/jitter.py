"""Jitter buffers of many streams as a struct of arrays: packets in as they come, a frame of 20 ms out a tick.

Each row has a ring of frames in the codec's own octets. A frame's number is its timestamp, unwrapped, in
frames; packets of other lengths are cut or joined, for all codecs here have as many octets a time unit as any
other. A row waits, plays, or waits again:

- It begins to play when its first frame is as old as the buffer is to be deep, and again after a break.
- A frame that is not there when it is due is LOST and to be concealed, unless the numbers say that nothing
  was sent (silence suppression: EMPTY). After `CONCEALED` of them with nothing behind, the row waits (EMPTY).
- Depth follows `Depths`. It grows where a frame is missing anyway, by waiting one tick for it, and where the
  caller says that it is quiet. It shrinks where a frame is missing and the next one is there, where it is
  quiet, and by force, a frame in `FORCED_EVERY`, where it is far too deep.
- What is numbered elsewhere in time (another SSRC, a peer that began again, a jump of its clock) begins anew.

Times are whole microseconds of one monotonic clock. All decisions are integer arithmetic.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.rtp.depth import FRAME_US, Depths
from sip.media.rtp.rounds import rounds

SLOTS: Final = 16
CONCEALED: Final = 5
"""Frames that are concealed in a row: afterwards a concealer has faded out."""
FORCED_US: Final = 100_000
FORCED_EVERY: Final = 25
MAX_FRAMES: Final = 6
"""Frames of the longest packet that is taken: 120 ms."""
_NONE: Final = -(1 << 62)
_OPEN: Final = 1 << 62
"""End of a silence that goes on."""
_HISTORY: Final = 64
"""Packets back to which a duplicate is known as such; what is older is taken for one."""
_ONE: Final = np.uint64(1)
_TURN: Final = 1 << 32


class Status(IntEnum):
    """What a row of `play` is."""

    GOOD = 0
    LOST = 1
    """To be concealed."""
    EMPTY = 2
    """Nothing was sent, or nothing is known yet: silence or comfort noise."""


class JitterBuffers:
    """Buffers of `capacity` streams whose frames have at most `octets`.

    `received`, `late`, `duplicates`, `played`, `concealed` and `restarts` count per row since its reset;
    `played` counts frames that were due, those that were concealed included.
    """

    def __init__(
        self, capacity: int, octets: int = 160, slots: int = SLOTS, depths: Depths | None = None
    ) -> None:
        if slots < SLOTS or slots & (slots - 1):
            raise ValueError(f"{slots} slots: expected a power of two, at least {SLOTS}")
        self._slots = slots
        self._depths = depths or Depths(capacity)
        self._ring = np.zeros((capacity * slots, octets), np.uint8)
        self._tag = np.full(capacity * slots, _NONE, np.int64)
        self._from = np.zeros(capacity * slots, np.int64)
        self._to = np.zeros(capacity * slots, np.int64)
        """Which octets of a slot's frame are there."""
        self._octets = np.full(capacity, octets, np.int64)
        self._units = np.full(capacity, 160, np.int64)
        self._phase = np.zeros(capacity, np.int64)
        """What is added to timestamps, so that a talk spurt's first packet begins a frame."""
        self._time = np.zeros(capacity, np.int64)
        self._high = np.full(capacity, -1, np.int64)
        self._seen = np.zeros(capacity, np.uint64)
        """Bit n: the packet n before the highest came."""
        self._playing = np.zeros(capacity, np.bool_)
        self._cursor = np.zeros(capacity, np.int64)
        """The frame that is due next; of a row that waits, the first that it has."""
        self._newest = np.full(capacity, _NONE, np.int64)
        self._gap_from = np.zeros(capacity, np.int64)
        self._gap_to = np.zeros(capacity, np.int64)
        self._missed = np.zeros(capacity, np.int64)
        self._since = np.zeros(capacity, np.int64)
        self._delay = np.zeros(capacity, np.int64)
        self.received = np.zeros(capacity, np.int64)
        self.late = np.zeros(capacity, np.int64)
        self.duplicates = np.zeros(capacity, np.int64)
        self.played = np.zeros(capacity, np.int64)
        self.concealed = np.zeros(capacity, np.int64)
        self.restarts = np.zeros(capacity, np.int64)

    def reset(self, rows: NDArray[np.intp], octets: int = 160, units: int = 160) -> None:
        """Empty rows for other streams whose frames have so many `octets` in so many `units` of RTP time."""
        if octets % units or octets > self._ring.shape[1]:
            raise ValueError(f"{octets} octets in {units} units of time do not fit")
        slots = (rows[:, None] * self._slots + np.arange(self._slots)).ravel()
        self._ring[slots] = 0  # nobody may hear what an earlier call left behind
        self._octets[rows], self._units[rows] = octets, units
        self._forget(rows)
        for count in (
            self.received, self.late, self.duplicates, self.played, self.concealed, self.restarts,
        ):  # fmt: skip
            count[rows] = 0

    def _forget(self, rows: NDArray[np.intp]) -> None:
        """Begin with a stream of which nothing is known."""
        self._high[rows], self._seen[rows], self._phase[rows] = -1, 0, 0
        self._since[rows] = self._delay[rows] = 0
        self._depths.reset(rows)
        self._stop(rows)

    def _stop(self, rows: NDArray[np.intp]) -> None:
        """Wait for packets, with none."""
        slots = (rows[:, None] * self._slots + np.arange(self._slots)).ravel()
        self._tag[slots] = _NONE
        self._newest[rows], self._playing[rows], self._missed[rows] = _NONE, False, 0
        self._gap_from[rows] = self._gap_to[rows] = 0

    def depth_ms(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how long the fastest packets wait, as of the last tick; 0 where nothing plays."""
        result: NDArray[np.float64] = np.where(self._playing[rows], self._delay[rows], 0) / 1000
        return result

    def passed(self, rows: NDArray[np.intp], sequence: NDArray[np.int64], *, rests: bool = False) -> None:
        """Tell of packets without audio (digits, comfort noise): their numbers are no loss. No row twice.

        `rests`: there is no audio until more comes, so that nothing needs to be made up meanwhile.
        """
        high = self._high[rows]
        ahead = np.where(high < 0, 0, sequence - high)
        shift = np.clip(ahead, 0, _HISTORY - 1).astype(np.uint64)
        self._seen[rows] = np.where(ahead >= _HISTORY, np.uint64(0), self._seen[rows] << shift)
        self._high[rows] = high + np.maximum(ahead, 0)
        if rests:
            last = rows[(ahead > 0) & (self._newest[rows] != _NONE)]
            self._gap_from[last], self._gap_to[last] = self._newest[last] + 1, _OPEN

    # --- in -----------------------------------------------------------------------------------------------

    def insert(
        self,
        rows: NDArray[np.intp],
        sequence: NDArray[np.int64],
        timestamp: NDArray[np.int64],
        buffer: NDArray[np.uint8],
        at: NDArray[np.intp],
        length: NDArray[np.intp],
        arrival_us: NDArray[np.int64],
        marker: NDArray[np.bool_] | None = None,
        fresh: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take packets: `sequence` extended, `timestamp` as sent, `length` octets of `buffer` from `at`.

        All columns and `buffer` [packets, size] have a row a packet; a stream's packets come in their order.
        `fresh`: the first of a stream (`sequence.Order.FRESH`). Packets without octets, or with more
        than 120 ms, are dropped.
        """
        sized = (length > 0) & (length <= MAX_FRAMES * self._octets[rows])
        if not sized.all():
            keep = np.flatnonzero(sized)
            columns = (rows, sequence, timestamp, buffer, at, length, arrival_us)
            kept = (column[keep] for column in columns)
            marks = (None if marks is None else marks[keep] for marks in (marker, fresh))
            self.insert(*kept, *marks)  # type: ignore[arg-type]
            return
        for places in rounds(rows):
            row = rows[places]
            if fresh is not None and fresh[places].any():
                self._forget(row[fresh[places]])
            good, newer, follows, first = self._number(row, sequence[places])
            if not good.all():
                places, row = places[good], row[good]
                newer, follows, first = newer[good], follows[good], first[good]
                if not len(row):
                    continue
            if marker is not None:
                follows = follows | (newer & marker[places])
            frame, within = self._place(row, timestamp[places], arrival_us[places], newer, first)
            octets = length[places]
            last = frame + (within + octets - 1) // self._octets[row]
            self._window(row, frame, last, newer, follows)
            self._store(row, frame, within, octets, buffer, places, at[places])

    def _number(
        self, rows: NDArray[np.intp], sequence: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which packets did not come before, are the newest, come right after it, are the first."""
        high, seen = self._high[rows], self._seen[rows]
        self.received[rows] += 1
        first = high < 0
        ahead = np.where(first, _HISTORY, sequence - high)
        follows = ahead == 1
        if follows.all():
            self._seen[rows], self._high[rows] = (seen << _ONE) | _ONE, sequence
            return follows, follows, follows, first
        newer = ahead > 0
        shift = np.minimum(np.abs(ahead), _HISTORY - 1).astype(np.uint64)
        duplicate = ~newer & ((ahead <= -_HISTORY) | (((seen >> shift) & _ONE) == _ONE))
        moved = np.where(ahead >= _HISTORY, _ONE, (seen << shift) | _ONE)
        self._seen[rows] = np.where(newer, moved, np.where(duplicate, seen, seen | (_ONE << shift)))
        self._high[rows] = np.maximum(high, sequence)
        self.duplicates[rows] += duplicate
        return ~duplicate, newer, follows, first

    def _place(
        self,
        rows: NDArray[np.intp],
        timestamp: NDArray[np.int64],
        arrival: NDArray[np.int64],
        newer: NDArray[np.bool_],
        first: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the frame and the octet in it that packets begin with; learn from when they came."""
        known, units = self._time[rows], self._units[rows]
        ahead = ((timestamp - known + (_TURN >> 1)) & (_TURN - 1)) - (_TURN >> 1)
        # Unwrapped times begin one turn up: none is negative.
        time = np.where(first, timestamp + _TURN, known + ahead)
        self._time[rows] = np.where(newer, time, known)
        time = time + self._phase[rows]
        frame = time // units
        transit = arrival - frame * FRAME_US
        jumped = self._depths.jumped(rows, transit)
        if jumped.any():
            self.restarts[rows] += jumped
            self._stop(rows[jumped])
        bare = self._newest[rows] == _NONE
        if bare.any():
            odd = np.flatnonzero(bare & (time != frame * units))
            if len(odd):
                add = -time[odd] % units[odd]
                self._phase[rows[odd]] += add
                self._depths.shift(rows[odd], add * FRAME_US // units[odd])
                time[odd] += add
                frame[odd] = time[odd] // units[odd]
                transit[odd] = arrival[odd] - frame[odd] * FRAME_US
        self._depths.take(rows, transit)
        return frame, (time - frame * units) * (self._octets[rows] // units)

    def _window(
        self,
        rows: NDArray[np.intp],
        frame: NDArray[np.int64],
        last: NDArray[np.int64],
        newer: NDArray[np.bool_],
        follows: NDArray[np.bool_],
    ) -> None:
        """Bring cursors and newest frames to where packets belong."""
        cursor, newest, playing = self._cursor[rows], self._newest[rows], self._playing[rows]
        bare = newest == _NONE
        outside = playing & ((last >= cursor + self._slots) | (newer & (last < cursor - self._slots)))
        if outside.any():
            self.restarts[rows] += outside
            self._stop(rows[outside])
            bare, playing, newest = bare | outside, playing & ~outside, np.where(outside, _NONE, newest)
        silent = follows & ~bare & (frame > newest + 1)
        if silent.any():
            self._gap_from[rows[silent]], self._gap_to[rows[silent]] = newest[silent] + 1, frame[silent]
        rested = newer & (self._gap_to[rows] == _OPEN)
        if rested.any():
            self._gap_to[rows[rested]] = frame[rested]
        newest = np.maximum(newest, last)
        self._newest[rows] = newest
        if not playing.all():
            waiting = np.maximum(np.minimum(np.where(bare, frame, cursor), frame), newest - self._slots + 1)
            self._cursor[rows] = np.where(playing, cursor, waiting)

    def _store(
        self,
        rows: NDArray[np.intp],
        frame: NDArray[np.int64],
        within: NDArray[np.int64],
        length: NDArray[np.intp],
        buffer: NDArray[np.uint8],
        places: NDArray[np.intp],
        at: NDArray[np.intp],
    ) -> None:
        """Write packets into their frames, piece by piece."""
        frame, at, left = frame.copy(), at.copy(), length.astype(np.int64)
        octets, cursor = self._octets[rows], self._cursor[rows]
        while True:
            piece = np.minimum(octets - within, left)
            index = rows * self._slots + (frame & (self._slots - 1))
            end = within + piece
            used = self._tag[index] == frame
            has_from, has_to = self._from[index], self._to[index]
            # What does not touch what is there already would leave a hole that nobody knows of.
            fits = (frame >= cursor) & (~used | ((within <= has_to) & (end >= has_from)))
            where = np.flatnonzero(fits)
            slot, both = index[where], used[where]
            self._tag[slot] = frame[where]
            self._from[slot] = np.where(both, np.minimum(has_from[where], within[where]), within[where])
            self._to[slot] = np.where(both, np.maximum(has_to[where], end[where]), end[where])
            self._copy(slot, within[where], buffer, places[where], at[where], piece[where])
            more = left > piece
            over = ~more & (frame < cursor)
            if over.any():
                self.late[rows[over]] += 1
            if not more.any():
                return
            rows, places, octets, cursor = rows[more], places[more], octets[more], cursor[more]
            at, left, frame = at[more] + piece[more], left[more] - piece[more], frame[more] + 1
            within = np.zeros(len(rows), np.int64)

    def _copy(
        self,
        slots: NDArray[np.intp],
        to: NDArray[np.int64],
        buffer: NDArray[np.uint8],
        places: NDArray[np.intp],
        at: NDArray[np.intp],
        octets: NDArray[np.int64],
    ) -> None:
        """Copy pieces, all of one shape at once."""
        if not len(slots):
            return
        shape = (to << 40) | (at.astype(np.int64) << 20) | octets
        if (shape == shape[0]).all():
            self._copy_alike(slots, int(to[0]), buffer, places, int(at[0]), int(octets[0]))
            return
        for one in np.unique(shape):
            same = np.flatnonzero(shape == one)
            begin = int(same[0])
            self._copy_alike(
                slots[same], int(to[begin]), buffer, places[same], int(at[begin]), int(octets[begin])
            )

    def _copy_alike(
        self,
        slots: NDArray[np.intp],
        to: int,
        buffer: NDArray[np.uint8],
        places: NDArray[np.intp],
        at: int,
        octets: int,
    ) -> None:
        piece = buffer[:, at : at + octets]
        self._ring[slots, to : to + octets] = piece if len(places) == len(buffer) else piece[places]

    # --- out ----------------------------------------------------------------------------------------------

    def play(
        self,
        rows: NDArray[np.intp],
        now_us: int,
        out: NDArray[np.uint8],
        status: NDArray[np.uint8],
        quiet: NDArray[np.bool_] | None = None,
    ) -> None:
        """Give the frame of each row that is due: to be called every 20 ms for a row, no row twice.

        `out` is [rows, octets], `status` [rows] (`Status`); of rows that are not GOOD, `out` means nothing.
        `quiet`: whose last frame was so quiet that nobody hears a frame more or less.
        """
        newest, target = self._newest[rows], self._depths.target(rows)
        cursor = self._cursor[rows]
        delay = self._depths.lateness(rows, now_us - cursor * FRAME_US)
        playing = self._playing[rows]
        if not playing.all():
            begins = ~playing & (newest != _NONE) & (delay >= target)
            # What is too old already (a break in the network) is left out.
            spare = np.minimum(np.maximum((delay - target) // FRAME_US, 0), newest - cursor)
            cursor = np.where(begins, cursor + spare, cursor)
            delay = np.where(begins, delay - spare * FRAME_US, delay)
            playing = playing | begins
            self._playing[rows] = playing
        has = self._has(rows, cursor)
        missing = playing & ~has
        silent = (self._gap_from[rows] <= cursor) & (cursor < self._gap_to[rows])
        still = silent if quiet is None else quiet | silent
        excess = delay - target
        since = self._since[rows] + playing
        skip = (
            (missing & (excess >= FRAME_US))
            | (still & (excess >= FRAME_US * 3 // 2))
            | ((excess >= FORCED_US) & (since >= FORCED_EVERY))
        )
        skip &= playing
        if skip.any():
            skip &= self._has(rows, cursor + 1)
            cursor = cursor + skip
            has, missing = has | skip, missing & ~skip
            since = np.where(skip, 0, since)
        hold = (missing & (excess < 0)) | (playing & ~missing & still & (excess <= -FRAME_US))
        missed = np.where(missing, self._missed[rows] + 1, 0)
        stops = missing & (missed > CONCEALED) & (newest < cursor)
        status[:] = np.where(
            playing & has & ~hold,
            Status.GOOD,
            np.where(playing & ~stops & ~(silent & missing), Status.LOST, Status.EMPTY),
        )
        np.take(self._ring, rows * self._slots + (cursor & (self._slots - 1)), axis=0, out=out, mode="clip")
        self.played[rows] += status != Status.EMPTY
        self.concealed[rows] += status == Status.LOST
        self._cursor[rows] = cursor + (playing & ~hold)
        self._missed[rows], self._since[rows], self._delay[rows] = missed, since, delay - skip * FRAME_US
        if stops.any():
            self._stop(rows[stops])

    def _has(self, rows: NDArray[np.intp], frame: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whose frame is there as a whole."""
        index = rows * self._slots + (frame & (self._slots - 1))
        result: NDArray[np.bool_] = (
            (self._tag[index] == frame) & (self._from[index] == 0) & (self._to[index] == self._octets[rows])
        )
        return result
