"""Order, loss and jitter of what comes in, for many streams at once (RFC 3550 §A.1, §A.3, §A.8). Pure.

A row is a stream: a slot of the engine. Of a batch that holds several packets of a stream the first comes
first. A new SSRC is a new stream and is taken at once, as is a peer that starts again with other numbers when
it sends two in a row; §A.1's probation of a new source is off unless asked for, because a leg's peer is known
by its address before its first packet is looked at.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sip.media.rtp.rounds import rounds

MODULUS: Final = 1 << 16
MAX_DROPOUT: Final = 3000
"""So many packets may be missing in a row, a minute of them, before a number is a jump (§A.1)."""
MAX_MISORDER: Final = 100
"""So many packets may one be overtaken by (§A.1)."""
_NO_NUMBER: Final = MODULUS + 1
_LOST_MOST: Final = 0x7FFFFF
_LOST_LEAST: Final = -0x800000


class Order(IntEnum):
    """What a packet's number says."""

    GOOD = 0
    FRESH = 1
    """The first of a stream: nothing that came before belongs to it."""
    REFUSED = 2
    """A jump, or a source on probation: not to be used."""


class Extended(NamedTuple):
    """Columns, a row a packet."""

    sequence: NDArray[np.int64]
    """Counted on beyond 2**16; of a reordered packet smaller than what came before. Never negative."""
    order: NDArray[np.uint8]
    """`Order`."""


class Loss(NamedTuple):
    """Columns of a report block (RFC 3550 §6.4.1), a row a stream."""

    highest: NDArray[np.int64]
    """Extended highest sequence number, modulo 2**32."""
    lost: NDArray[np.int64]
    """Since the start, signed, within 24 bits."""
    fraction: NDArray[np.int64]
    """Of 256, since the last report."""
    jitter: NDArray[np.int64]
    """In units of the RTP clock."""


class Sequences:
    """Counts of `capacity` streams. `probation` packets in order are wanted of a new source (§A.1: 2)."""

    def __init__(self, capacity: int, probation: int = 0) -> None:
        self._probation = probation
        self._known = np.zeros(capacity, np.bool_)
        self._ssrc = np.zeros(capacity, np.int64)
        self._base = np.zeros(capacity, np.int64)
        self._highest = np.zeros(capacity, np.int64)
        self._bad = np.full(capacity, _NO_NUMBER, np.int64)
        self._waits = np.zeros(capacity, np.int64)
        self._received = np.zeros(capacity, np.int64)
        self._expected_before = np.zeros(capacity, np.int64)
        self._received_before = np.zeros(capacity, np.int64)
        self._timed = np.zeros(capacity, np.bool_)
        self._transit = np.zeros(capacity, np.int64)
        self._jitter = np.zeros(capacity, np.int64)
        """In sixteenths."""
        self._clock = np.full(capacity, 8000, np.int64)

    def reset(self, rows: NDArray[np.intp], clock: int = 8000) -> None:
        """Forget streams; `clock` is the rate of their timestamps."""
        self._known[rows] = False
        self._clock[rows] = clock
        for column in (
            self._received,
            self._expected_before,
            self._received_before,
            self._base,
            self._jitter,
        ):
            column[rows] = 0
        self._highest[rows] = -1
        self._timed[rows] = False

    def clock(self, rows: NDArray[np.intp], clock: int) -> None:
        """Set the rate of streams' timestamps, when a codec with another one follows."""
        self._jitter[rows] = self._jitter[rows] * clock // self._clock[rows]
        self._clock[rows] = clock
        self._timed[rows] = False

    def update(
        self, rows: NDArray[np.intp], ssrc: NDArray[np.int64], sequence: NDArray[np.int64]
    ) -> Extended:
        """Take packets: RTP of any payload type. §A.1, update_seq."""
        extended = np.empty(len(rows), np.int64)
        order = np.empty(len(rows), np.uint8)
        for places in rounds(rows):
            extended[places], order[places] = self._update(rows[places], ssrc[places], sequence[places])
        return Extended(extended, order)

    def _update(
        self, rows: NDArray[np.intp], ssrc: NDArray[np.int64], sequence: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        highest = self._highest[rows]
        ahead = (sequence - highest) & (MODULUS - 1)
        new = ~self._known[rows] | (ssrc != self._ssrc[rows])
        near = ahead < MAX_DROPOUT
        behind = ahead > MODULUS - MAX_MISORDER
        extended = highest + np.where(behind, ahead - MODULUS, ahead)
        order = np.zeros(len(rows), np.uint8)
        if self._probation == 0 and not new.any() and near.all():
            self._highest[rows] = extended
            self._received[rows] += 1
            return extended, order
        if new.any():
            self._meet(rows[new], ssrc[new], sequence[new])
            ahead = (sequence - self._highest[rows]) & (MODULUS - 1)
        waiting = self._waits[rows] > 0
        follows = waiting & (ahead == 1)
        waits = np.where(follows, self._waits[rows] - 1, np.where(waiting, self._probation - 1, 0))
        self._waits[rows] = waits
        jump = ~waiting & ~new & ~near & ~behind
        again = jump & (sequence == self._bad[rows])
        fresh = again | (new & ~waiting) | (follows & (waits == 0))
        refused = (jump & ~again) | (waiting & ~fresh)
        on = ~waiting & ~new & near
        order[fresh], order[refused] = Order.FRESH, Order.REFUSED
        # Numbers of a stream begin one turn up, so that what was overtaken by the first is not negative.
        start = sequence + MODULUS
        extended = np.where(fresh | refused, start, extended)
        self._bad[rows[jump]] = (sequence[jump] + 1) & (MODULUS - 1)
        self._highest[rows] = np.where(fresh | on | waiting, extended, self._highest[rows])
        self._begin(rows[fresh], start[fresh])
        self._received[rows] += ~refused
        return extended, order

    def _meet(self, rows: NDArray[np.intp], ssrc: NDArray[np.int64], sequence: NDArray[np.int64]) -> None:
        """Begin with a source that was not known."""
        self._known[rows], self._ssrc[rows] = True, ssrc
        self._waits[rows] = self._probation
        self._highest[rows] = sequence + MODULUS - 1
        self._timed[rows], self._jitter[rows] = False, 0
        self._received[rows], self._base[rows] = 0, sequence + MODULUS
        self._received_before[rows] = self._expected_before[rows] = 0

    def _begin(self, rows: NDArray[np.intp], start: NDArray[np.int64]) -> None:
        """Count from here (§A.1, init_seq)."""
        self._base[rows], self._bad[rows] = start, _NO_NUMBER
        self._received[rows] = self._received_before[rows] = self._expected_before[rows] = 0
        self._timed[rows], self._jitter[rows] = False, 0

    def arrivals(
        self,
        rows: NDArray[np.intp],
        timestamp: NDArray[np.int64],
        arrival_us: NDArray[np.int64],
        order: NDArray[np.uint8],
    ) -> None:
        """Take when packets came (§A.8), of those that `update` did not refuse, and of audio alone.

        RFC 4733's packets keep the timestamp of their event's start: they would count as jitter.
        """
        for places in rounds(rows):
            at = rows[places]
            units = arrival_us[places] * self._clock[at] // 1_000_000
            transit = (units - timestamp[places]) & 0xFFFFFFFF
            moved = (transit - self._transit[at]) & 0xFFFFFFFF
            moved = np.minimum(moved, (1 << 32) - moved)
            fresh = order[places] == Order.FRESH
            jitter = np.where(fresh, 0, self._jitter[at])
            timed = self._timed[at] & ~fresh
            self._jitter[at] = np.where(timed, jitter + moved - ((jitter + 8) >> 4), jitter)
            self._transit[at], self._timed[at] = transit, True

    def jitter_ms(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return inter-arrival jitter."""
        result: NDArray[np.float64] = (self._jitter[rows] >> 4) * 1000.0 / self._clock[rows]
        return result

    def received(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return packets of the stream that were taken, duplicates as well (§A.3)."""
        return self._received[rows]

    def lost(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return what was expected and not received, less the duplicates: it can be negative (§A.3)."""
        return self._expected(rows) - self._received[rows]

    def _expected(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        expected = self._highest[rows] - self._base[rows] + 1
        return np.where(self._known[rows] & (self._waits[rows] == 0), expected, 0)

    def report(self, rows: NDArray[np.intp]) -> Loss:
        """Return what a report block says of streams, each row once, and begin the next interval (§A.3)."""
        expected, received = self._expected(rows), self._received[rows]
        due = expected - self._expected_before[rows]
        missed = due - (received - self._received_before[rows])
        self._expected_before[rows], self._received_before[rows] = expected, received
        fraction = np.where((due > 0) & (missed > 0), (missed << 8) // np.maximum(due, 1), 0)
        return Loss(
            # The first turn is ours alone.
            (self._highest[rows] - MODULUS) & 0xFFFFFFFF,
            np.clip(expected - received, _LOST_LEAST, _LOST_MOST),
            np.minimum(fraction, 255),
            self._jitter[rows] >> 4,
        )
