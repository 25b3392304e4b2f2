"""`SipLegs`: what the plane of calls asks of legs, carried out by SIP workers and media engines."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from typing import Final

import structlog

from sip.legs.board import Board
from sip.legs.bridges import Bridges
from sip.legs.headers import values_of
from sip.legs.inbound import Inbound
from sip.legs.leg import Leg
from sip.legs.outbound import Outbound
from sip.legs.resuming import Resuming
from sip.legs.settings import LegSettings
from sip.legs.sounds import Sounds
from sip.legs.spares import Spares
from sip.legs.targets import Finder
from sip.legs.trunks import TrunkDirectory
from sip.media import protocol as media
from sip.media.client.engines import Engines
from sip.media.client.media_io import MediaIo
from sip.workers import messages
from sip.workers.fleet import Fleet, FleetSettings, Room
from sip.workers.messages import Ready, Side
from telephony.calling.causes import Cause, cause_of, sip_of, write_reason
from telephony.calling.ports import (
    Answered,
    Dialled,
    Ended,
    Held,
    Listener,
    Pressed,
    Silent,
    Sound,
)
from telephony.calling.states import LegEvent

log = structlog.get_logger(__name__)

GOODBYE_SECONDS: Final = 4.0
"""How long a peer may take to confirm an end that we asked for; its worker waits on, the plane does not."""

MOST_DIGITS: Final = 64
"""Of one order, in engines and workers."""

_DIGITS: Final = re.compile(r"[^0-9A-D*#]")


class SipLegs:
    """See `telephony.calling.ports.Legs`.

    Also what fleets and engines tell (`sip.workers.fleet.Listener`, `sip.media.client.engines.Listener`):
    whoever makes `Engines` passes their events here. Set `listener`, then `start`; at the end `close`.
    """

    def __init__(
        self,
        settings: LegSettings,
        fleet: FleetSettings,
        engines: Engines,
        trunks: TrunkDirectory,
        finder: Finder,
        io: MediaIo | None = None,
    ) -> None:
        """`engines` is started and stopped by whoever made it; without `io` there are no prompts."""
        self.fleet = Fleet(fleet, self)
        self._settings, self._trunks = settings, trunks
        self._board = Board(engines, self.fleet, settings)
        self._spares = Spares(engines, self.fleet)
        self._bridges = Bridges(self._board)
        self._sounds = Sounds(self._board, io, secrets.token_hex(4))
        self._inbound = Inbound(self._board, self._spares, trunks)
        self._outbound = Outbound(self._board, trunks, finder)
        self._resuming = Resuming(self._board, self._spares, self._bridges, trunks)

    @property
    def listener(self) -> Listener | None:
        """Who is told of legs."""
        return self._board.listener

    @listener.setter
    def listener(self, listener: Listener | None) -> None:
        self._board.listener = listener

    async def start(self) -> None:
        """Begin to look for workers, and for legs that were there before."""
        self.trunks_changed()
        self._resuming.start()
        self.fleet.start()

    async def close(self) -> None:
        """Leave workers and engines alone: whoever comes next finds what they hold."""
        self._resuming.stop()
        await self.fleet.stop()
        await self._spares.stop()
        await self._board.stop()

    def drain(self, *, on: bool = True) -> None:
        """Take no more calls; running ones go on (R10)."""
        self.fleet.drain(on=on)

    def trunks_changed(self) -> None:
        """The carriers changed: without an edge, workers hear whose calls they may take."""
        if not self._settings.edge:
            self.fleet.admit(self._trunks.sources())

    def room(self) -> Room:
        """Return how full the workers are."""
        return self.fleet.room()

    def spares(self) -> int:
        """Return how many legs stand ready for calls that come."""
        return self._spares.ready()

    def bridges(self) -> tuple[str, ...]:
        """Return the bridges that are open."""
        return self._bridges.open()

    def refusals(self) -> dict[str, int]:
        """Return how many calls were refused before the plane heard of them, by why."""
        return dict(self._inbound.refused)

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        away = self.fleet.away()
        return [f"{len(away)} SIP workers are not connected"] if away else []

    # --- telephony.calling.ports.Legs -----------------------------------------------------------------------

    async def dial(self, dialled: Dialled) -> None:
        """See `Legs`."""
        await self._outbound.dial(dialled)

    async def ring(self, leg: str, *, early: bool = False) -> None:
        """See `Legs`."""
        known = self._leg(leg, Side.IN)
        if known is not None:
            self._inbound.ring(known, early=early)

    async def answer(self, leg: str) -> None:
        """See `Legs`."""
        known = self._leg(leg, Side.IN)
        if known is not None:
            self._inbound.answer(known)

    async def hang_up(self, leg: str, status: int = 0, q850: int = 16) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is None or known.ending:
            return
        if known.side is Side.OUT and not known.up and not known.heard:
            # Nothing to cancel yet: the worker does when something comes back (RFC 3261 §9.1).
            self._board.end_call(known, q850=q850)
            self._over(known, 487, q850)
            return
        refusal = 0
        if known.side is Side.IN and not known.up:
            refusal = status if status >= 300 else sip_of(q850) if q850 != 16 else 480
        elif known.side is Side.OUT:
            known.fire(LegEvent.CANCEL)
        self._board.end_call(known, refusal, q850)
        known.quiet()
        loop = asyncio.get_running_loop()
        ended = refusal or (200 if known.up else 487)
        known.timer = loop.call_later(GOODBYE_SECONDS, self._over, known, ended, q850)

    async def join(self, legs: tuple[str, ...], bridge: str) -> None:
        """See `Legs`."""
        known = [leg for name in legs if (leg := self._leg(name)) is not None]
        await self._bridges.join(known, bridge)

    async def part(self, leg: str) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is not None:
            await self._bridges.part(known)

    async def play(self, leg: str, play: str, what: Sound | str, *, repeat: int = 1) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is not None:
            self._sounds.play(known, play, what, repeat)

    async def stop(self, leg: str, play: str) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is not None:
            self._sounds.stop(known, play)

    async def echo(self, leg: str, *, on: bool = True) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is not None:
            await self._bridges.echo(known, on=on)

    async def press(self, leg: str, digits: str) -> None:
        """See `Legs`. What is no digit is left out."""
        known = self._leg(leg)
        wanted = _DIGITS.sub("", digits.upper())
        if known is None:
            return
        way = known.facts.dtmf if known.facts is not None else "rfc4733"
        for begin in range(0, len(wanted), MOST_DIGITS):
            some = wanted[begin : begin + MOST_DIGITS]
            if way == "info":
                self.fleet.send(known.worker, messages.Info(known.call, some))
            else:
                inband = True if way == "inband" else None
                known.line.order(media.SendDigits(self._sounds.digits(), known.name, some, inband=inband))

    async def hold(self, leg: str, *, on: bool = True) -> None:
        """See `Legs`."""
        known = self._leg(leg)
        if known is not None and known.up and known.holding is not on:
            known.holding = on
            self.fleet.send(known.worker, messages.Hold(known.call, on))
            self._board.negotiate(known, known.remote)

    def _leg(self, name: str, side: Side | None = None) -> Leg | None:
        leg = self._board.legs.get(name)
        return leg if leg is not None and side in {None, leg.side} else None

    def _over(self, leg: Leg, status: int, q850: int) -> None:
        self._gone(leg)
        self._board.over(leg, cause_of(status, told=write_reason(q850)))

    def _gone(self, leg: Leg) -> None:
        self._sounds.over(leg)
        self._bridges.over(leg)

    # --- what workers tell (`sip.workers.fleet.Listener`) ---------------------------------------------------

    def worker_back(self, number: int, ready: Ready, *, fresh: bool) -> None:
        """See `Listener`."""
        self._spares.came(number, ready.spares)
        self._resuming.worker_back(number)

    def worker_settled(self, number: int) -> None:
        """See `Listener`."""
        self._resuming.worker_settled(number)
        self._spares.fill(number)

    def worker_lost(self, number: int) -> None:
        """See `Listener`."""
        for leg in self._board.on_worker(number):
            self._gone(leg)
            self._board.lose(leg)
        self._resuming.worker_lost(number)

    def worker_event(self, number: int, event: messages.Event) -> None:
        """See `Listener`."""
        if isinstance(event, messages.Incoming):
            self._inbound.came(number, event)
            return
        if isinstance(event, messages.Holding):
            self._resuming.holding(number, event)
            return
        if isinstance(event, messages.Ready | messages.Pong):
            return
        leg = self._board.of(number, event.call)
        if leg is not None:
            self._of_leg(leg, event)
        elif isinstance(event, messages.Ended):
            self._ended_meanwhile(number, event)
        if isinstance(event, messages.Freed):
            self._spares.fill(number)

    def _of_leg(self, leg: Leg, event: messages.Event) -> None:
        board = self._board
        match event:
            case messages.Progress():
                self._outbound.progress(leg, event)
            case messages.Answered():
                self._answered(leg, event)
            case messages.Changed():
                self._changed(leg, event.remote)
            case messages.Pressed():
                board.tell(Pressed(leg.name, event.digit, "info"))
            case messages.Ended():
                self._ended(leg, event)
            case messages.Failed():
                if event.command == messages.Dial.__name__:
                    self._gone(leg)
                    self._outbound.failed(leg, event)
                else:
                    log.warning("sip.command_failed", leg=leg.name, order=event.command, reason=event.text)

    def _answered(self, leg: Leg, event: messages.Answered) -> None:
        if leg.ending or leg.up:
            return
        leg.heard = True
        leg.quiet()
        if not leg.fire(LegEvent.ANSWER):
            return
        required = leg.facts is not None and leg.facts.encrypts and leg.facts.srtp == "required"
        open_ = required and event.remote is not None and not event.remote.srtp_key
        if open_ or not self._board.negotiate(leg, event.remote):
            self._board.end_call(leg, q850=88)
            self._over(leg, 488, 88)
            return
        self._board.tell(Answered(leg.name, leg.codec))

    def _changed(self, leg: Leg, remote: messages.Remote) -> None:
        before = leg.held
        if not self._board.negotiate(leg, remote) or not leg.up or leg.held is before:
            return
        leg.fire(LegEvent.HOLD if leg.held else LegEvent.RESUME)
        self._board.tell(Held(leg.name, leg.held))

    def _ended(self, leg: Leg, event: messages.Ended) -> None:
        if leg.side is Side.OUT:
            self._outbound.ended(leg, event)
            if leg.over:
                self._gone(leg)
            return
        self._gone(leg)
        self._board.over(leg, _cause(event))

    def _ended_meanwhile(self, number: int, event: messages.Ended) -> None:
        """A call of a gateway before us ended while nobody was connected."""
        if self._resuming.greeting(number) and event.leg not in self._board.legs:
            self._board.tell(Ended(event.leg, _cause(event)))

    # --- what engines tell (`sip.media.client.engines.Listener`) --------------------------------------------

    def media_event(self, engine: str, event: media.Event) -> None:
        """See `Listener`."""
        match event:
            case media.Digit():
                leg = self._leg(event.leg)
                if leg is not None:
                    by = "inband" if event.inband else "rfc4733"
                    self._board.tell(Pressed(leg.name, event.digit, by))
            case media.MediaTimeout():
                leg = self._leg(event.leg)
                if leg is not None and not leg.held and not leg.holding:
                    self._board.tell(Silent(leg.name))
            case media.PlayFinished():
                self._sounds.finished(event)

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        """See `Listener`: every call with audio there ends."""
        self._resuming.engine_lost(engine)
        self._bridges.lost(engine)
        for leg in [leg for leg in self._board.legs.values() if leg.line.engine == engine]:
            self._sounds.over(leg)
            self._board.end_call(leg, 503, 41)
            self._board.lose(leg, audio=False)
        self._spares.lost_engine(engine)

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        """See `Listener`."""
        self._resuming.engine_back(engine)
        for worker in self.fleet.ins:
            self._spares.fill(worker)


def _cause(event: messages.Ended) -> Cause:
    told = ", ".join(values_of(event.headers, "Reason"))
    return cause_of(event.status, event.reason, told, by_peer=event.by_peer)
