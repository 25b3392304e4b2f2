"""What is known of legs' quality: RTCP both ways (RFC 3550 §6), and statistics.

Each leg reports every five seconds, give or take half (§6.2, §6.3.1), once it has sent or received anything.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sip.media.engine.codecs import CLOCKS
from sip.media.engine.legs import Leg, Legs
from sip.media.engine.mmsg import HOST_MASK, unpack_address
from sip.media.engine.packets import Inbox, Io
from sip.media.protocol import Address, Event, QualityChanged, Statistics
from sip.media.rtp import rtcp
from sip.media.rtp.quality import mos

if TYPE_CHECKING:
    from sip.media.engine.engine import Engine

INTERVAL: Final = 5.0
"""Seconds between two reports of a leg (RFC 3550 §6.2: the least that is recommended)."""
POOR_BELOW: Final = 3.1
"""Estimated MOS below which quality is poor: many are dissatisfied (ITU-T G.107, annex B)."""
GOOD_FROM: Final = 3.6
"""And from which it is good again: apart, so that nobody is told each second."""
LOOK_SECONDS: Final = 5
"""Between two looks at a leg's quality."""
RECENT_US: Final = 10_000_000
"""A report says SR when something was sent within two intervals (§6.4)."""


@dataclass
class Heard:
    """What a leg's peer reported, and when we report next."""

    due: float
    last_sr: int = 0
    last_sr_us: int = 0
    remote_ssrc: int = 0
    round_trip_ms: float | None = None
    remote_lost: int | None = None
    remote_jitter_ms: float | None = None
    bye: bool = False
    lost_before: int = 0
    received_before: int = 0
    concealed_before: int = 0
    played_before: int = 0


class Reports:
    """RTCP of every leg."""

    def __init__(
        self,
        legs: Legs,
        io: Io,
        tell: Callable[[str, Event], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._legs = legs
        self._io = io
        self._tell = tell
        self._wall = wall
        self._seconds = 0

    def take(self, inbox: Inbox, row: int, now_us: int) -> None:
        """Take a packet of RTCP; what is none is counted."""
        legs, slot = self._legs, int(inbox.slots[row])
        leg = legs.records[slot]
        if leg is None or leg.media is None:
            return
        if self._foreign(leg, inbox, row):
            legs.foreign[slot] += 1
            return
        legs.window[slot] += 1
        packet = inbox.data[row, : int(inbox.lengths[row])].tobytes()
        if leg.srtp is not None:
            packet = leg.srtp.unprotect_rtcp(packet)
        try:
            compound = rtcp.parse(packet)
        except rtcp.NotRtcp:
            legs.malformed[slot] += 1
            return
        legs.last_us[slot] = now_us
        heard = self._of(leg)
        ours = int(legs.ssrc[slot])
        now_ntp = rtcp.ntp(int(self._wall() * 1e6))
        for report in compound.reports:
            heard.remote_ssrc = report.ssrc
            if report.sender is not None:
                heard.last_sr, heard.last_sr_us = rtcp.middle(report.sender.ntp), now_us
            for block in report.blocks:
                if block.ssrc != ours:
                    continue
                heard.remote_lost = max(0, block.lost)
                heard.remote_jitter_ms = round(block.jitter * 1000 / legs.coding(slot).clock, 2)
                trip = rtcp.round_trip_ms(block, now_ntp)
                if trip is not None:
                    heard.round_trip_ms = round(trip, 2)

    def tick(self, turn: int, turns: int, now_us: int, engine: "Engine") -> None:
        """Send what is due and look at quality, for every `turns`-th leg: all of them in a second."""
        if turn == 0:
            self._seconds += 1
        now = now_us / 1e6
        for leg in self._legs.records[turn::turns]:
            if leg is None or leg.media is None:
                continue
            heard = self._of(leg, now)
            if heard.due <= now:
                heard.due = now + INTERVAL * random.uniform(0.5, 1.5)  # noqa: S311 - spread, not secret
                self._report(leg, heard, now_us)
            if (self._seconds + leg.slot) % LOOK_SECONDS == 0:
                self._look(leg, heard, engine)

    @staticmethod
    def forget(leg: Leg) -> None:
        """Drop a leg."""
        leg.rtcp = None

    def statistics(self, leg: Leg, engine: "Engine") -> Statistics:
        """Return what is known of a leg."""
        legs, slot = self._legs, leg.slot
        if leg.media is None:
            sound, outlet = leg.pcm.sound, leg.pcm.outlet
            return Statistics(leg.name, received=sound.received, sent=outlet.sequence, late=sound.dropped)
        late, duplicates, concealed, played, depth = engine.playout.ears.counts(slot)
        host, port = unpack_address(int(legs.remote[slot]))
        heard: Heard = leg.rtcp or Heard(0.0)
        lost, received = legs.lost(slot), int(legs.received[slot])
        jitter = round(float(legs.sequences.jitter_ms(np.array([slot]))[0]), 2) if received else 0.0
        codec = legs.coding(slot).codec
        share = concealed / played if played else lost / max(1, lost + received)
        score = mos(share, jitter, (heard.round_trip_ms or 0.0) / 2, codec, depth or None)
        return Statistics(
            leg=leg.name,
            received=received,
            octets_received=int(legs.octets_received[slot]),
            sent=int(legs.sent[slot]),
            octets_sent=int(legs.octets_sent[slot]),
            lost=lost,
            late=late,
            duplicates=duplicates,
            concealed=concealed,
            played=played,
            jitter_ms=jitter,
            depth_ms=depth,
            round_trip_ms=heard.round_trip_ms,
            remote_lost=heard.remote_lost,
            remote_jitter_ms=heard.remote_jitter_ms,
            mos=round(score, 2) if received else None,
            foreign=int(legs.foreign[slot]),
            malformed=int(legs.malformed[slot]),
            flooded=int(legs.flooded[slot]),
            codec=codec,
            remote=Address(host, port) if legs.remote[slot] else None,
        )

    def _foreign(self, leg: Leg, inbox: Inbox, row: int) -> bool:
        """Tell whether a packet is from elsewhere: RTCP comes from the host that RTP comes from."""
        source = inbox.sources[row]
        known = self._legs.expected[leg.slot] or self._legs.remote[leg.slot]
        if not known:
            return not self._legs.may_latch(leg, int(source))
        return bool((source ^ known) & HOST_MASK)

    def _of(self, leg: Leg, now: float = 0.0) -> Heard:
        if leg.rtcp is None:
            # the first one comes sooner (§6.2)
            leg.rtcp = Heard(now + INTERVAL * random.uniform(0.1, 0.4))  # noqa: S311 - spread, not secret
        heard: Heard = leg.rtcp
        return heard

    def _report(self, leg: Leg, heard: Heard, now_us: int) -> None:
        legs, slot = self._legs, leg.slot
        if leg.media is None or not legs.remote[slot] or not (legs.sent[slot] or legs.received[slot]):
            return
        row = np.array([slot])
        blocks: tuple[rtcp.Block, ...] = ()
        if legs.received[slot]:
            loss = legs.sequences.report(row)
            since = rtcp.delay_since(now_us - heard.last_sr_us) if heard.last_sr else 0
            blocks = (
                rtcp.Block(
                    int(legs.remote_ssrc[slot]),
                    int(loss.fraction[0]),
                    int(loss.lost[0]),
                    int(loss.highest[0]),
                    int(loss.jitter[0]),
                    heard.last_sr,
                    since,
                ),
            )
        sender = None
        since_us = now_us - int(legs.stamped_us[slot])
        if legs.sent[slot] and since_us < RECENT_US:
            ticks = since_us * int(CLOCKS[legs.codec[slot]]) // 1_000_000
            sender = rtcp.Sender(
                rtcp.ntp(int(self._wall() * 1e6)),
                (int(legs.timestamp[slot]) + ticks) & 0xFFFF_FFFF,
                int(legs.sent[slot]) & 0xFFFF_FFFF,
                int(legs.octets_sent[slot]) & 0xFFFF_FFFF,
            )
        # a name that says nothing about the host (RFC 7022 §4.2)
        packet = rtcp.build(rtcp.Report(int(legs.ssrc[slot]), sender, blocks), f"{int(legs.ssrc[slot]):08x}")
        if leg.srtp is not None:
            packet = leg.srtp.protect_rtcp(packet)
        self._io.send_rtcp(-1 if leg.shared else slot, packet, self._destination(leg), mux=leg.media.rtcp_mux)

    def _destination(self, leg: Leg) -> tuple[str, int]:
        host, port = unpack_address(int(self._legs.remote[leg.slot]))
        media = leg.media
        if media is None or media.rtcp_mux:
            return host, port
        if media.rtcp is not None and media.rtcp.port:
            return media.rtcp.host or host, media.rtcp.port
        return host, min(port + 1, 65535)

    def _look(self, leg: Leg, heard: Heard, engine: "Engine") -> None:
        """Tell when a leg's quality of the last seconds became poor, or good again."""
        now = self.statistics(leg, engine)
        received = now.received - heard.received_before
        lost = now.lost - heard.lost_before
        concealed = now.concealed - heard.concealed_before
        played = now.played - heard.played_before
        heard.received_before, heard.lost_before = now.received, now.lost
        heard.concealed_before, heard.played_before = now.concealed, now.played
        if received < 50:
            return  # a second of audio at least, or it says nothing
        share = concealed / played if played else max(0, lost) / max(1, lost + received)
        score = mos(share, now.jitter_ms, (now.round_trip_ms or 0.0) / 2, now.codec, now.depth_ms or None)
        if leg.poor and score >= GOOD_FROM:
            leg.poor = False
            self._tell(leg.owner, QualityChanged(now, poor=False))
        elif not leg.poor and score < POOR_BELOW:
            leg.poor = True
            self._tell(leg.owner, QualityChanged(now, poor=True))
