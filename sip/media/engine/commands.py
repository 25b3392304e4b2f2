"""Commands: what an owner may ask for, one method each. Names are the owner's; nobody reaches another's."""

import errno
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sip.media import protocol as say
from sip.media.engine.bridges import Bridge
from sip.media.engine.codecs import coding_of
from sip.media.engine.engine import Engine
from sip.media.engine.legs import Leg
from sip.media.engine.mmsg import pack_address
from sip.media.engine.pcmlegs import PcmLeg
from sip.media.engine.pcmsocket import Outlet, PcmSocket
from sip.media.engine.playing import Plays
from sip.media.engine.ports import NoPorts
from sip.media.engine.srtp import refused as srtp_refused
from sip.media.pcm import RATES
from sip.media.protocol import Refusal, Refused, Reply

BIND_TRIES: Final = 200
"""Pairs that are tried for a leg when others hold them: some 2 ms, within the time of an answer."""
SURVEY_PAGE: Final = 200
"""Legs of a page: a leg takes some 200 octets, at most 300."""
MAX_BRIDGES: Final = 60_000
DONE: Final = say.Done()


class Commands:
    """Carries out commands on an engine."""

    def __init__(self, engine: Engine, pcm: PcmSocket, name: str) -> None:
        self._engine = engine
        self._pcm = pcm
        self._name = name
        self.plays = Plays(engine, pcm)
        self._verbs: dict[type, Callable[[str, Any, tuple[int, ...]], Reply]] = {
            say.Hello: self._hello,
            say.OpenRtp: self._open_rtp,
            say.OpenPcm: self._open_pcm,
            say.Change: self._change,
            say.CloseLeg: self._close_leg,
            say.OpenBridge: self._open_bridge,
            say.CloseBridge: self._close_bridge,
            say.Join: self._join,
            say.Leave: self._leave,
            say.PutClip: self.plays.put_clip,
            say.DropClip: self.plays.drop_clip,
            say.Play: self.plays.play,
            say.Stop: self.plays.stop,
            say.Tap: self.plays.tap,
            say.Untap: self.plays.untap,
            say.SendDigits: self.plays.send_digits,
            say.Detect: self._detect,
            say.Quality: self._quality,
            say.Survey: self._survey,
            say.AskLoad: self._load,
            say.Drain: self._drain,
        }

    def __call__(self, owner: str, command: say.Command, descriptors: tuple[int, ...]) -> Reply:
        """Carry out a command."""
        return self._verbs[type(command)](owner, command, descriptors)

    def _hello(self, owner: str, command: say.Hello, _: tuple[int, ...]) -> Reply:
        settings = self._engine.settings
        return say.Welcome(self._name, say.PROTOCOL, str(Path(settings.pcm).absolute()), settings.max_legs)

    # --- legs -----------------------------------------------------------------------------------------------

    def _open_rtp(self, owner: str, command: say.OpenRtp, _: tuple[int, ...]) -> Reply:
        engine = self._engine
        known = engine.legs.names.get((owner, command.leg))
        if known is not None:
            if known.media == command.media and known.shared == command.shared:
                return self._opened(known)
            return _conflict(command.leg)
        wrong = wrong_media(command.media)
        if wrong is not None:
            return wrong
        full = self._full()
        if full is not None:
            return full
        leg = engine.legs.add(owner, command.leg, command.media, engine.now_us)
        assert leg is not None, "there was room"
        leg.shared = command.shared
        if not command.shared:
            wrong = self._bind(leg)
            if wrong is not None:
                engine.legs.remove(leg)
                return wrong
        else:
            leg.port, engine.legs.socket[leg.slot] = engine.io.shared_port, engine.io.shared_socket
            engine.shared.add(leg, command.media.ssrc)
        self._negotiate(leg, command.media)
        engine.touched(leg)
        return self._opened(leg)

    def _bind(self, leg: Leg) -> Refused | None:
        """Give a leg a pair of ports; return why it cannot have one."""
        engine, settings = self._engine, self._engine.settings
        for _ in range(BIND_TRIES):
            try:
                leg.port = engine.ports.take()
            except NoPorts:
                text = f"every port of {settings.low}-{settings.high} is in use or rests"
                return Refused(Refusal.FULL, text)
            try:
                engine.legs.socket[leg.slot] = engine.io.open(leg.slot, settings.address, leg.port)
                return None
            except OSError as error:
                engine.ports.release(leg.port)
                if error.errno != errno.EADDRINUSE:  # it would be the same with every other port
                    code = errno.errorcode.get(error.errno or 0, "")
                    where = f"{settings.address}:{leg.port}"
                    return Refused(Refusal.FULL, f"{where} cannot be bound: {error.strerror} ({code})")
        text = f"{BIND_TRIES} ports of {settings.low}-{settings.high} are in use by other programs"
        return Refused(Refusal.FULL, text)

    def _open_pcm(self, owner: str, command: say.OpenPcm, _: tuple[int, ...]) -> Reply:
        engine = self._engine
        known = engine.legs.names.get((owner, command.leg))
        if known is not None:
            same = known.pcm is not None and (known.pcm.outlet.path, known.pcm.rate) == (
                command.peer,
                command.rate,
            )
            return self._opened(known) if same else _conflict(command.leg)
        wrong = wrong_stream(command.peer, command.rate)
        if wrong is not None:
            return wrong
        full = self._full()
        if full is not None:
            return full
        leg = engine.legs.add(owner, command.leg, None, engine.now_us)
        assert leg is not None, "there was room"
        leg.pcm = PcmLeg(Outlet(self._pcm, command.peer, self.plays.next_stream(), command.rate))
        self.plays.streams[leg.pcm.number] = leg.pcm.sound
        engine.touched(leg)
        return self._opened(leg)

    def _change(self, owner: str, command: say.Change, _: tuple[int, ...]) -> Reply:
        leg = self._engine.legs.names.get((owner, command.leg))
        if leg is None:
            return unknown_leg(command.leg)
        if leg.media is None:
            return Refused(Refusal.UNSUPPORTED, f"leg {command.leg} is one of PCM: nothing is negotiated")
        wrong = wrong_media(command.media)
        if wrong is not None:
            return wrong
        if leg.shared and leg.media.remote != command.media.remote:
            self._engine.shared.remove(leg)
            self._negotiate(leg, command.media)
            self._engine.shared.add(leg, command.media.ssrc)
        else:
            self._negotiate(leg, command.media)
        if leg.bridge is not None:
            leg.bridge.misfit = False
            for one in leg.bridge.legs:
                self._engine.legs.anchored[one.slot] = False
        self._engine.touched(leg)
        return DONE

    def _negotiate(self, leg: Leg, media: say.Media) -> None:
        coding = coding_of(media.formats[0]) if media.formats else None
        self._engine.legs.negotiate(leg, media, coding)
        self._engine.encryption.negotiate(leg)
        self._engine.legs.last_us[leg.slot] = self._engine.now_us

    def _close_leg(self, owner: str, command: say.CloseLeg, _: tuple[int, ...]) -> Reply:
        engine = self._engine
        leg = engine.legs.names.get((owner, command.leg))
        if leg is None:
            return unknown_leg(command.leg)
        statistics = engine.reports.statistics(leg, engine)
        self._out_of_bridge(leg)
        self.plays.leg_gone(leg)
        engine.playout.forget(leg, "leg-gone")
        engine.reports.forget(leg)
        if leg.media is None:
            leg.pcm.outlet.end()
            self.plays.streams.pop(leg.pcm.number, None)
        elif leg.shared:
            engine.shared.remove(leg)
        else:
            engine.outbox.flush()
            engine.io.close(leg.slot)
            engine.ports.release(leg.port)
        engine.relay_forget(leg.slot)
        engine.legs.remove(leg)
        engine.playout.changed()
        return say.Closed(statistics)

    def _full(self) -> Refused | None:
        engine = self._engine
        if engine.draining:
            return Refused(Refusal.DRAINING, "this engine takes no more legs: ask another one")
        if engine.legs.count >= engine.legs.capacity:
            return Refused(Refusal.FULL, f"all {engine.legs.capacity} legs are in use")
        if not engine.meter.accepts:
            return Refused(
                Refusal.FULL,
                f"busy {engine.meter.busy:.0%} of the time, latest tick {engine.meter.worst_tick_ms:.0f} ms: "
                "more legs would be late",
            )
        return None

    def _opened(self, leg: Leg) -> Reply:
        number = leg.pcm.number if leg.pcm is not None else 0
        return say.Opened(self._engine.local(leg), int(self._engine.legs.ssrc[leg.slot]), number)

    # --- bridges --------------------------------------------------------------------------------------------

    def _open_bridge(self, owner: str, command: say.OpenBridge, _: tuple[int, ...]) -> Reply:
        engine = self._engine
        if (owner, command.bridge) not in engine.bridges:
            if len(engine.bridges) >= MAX_BRIDGES:
                return Refused(Refusal.FULL, f"all {MAX_BRIDGES} bridges are in use")
            bridge = Bridge(owner, command.bridge, engine.next_bridge_number())
            engine.bridges[owner, command.bridge] = bridge
        return DONE

    def _close_bridge(self, owner: str, command: say.CloseBridge, _: tuple[int, ...]) -> Reply:
        bridge = self._engine.bridges.pop((owner, command.bridge), None)
        if bridge is None:
            return unknown_bridge(command.bridge)
        for leg in list(bridge.legs):
            self._out_of_bridge(leg)
        self.plays.bridge_gone(bridge)
        return DONE

    def _join(self, owner: str, command: say.Join, _: tuple[int, ...]) -> Reply:
        leg = self._engine.legs.names.get((owner, command.leg))
        bridge = self._engine.bridges.get((owner, command.bridge))
        if leg is None:
            return unknown_leg(command.leg)
        if bridge is None:
            return unknown_bridge(command.bridge)
        leg.talks, leg.listens, leg.gain = command.talks, command.listens, command.gain
        if leg.bridge is not bridge:
            self._out_of_bridge(leg)
            bridge.legs.append(leg)
            leg.bridge = bridge
            bridge.misfit = False
        self._engine.touched(bridge)
        return DONE

    def _leave(self, owner: str, command: say.Leave, _: tuple[int, ...]) -> Reply:
        leg = self._engine.legs.names.get((owner, command.leg))
        if leg is None:
            return unknown_leg(command.leg)
        self._out_of_bridge(leg)
        return DONE

    def _out_of_bridge(self, leg: Leg) -> None:
        bridge = leg.bridge
        if bridge is None:
            return
        bridge.legs.remove(leg)
        bridge.misfit = False
        leg.bridge = None
        self._engine.touched(leg)
        self._engine.touched(bridge)

    # --- the rest -------------------------------------------------------------------------------------------

    def _detect(self, owner: str, command: say.Detect, _: tuple[int, ...]) -> Reply:
        leg = self._engine.legs.names.get((owner, command.leg))
        if leg is None:
            return unknown_leg(command.leg)
        leg.dtmf, leg.speech, leg.silence_ms = command.dtmf, command.speech, command.silence_ms
        self._engine.playout.listening.set(leg)
        self._engine.touched(leg)
        return DONE

    def _quality(self, owner: str, command: say.Quality, _: tuple[int, ...]) -> Reply:
        leg = self._engine.legs.names.get((owner, command.leg))
        if leg is None:
            return unknown_leg(command.leg)
        return self._engine.reports.statistics(leg, self._engine)

    def _survey(self, owner: str, command: say.Survey, _: tuple[int, ...]) -> Reply:
        engine = self._engine
        names = sorted(name for one, name in engine.legs.names if one == owner and name > command.after)
        page = []
        for name in names[:SURVEY_PAGE]:
            leg = engine.legs.names[owner, name]
            page.append(
                say.LegState(
                    leg=name,
                    bridge=leg.bridge.name if leg.bridge is not None else "",
                    local=engine.local(leg),
                    codec=engine.legs.coding(leg.slot).codec if leg.media is not None else "",
                    stream=leg.pcm.number if leg.pcm is not None else 0,
                )
            )
        bridges = sum(one == owner for one, _ in engine.bridges)
        return say.Surveyed(tuple(page), len(names) > SURVEY_PAGE, bridges, self.plays.clips_of(owner))

    def _load(self, owner: str, command: say.AskLoad, _: tuple[int, ...]) -> Reply:
        engine, meter = self._engine, self._engine.meter
        return say.Load(
            legs=engine.legs.count,
            max_legs=engine.legs.capacity,
            bridges=len(engine.bridges),
            busy=round(meter.busy, 3),
            received=meter.received_rate,
            sent=meter.sent_rate,
            late_ticks=meter.late_ticks,
            worst_tick_ms=round(meter.worst_tick_ms, 2),
            shed=engine.intake.shed,
            ports_free=engine.ports.free,
            io=engine.io.name,
            accepts=meter.accepts and not engine.draining and engine.legs.count < engine.legs.capacity,
            draining=engine.draining,
        )

    def _drain(self, owner: str, command: say.Drain, _: tuple[int, ...]) -> Reply:
        self._engine.draining = True
        return DONE


def wrong_media(media: say.Media) -> Refused | None:
    """Return why a negotiation cannot be carried out."""
    for format_ in media.formats:
        if coding_of(format_) is None:
            return Refused(
                Refusal.UNSUPPORTED, f"{format_.codec} at {format_.rate}: not a codec of this engine"
            )
    if media.formats:
        coding = coding_of(media.formats[0])
        assert coding is not None
        if coding.octets * media.formats[0].ptime // 20 > 1920:
            return Refused(
                Refusal.UNSUPPORTED, f"{media.formats[0].ptime} ms of {coding.codec} fit into no packet"
            )
    try:
        for host in (
            media.remote.host if media.remote is not None else "",
            media.rtcp.host if media.rtcp is not None else "",
            media.signalling,
        ):
            if host:
                pack_address(host, 0)
    except ValueError as error:
        return Refused(Refusal.UNSUPPORTED, str(error))
    if media.srtp is not None:
        wrong = srtp_refused(media.srtp)
        if wrong:
            return Refused(Refusal.UNSUPPORTED, wrong)
    return None


def wrong_stream(peer: str, rate: int) -> Refused | None:
    """Return why PCM cannot go there."""
    if rate not in RATES:
        return Refused(Refusal.UNSUPPORTED, f"{rate} samples a second: expected one of {RATES}")
    if not 0 < len(peer.encode()) < 108 or "\0" in peer:
        return Refused(Refusal.UNSUPPORTED, "peer: expected the path of a socket, of at most 107 octets")
    return None


def unknown_leg(name: str) -> Refused:
    """Return the answer for a leg that is not there."""
    return Refused(Refusal.UNKNOWN_LEG, f"no leg is named {name}")


def unknown_bridge(name: str) -> Refused:
    """Return the answer for a bridge that is not there."""
    return Refused(Refusal.UNKNOWN_BRIDGE, f"no bridge is named {name}")


def _conflict(name: str) -> Refused:
    return Refused(Refusal.CONFLICT, f"{name} is in use with other settings")


def engine_name(name: str) -> str:
    """Return a name for this start."""
    return f"{name}-{random.getrandbits(48):012x}"
