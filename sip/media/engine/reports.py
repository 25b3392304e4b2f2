"""What is known of legs' quality: RTCP both ways, and statistics."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sip.media.engine.legs import Leg, Legs
from sip.media.engine.mmsg import HOST_MASK, unpack_address
from sip.media.engine.packets import Inbox, Io
from sip.media.protocol import Address, Event, Statistics

if TYPE_CHECKING:
    from sip.media.engine.engine import Engine


class Reports:
    """RTCP of every leg."""

    def __init__(self, legs: Legs, io: Io, tell: Callable[[str, Event], None]) -> None:
        self._legs = legs
        self._io = io
        self._tell = tell

    def take(self, inbox: Inbox, row: int, now_us: int) -> None:
        """Take a packet of RTCP."""
        legs, slot = self._legs, int(inbox.slots[row])
        leg = legs.records[slot]
        if leg is None or leg.media is None:
            return
        source, expected = inbox.sources[row], legs.remote[slot]
        if (source ^ expected) & HOST_MASK:
            legs.foreign[slot] += 1
            return
        legs.last_us[slot] = now_us

    def second(self, now_us: int) -> None:
        """Send the reports that are due."""

    def forget(self, leg: Leg) -> None:
        """Drop a leg."""
        leg.rtcp = None

    def statistics(self, leg: Leg, engine: "Engine") -> Statistics:
        """Return what is known of a leg."""
        legs, slot = self._legs, leg.slot
        if leg.media is None:
            return Statistics(leg.name)
        late, duplicates, concealed, played, depth = engine.playout.ears.counts(slot)
        host, port = unpack_address(int(legs.remote[slot]))
        return Statistics(
            leg=leg.name,
            received=int(legs.received[slot]),
            octets_received=int(legs.octets_received[slot]),
            sent=int(legs.sent[slot]),
            octets_sent=int(legs.octets_sent[slot]),
            lost=legs.lost(slot),
            late=late,
            duplicates=duplicates,
            concealed=concealed,
            played=played,
            jitter_ms=round(float(legs.sequences.jitter_ms(np.array([slot]))[0]), 2),
            depth_ms=depth,
            foreign=int(legs.foreign[slot]),
            malformed=int(legs.malformed[slot]),
            flooded=int(legs.flooded[slot]),
            codec=legs.coding(slot).codec,
            remote=Address(host, port) if legs.remote[slot] else None,
        )
