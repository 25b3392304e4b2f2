"""What comes in: every check a packet must pass before a leg hears it, in batches.

In this order: is it RTP at all, does its leg exist, is it from where it may be (R12), is it not one too many,
does its encryption hold (R14), is its payload type known. What is refused is counted at its leg. What passes
has its payload at octet 12, whatever extensions stood before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.codecs import CLOCKS, EVENT, UNKNOWN
from sip.media.engine.legs import Leg, Legs
from sip.media.engine.packets import Inbox
from sip.media.rtp import header
from sip.media.rtp.sequence import Order

HEADER: Final = 12
"""Octets of an RTP header without extras."""

FLOOD: Final = 250
"""Packets a second that a leg may receive: twice and a half those of 10 ms each, the shortest taken."""

OLD_US: Final = 100_000
"""What waited this long to be read is dropped: it would be played too late, and delay what is behind it."""

Indices = NDArray[np.intp]


@dataclass(slots=True)
class Taken:
    """Packets that passed, in the order in which they came."""

    rows: Indices
    """In the inbox."""
    slots: Indices
    kinds: NDArray[np.uint8]
    marker: NDArray[np.bool_]
    sequences: NDArray[np.int64]
    """Extended."""
    stamps: NDArray[np.int64]
    """Modulo 2**32."""
    octets: Indices
    """Of the payloads, which begin at octet 12."""
    arrived_us: NDArray[np.int64]
    """CLOCK_MONOTONIC."""
    fresh: NDArray[np.bool_]
    """First of a stream: nothing before belongs to it."""

    def where(self, which: NDArray[np.bool_] | Indices) -> "Taken":
        """Return a part."""
        return Taken(*(getattr(self, name)[which] for name in _COLUMNS))

    def __len__(self) -> int:
        return len(self.rows)


_COLUMNS: Final = tuple(field.name for field in fields(Taken))

Decrypt = Callable[[Inbox, Indices, Indices], NDArray[np.bool_]]
"""Takes SRTP off rows of the inbox, of legs with these slots, in place; tells which verified."""


class Intake:
    """The checks."""

    def __init__(self, legs: Legs, latched: Callable[[Leg, int], None], decrypt: Decrypt) -> None:
        """Work on a table; tell who latched to which address, and have SRTP taken off."""
        self._legs = legs
        self._latched = latched
        self._decrypt = decrypt
        self.shed = 0
        """Packets that were dropped for their age."""
        self.stray = 0
        """Packets that no leg was found for."""

    def take(self, inbox: Inbox, rows: Indices, now_us: int, wall_us: int) -> Taken | None:
        """Check packets of RTP, `rows` of the inbox; return those that passed, None for none."""
        legs = self._legs
        slots = inbox.slots[rows].astype(np.intp)
        lost = slots < 0
        if lost.any():
            self.stray += int(np.count_nonzero(lost))
            rows, slots = rows[~lost], slots[~lost]
        stamped = inbox.arrived_us[rows]
        age = np.where(stamped > 0, np.clip(wall_us - stamped, 0, 10_000_000), 0)
        good = age <= OLD_US
        if not good.all():
            self.shed += len(rows) - int(np.count_nonzero(good))
            rows, slots, age = rows[good], slots[good], age[good]
        good = inbox.sources[rows] == legs.expected[slots]
        if not good.all():
            for index in np.flatnonzero(~good).tolist():
                good[index] = self._may_begin(inbox, int(rows[index]), int(slots[index]))
            rows, slots, age = rows[good], slots[good], age[good]
        np.add.at(legs.window, slots, 1)
        good = legs.window[slots] <= FLOOD
        if not good.all():
            np.add.at(legs.flooded, slots[~good], 1)
            rows, slots, age = rows[good], slots[good], age[good]
        locked = legs.encrypted[slots]
        if locked.any():
            good = ~locked
            good[locked] = self._decrypt(inbox, rows[locked], slots[locked])
            if not good.all():
                np.add.at(legs.malformed, slots[~good], 1)
                rows, slots, age = rows[good], slots[good], age[good]
        if not len(rows):
            return None
        return self._read(inbox, rows, slots, now_us - age)

    def _read(self, inbox: Inbox, rows: Indices, slots: Indices, arrived: NDArray[np.int64]) -> Taken | None:
        legs, count = self._legs, inbox.count
        found = header.parse(inbox.data[:count], inbox.lengths[:count])
        kinds = legs.kinds[slots, found.payload_type[rows]]
        good = found.valid[rows] & (kinds != UNKNOWN)
        if not good.all():
            np.add.at(legs.malformed, slots[~good], 1)
            rows, slots, arrived, kinds = rows[good], slots[good], arrived[good], kinds[good]
        octets = found.length[rows]
        at = found.at[rows]
        if (at != HEADER).any():
            for index in np.flatnonzero(at != HEADER).tolist():
                packet, begin, size = inbox.data[rows[index]], int(at[index]), int(octets[index])
                packet[HEADER : HEADER + size] = packet[begin : begin + size].copy()
        stamps = found.timestamp[rows]
        extended = legs.sequences.update(slots, found.ssrc[rows], found.sequence[rows])
        taken = Taken(
            rows,
            slots,
            kinds,
            found.marker[rows],
            extended.sequence,
            stamps,
            octets,
            arrived,
            extended.order == Order.FRESH,
        )
        if taken.fresh.any():
            begun = slots[taken.fresh]
            legs.lost_before[begun] += legs.lost_now[begun]
            legs.lost_now[begun] = 0
            legs.anchored[begun] = False
            legs.remote_ssrc[begun] = found.ssrc[rows][taken.fresh]
        if (extended.order == Order.REFUSED).any():
            taken = taken.where(extended.order != Order.REFUSED)
        slots = taken.slots
        legs.last_us[slots] = taken.arrived_us
        np.add.at(legs.received, slots, 1)
        np.add.at(legs.octets_received, slots, taken.octets)
        audio = taken.kinds < EVENT
        if audio.all():
            self._timed(taken)
        elif audio.any():
            self._timed(taken.where(audio))
        return taken

    def _timed(self, taken: Taken) -> None:
        """Keep the jitter of audio; a change of codec may change its clock."""
        legs, slots = self._legs, taken.slots
        codec = taken.kinds - np.uint8(1)
        changed = legs.codec_in[slots] != codec
        if changed.any():
            for slot, index in zip(slots[changed].tolist(), codec[changed].tolist(), strict=True):
                legs.sequences.clock(np.array([slot]), int(CLOCKS[index]))
            legs.codec_in[slots] = codec
        order = np.where(taken.fresh, np.uint8(Order.FRESH), np.uint8(Order.GOOD))
        legs.sequences.arrivals(slots, taken.stamps, taken.arrived_us, order)

    def _may_begin(self, inbox: Inbox, row: int, slot: int) -> bool:
        """Tell whether a packet from an address that is not the expected one is a leg's first."""
        legs = self._legs
        leg = legs.records[slot]
        if leg is None or inbox.lengths[row] < HEADER or inbox.data[row, 0] >> 6 != header.VERSION:
            legs.malformed[slot] += 1
            return False
        source = int(inbox.sources[row])
        if legs.expected[slot]:
            if source != int(legs.expected[slot]):
                legs.foreign[slot] += 1
                return False
            return True
        if not legs.may_latch(leg, source):
            legs.foreign[slot] += 1
            return False
        if legs.kinds[slot, int(inbox.data[row, 1]) & 0x7F] == UNKNOWN:
            legs.malformed[slot] += 1
            return False  # it is not valid: it decides nothing
        if legs.encrypted[slot]:
            return self._may_begin_encrypted(inbox, row, slot, leg, source)
        legs.expected[slot] = legs.remote[slot] = source
        self._latched(leg, source)
        return True

    def _may_begin_encrypted(self, inbox: Inbox, row: int, slot: int, leg: Leg, source: int) -> bool:
        """Only a packet that verifies decides; it stays encrypted for the batch if it does not."""
        one = np.array([row])
        if not self._decrypt(inbox, one, np.array([slot], np.int32))[0]:
            return False
        self._legs.expected[slot] = self._legs.remote[slot] = source
        self._latched(leg, source)
        return False  # it was replay-protected by being verified: the next one is the first heard
