"""Calls that we dial: a place in an engine, a worker, an address; challenges answered, the next one tried."""

import asyncio
from typing import Final

import structlog

from sip.legs.board import Board
from sip.legs.headers import contact_of, fields_of, realm_of, sender_of, uri_of, values_of
from sip.legs.leg import Leg
from sip.legs.line import TROUBLES
from sip.legs.negotiation import SPARE
from sip.legs.spares import new_place
from sip.legs.targets import Finder, Target
from sip.legs.trunks import SPOKEN, TrunkDirectory, TrunkFacts
from sip.media.protocol import Opened, OpenRtp
from sip.workers.admission import EDGE, TRUNK
from sip.workers.fleet import Full
from sip.workers.messages import Dial, Ended, Failed, Header, Progress, Side
from telephony.calling.causes import Cause, cause_of
from telephony.calling.ports import Dialled, NoRoom, Rang
from telephony.calling.states import LegEvent, LegState

log = structlog.get_logger(__name__)

TO: Final = "X-Tandem-To"
"""Field that tells the edge where to send a call."""
UNHEARD: Final = "X-Tandem-Unheard"
"""Field by which the edge says of a final response of its own that nothing came back, not even 100."""

MOST_TARGETS: Final = 3
"""Addresses of one trunk that are tried: the plane tries other trunks then (R8)."""

MOST_REALMS: Final = 1000
"""Realms that are remembered, one a trunk."""


class Outbound:
    """What is done with calls that we dial."""

    def __init__(self, board: Board, trunks: TrunkDirectory, finder: Finder) -> None:
        self._board, self._trunks, self._finder = board, trunks, finder
        self._realms: dict[str, str] = {}
        """What carriers named as their realm, by trunk, so that the next call needs no second INVITE."""

    async def dial(self, dialled: Dialled) -> None:
        """Reserve what a call needs, and let it begin. Raises NoRoom."""
        board = self._board
        facts = self._trunks.find(dialled.trunk.carrier, dialled.trunk.name)
        if facts is None:
            raise NoRoom(f"There is no trunk {dialled.trunk.carrier}/{dialled.trunk.name}.")
        if dialled.leg in board.legs:
            raise NoRoom(f"The leg {dialled.leg} is there already.")
        call = f"{dialled.leg}.0"
        try:
            worker = board.fleet.reserve(call)
        except Full as error:
            raise NoRoom(str(error)) from None
        try:
            engine = self._place(dialled)
            opened = await board.engines.ask(engine, OpenRtp(dialled.leg, SPARE))
        except TROUBLES as error:
            board.fleet.release(worker, call)
            board.engines.ended(dialled.leg)
            raise NoRoom(str(error)) from None
        except BaseException:
            board.fleet.release(worker, call)
            raise
        assert isinstance(opened, Opened)
        leg = Leg(
            dialled.leg,
            Side.OUT,
            worker,
            call,
            new_place(dialled.leg, opened),
            board.line(engine),
            facts,
            LegState.DIALLING,
            dialled=dialled,
            credentials=facts.credentials(self._realms.get(facts.label, "")),
        )
        board.add(leg)
        board.later(self._begin(leg, facts), "dial")

    def _place(self, dialled: Dialled) -> str:
        beside = self._board.legs.get(dialled.beside)
        if beside is None:
            return self._board.engines.place(dialled.leg, 1)
        self._board.engines.found(dialled.leg, beside.line.engine)
        return beside.line.engine

    async def _begin(self, leg: Leg, facts: TrunkFacts) -> None:
        targets = list(await self._finder.find(facts))[:MOST_TARGETS]
        if not self._board.settings.edge:
            targets = [each for each in targets if each.transport == "udp"]  # all that workers speak
        if leg.over:
            return
        if leg.ending or not targets:
            self._board.fleet.release(leg.worker, leg.call)
            cause = cause_of(487) if leg.ending else cause_of(503, "No address of the trunk is known")
            self._board.over(leg, cause, unheard=not leg.ending)
            return
        leg.targets = targets
        self._try(leg, leg.targets.pop(0))

    def _try(self, leg: Leg, target: Target) -> None:
        """Send the INVITE to an address."""
        board, facts, dialled = self._board, leg.facts, leg.dialled
        assert facts is not None
        assert dialled is not None
        leg.target = target
        leg.source = target.host
        if not board.fleet.send(leg.worker, self._order(leg, facts, dialled, target)):
            board.fleet.release(leg.worker, leg.call)
            board.lose(leg)
            return
        leg.heard = False
        leg.quiet()
        loop = asyncio.get_running_loop()
        leg.timer = loop.call_later(dialled.heard_within, self._unheard, leg)

    def _order(self, leg: Leg, facts: TrunkFacts, dialled: Dialled, target: Target) -> Dial:
        settings = self._board.settings
        fields = fields_of(dialled, facts, settings.host)
        carrier = str(uri_of(dialled.number, facts.host, facts.port))
        if settings.edge:
            name = f";server-name={target.server_name}" if target.server_name else ""
            where = f"<sip:{target.host}:{target.port};transport={target.transport}{name}>"
            fields += [
                Header(EDGE, settings.secret),
                Header(TRUNK, facts.label),
                Header(TO, where),
            ]
            uri, to = carrier, ""
        else:
            uri, to = str(uri_of(dialled.number, target.host, target.port)), carrier
        wanted = dialled.trunk.codecs or facts.codecs or settings.codecs
        return Dial(
            leg.call,
            leg.place,
            uri,
            sender_of(dialled, facts, settings.host),
            to,
            tuple(fields),
            tuple(each for each in wanted if each in SPOKEN) or settings.codecs,
            facts.encrypts,
            leg.credentials,
            facts.label,
            facts.session_timer,
        )

    # --- what comes back ------------------------------------------------------------------------------------

    def progress(self, leg: Leg, event: Progress) -> None:
        """A provisional response came."""
        if not leg.heard:
            leg.heard = True
            leg.quiet()
        if event.status == 100 or leg.ending:
            return
        early = event.remote is not None and self._board.negotiate(leg, event.remote)
        leg.fire(LegEvent.EARLY_MEDIA if early else LegEvent.RING)
        self._board.tell(Rang(leg.name, event.status, early))

    def ended(self, leg: Leg, event: Ended) -> None:
        """A call of ours is over: perhaps it is tried again."""
        if not leg.ending and not leg.up and self._again(leg, event):
            return
        unheard = not leg.up and nobody_was_there(leg, event)
        status = 487 if leg.ending and not leg.up and event.status < 300 else event.status
        self._board.over(
            leg,
            cause_of(
                status, event.reason, ", ".join(values_of(event.headers, "Reason")), by_peer=event.by_peer
            ),
            contact=contact_of(event.headers) if 300 <= event.status < 400 else "",
            unheard=unheard and not leg.ending,
        )

    def failed(self, leg: Leg, event: Failed) -> None:
        """A worker could not dial."""
        log.warning("sip.dial_failed", leg=leg.name, reason=event.text)
        self._board.over(leg, Cause(503, 47, event.text), unheard=True)

    def _again(self, leg: Leg, event: Ended) -> bool:
        """Try a call again where that is right: its challenge answered, or at the next address."""
        facts = leg.facts
        if facts is None or leg.dialled is None or leg.target is None:
            return False
        if event.status in {401, 407} and event.by_peer and leg.credentials is None:
            realm = realm_of(event.headers)
            credentials = facts.credentials(realm) if realm else None
            if credentials is None:
                return False
            if len(self._realms) < MOST_REALMS:
                self._realms[facts.label] = realm
            leg.credentials = credentials
            return self._redial(leg, leg.target)
        if leg.targets and nobody_was_there(leg, event):  # the next address may do (RFC 3263 §4.3)
            return self._redial(leg, leg.targets.pop(0))
        return False

    def _redial(self, leg: Leg, target: Target) -> bool:
        board = self._board
        leg.attempt += 1
        call = f"{leg.name}.{leg.attempt}"
        try:
            worker = board.fleet.reserve(call)
        except Full:
            return False
        board.called(leg, worker, call)
        self._try(leg, target)
        return True

    def _unheard(self, leg: Leg) -> None:
        """Nothing came back, not even 100 (R8)."""
        leg.timer = None
        if leg.over or leg.heard:
            return
        self._board.end_call(leg)
        if leg.targets:
            leg.ending = False
            if self._redial(leg, leg.targets.pop(0)):
                return
        self._board.over(leg, cause_of(408, "Nothing came back"), unheard=True)


def nobody_was_there(leg: Leg, event: Ended) -> bool:
    """Tell whether nothing came back of a call, not even 100: as we saw it, or as the edge says."""
    return bool(values_of(event.headers, UNHEARD)) or (not leg.heard and not event.by_peer)
