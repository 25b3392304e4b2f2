"""The engine: everything that it holds, and what it does in a tick. Clock and sockets are given to it."""

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from sip.media.engine.bridges import Bridge, route
from sip.media.engine.intake import Intake, Taken
from sip.media.engine.legs import Leg, Legs, Way
from sip.media.engine.meter import Meter
from sip.media.engine.mmsg import unpack_address
from sip.media.engine.packets import Inbox, Io, Outbox
from sip.media.engine.playout import Playout
from sip.media.engine.ports import Ports
from sip.media.engine.relay import Relay
from sip.media.engine.reports import Reports
from sip.media.engine.sender import Sender
from sip.media.engine.settings import Settings
from sip.media.engine.shared import SharedPort
from sip.media.engine.srtp import Encryption
from sip.media.engine.transcoding import Transcoder
from sip.media.protocol import Address, Event, FirstRtp, MediaTimeout
from sip.media.rtp import header

TICK_US: Final = 5_000
"""Between two looks at the sockets."""
PASSES: Final = 4
"""Times that the sockets are read in one tick at most: what is left has to wait, or nobody else is served."""
SECOND_TICKS: Final = 200

Tell = Callable[[str, Event], None]


class Engine:
    """What an engine holds."""

    def __init__(
        self,
        settings: Settings,
        io: Io,
        tell: Tell,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Hold nothing yet. `tell` takes events for an owner."""
        self.settings = settings
        self.io = io
        self.tell = tell
        self._monotonic, self._wall = monotonic, wall
        self.legs = Legs(settings.max_legs)
        self.ports = Ports(settings.low, settings.high, monotonic)
        self.bridges: dict[tuple[str, str], Bridge] = {}
        self.inbox = Inbox()
        self.outbox = Outbox(io)
        self.encryption = Encryption(self.legs)
        self.sender = Sender(self.legs, self.outbox, self.encryption.encrypt)
        self.transcoder = Transcoder(settings.max_legs)
        self.relay = Relay(self.legs, self.sender, self.transcoder)
        self.intake = Intake(self.legs, self._latched, self.encryption.decrypt)
        self.shared = SharedPort(self.legs)
        self.playout = Playout(self.legs, self.sender, tell, self.touched)
        self.reports = Reports(self.legs, io, tell, wall)
        self.meter = Meter()
        self.draining = False
        self.ticks = 0
        self._bridge_numbers = 0

    @property
    def now_us(self) -> int:
        """CLOCK_MONOTONIC."""
        return int(self._monotonic() * 1e6)

    def tick(self) -> None:
        """Do the work of 5 ms: read, relay, play out a quarter of the bridges, send."""
        for _ in range(PASSES):
            if not self._packets():
                break
        self.playout.tick(self.ticks % 4, self.now_us)
        self.outbox.flush()
        self.reports.tick(self.ticks % SECOND_TICKS, SECOND_TICKS, self.now_us, self)
        self.ticks += 1
        if self.ticks % SECOND_TICKS == 0:
            self._second()

    def next_bridge_number(self) -> int:
        """Return a number that no bridge had."""
        self._bridge_numbers += 1
        return self._bridge_numbers

    def touched(self, leg_or_bridge: Leg | Bridge | None) -> None:
        """Find the way anew of a leg's or bridge's media: something about it changed."""
        bridge = leg_or_bridge.bridge if isinstance(leg_or_bridge, Leg) else leg_or_bridge
        if bridge is not None:
            route(bridge, self.legs)
        elif isinstance(leg_or_bridge, Leg):
            self.legs.way[leg_or_bridge.slot] = Way.PLAYOUT
        self.playout.changed()

    def relay_forget(self, slot: int) -> None:
        """Drop what relaying keeps of a leg."""
        self.transcoder.forget(slot)
        self.legs.anchored[slot] = False

    def local(self, leg: Leg) -> Address | None:
        """Return where a leg takes RTP."""
        return Address(self.settings.announced, leg.port) if leg.media is not None else None

    def _packets(self) -> bool:
        """Read once and pass on what came; tell whether more may be waiting."""
        inbox = self.inbox
        more = self.io.receive(inbox)
        count = inbox.count
        if not count:
            return more
        self.meter.received += count
        if self.shared.any:
            self.shared.assign(inbox)
        now, wall = self.now_us, int(self._wall() * 1e6)
        control = inbox.rtcp[:count] | (header.is_rtcp(inbox.data[:count]) & (inbox.lengths[:count] > 1))
        control &= inbox.slots[:count] >= 0
        if control.any():
            for row in np.flatnonzero(control).tolist():
                self.reports.take(inbox, row, now)
            rows = np.flatnonzero(~control)
        else:
            rows = np.arange(count)
        taken = self.intake.take(inbox, rows, now, wall) if len(rows) else None
        if taken is not None:
            self._pass_on(taken, now)
        return more

    def _pass_on(self, taken: Taken, now_us: int) -> None:
        legs = self.legs
        if not legs.receives[taken.slots].all():
            taken = taken.where(legs.receives[taken.slots])
            if not len(taken):
                return
        self.playout.special(taken, self.inbox)
        relayed = legs.way[taken.slots] == Way.RELAY
        if not relayed.all():
            self.playout.take(taken.where(~relayed), self.inbox)
            taken = taken.where(relayed)
        if len(taken):
            ready = legs.remote[legs.peer[taken.slots]] != 0
            self.relay.take(taken if ready.all() else taken.where(ready), self.inbox, now_us)
        if self.relay.misfits:
            for slot in self.relay.misfits:
                leg = legs.records[slot]
                if leg is not None and leg.bridge is not None:
                    leg.bridge.misfit = True
                    self.touched(leg)
            self.relay.misfits.clear()

    def _latched(self, leg: Leg, source: int) -> None:
        self.playout.changed()
        host, port = unpack_address(source)
        self.tell(leg.owner, FirstRtp(leg.name, Address(host, port), self.now_us))

    def _second(self) -> None:
        """Do what is due each second: windows, time-outs, load."""
        legs = self.legs
        now = self.now_us
        legs.window[:] = 0
        used = np.array([leg.slot for leg in legs.names.values() if leg.media is not None], np.intp)
        if len(used):
            legs.lost_now[used] = np.maximum(0, legs.sequences.lost(used))
            silent = used[legs.receives[used]]
            for slot in silent[now - legs.last_us[silent] > 1_000_000].tolist():
                self._silent(slot, now)
        self.meter.second()

    def _silent(self, slot: int, now_us: int) -> None:
        """Tell once that nothing came for as long as a leg may be silent (R15)."""
        leg = self.legs.records[slot]
        if leg is None or leg.media is None or not leg.media.timeout:
            return
        since = int(self.legs.last_us[slot])
        if leg.timed_out == since or (now_us - since) / 1e6 < leg.media.timeout:
            return
        leg.timed_out = since
        self.tell(leg.owner, MediaTimeout(leg.name, (now_us - since) / 1e6))
