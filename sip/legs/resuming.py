"""Legs that were there before this process: what workers hold and what engines have, matched by their names.

Workers and engines outlive a gateway. One that starts connects to both; what both know goes on, what only one
of them knows is ended there. The same is done when a connection was lost and made again.
"""

import asyncio
from typing import Final

import structlog

from sip.legs.board import Board
from sip.legs.bridges import Bridges
from sip.legs.leg import Leg
from sip.legs.line import TROUBLES
from sip.legs.spares import Spares
from sip.legs.trunks import TrunkDirectory
from sip.media.protocol import LegState as Found
from sip.media.protocol import Survey, Surveyed
from sip.workers.messages import Hangup, Header, Holding, Side
from telephony.calling.causes import cause_of, write_reason
from telephony.calling.ports import Ended, Resumed
from telephony.calling.states import LegState

log = structlog.get_logger(__name__)

SETTLE_SECONDS: Final = 5.0
"""How long workers and engines may take to come, until what is not matched is ended: each says within a
second of our start what it has, when it is there at all."""

_STATES: Final = {
    (Side.IN, "incoming"): LegState.OFFERED,
    (Side.IN, "early"): LegState.RINGING,
    (Side.OUT, "calling"): LegState.DIALLING,
    (Side.OUT, "early"): LegState.RINGING,
}


class Resuming:
    """Matches them."""

    def __init__(self, board: Board, spares: Spares, bridges: Bridges, trunks: TrunkDirectory) -> None:
        self._board, self._spares, self._bridges, self._trunks = board, spares, bridges, trunks
        self._strays: dict[str, tuple[str, Found]] = {}
        """Legs of engines that nobody has claimed yet, with their engines."""
        self._held: dict[tuple[int, str], Holding] = {}
        """Calls of workers whose audio has not been found yet."""
        self._listed: dict[int, set[str]] = {}
        """Calls that a worker which is greeting has told of."""
        self._surveyed: set[str] = set()
        self._greeted: set[int] = set()
        self._settled = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to wait for both."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SETTLE_SECONDS, self._settle)

    def stop(self) -> None:
        """Stop waiting."""
        if self._timer is not None:
            self._timer.cancel()

    # --- engines --------------------------------------------------------------------------------------------

    def engine_back(self, engine: str) -> None:
        """An engine is there: ask what it has."""
        self._board.later(self._survey(engine), "survey")

    def engine_lost(self, engine: str) -> None:
        """An engine is gone with its legs."""
        self._strays = {name: each for name, each in self._strays.items() if each[0] != engine}

    async def _survey(self, engine: str) -> None:
        after = ""
        while True:
            try:
                page = await self._board.engines.ask(engine, Survey(after))
            except TROUBLES as error:
                log.warning("sip.no_survey", engine=engine, reason=str(error))
                return
            assert isinstance(page, Surveyed)
            for each in page.legs:
                if not self._known(each.leg):
                    self._strays[each.leg] = (engine, each)
            if not page.more or not page.legs:
                break
            after = page.legs[-1].leg
        self._surveyed.add(engine)
        self._match()

    def _known(self, leg: str) -> bool:
        return leg in self._board.legs or self._spares.knows(leg) or self._bridges.knows(leg)

    # --- workers --------------------------------------------------------------------------------------------

    def worker_back(self, worker: int) -> None:
        """A worker greets."""
        self._listed[worker] = set()

    def holding(self, worker: int, event: Holding) -> None:
        """A worker has a call."""
        self._listed.setdefault(worker, set()).add(event.call)
        if self._board.of(worker, event.call) is None:
            self._held[worker, event.call] = event

    def greeting(self, worker: int) -> bool:
        """Tell whether a worker still tells what was before it was connected."""
        return worker in self._listed

    def worker_settled(self, worker: int) -> None:
        """A worker has told all: calls that it does not have any more are lost."""
        listed = self._listed.pop(worker, set())
        for leg in self._board.on_worker(worker):
            if leg.call not in listed:
                self._board.lose(leg)
        self._greeted.add(worker)
        self._match()

    def worker_lost(self, worker: int) -> None:
        """A worker is gone with its calls."""
        for key in [key for key in self._held if key[0] == worker]:
            self._gone(self._held.pop(key))

    # --- both -----------------------------------------------------------------------------------------------

    def _match(self) -> None:
        for (worker, call), event in list(self._held.items()):
            stray = self._strays.pop(event.leg, None)
            if stray is not None:
                del self._held[worker, call]
                self._resume(worker, event, *stray)
        board = self._board
        everything = not board.fleet.away() and set(board.engines.clients) <= self._surveyed
        if everything or self._settled:
            self._settle()

    def _resume(self, worker: int, event: Holding, engine: str, found: Found) -> None:
        board = self._board
        if event.place is None:
            return
        facts = self._trunks.labelled(event.note)
        source = event.source.rpartition(":")[0]
        if facts is None and source:
            facts = self._trunks.by_source(source)
        leg = Leg(
            event.leg,
            event.side,
            worker,
            event.call,
            event.place,
            board.line(engine),
            facts,
            _STATES.get((event.side, event.state), LegState.UP),
            source,
            heard=event.state != "calling",
        )
        leg.holding = event.remote is not None and event.remote.direction == "recvonly"
        board.engines.found(leg.name, engine)
        board.add(leg)
        if found.bridge:
            self._bridges.found(leg, found.bridge)
        board.negotiate(leg, event.remote)
        if leg.up and leg.held:
            leg.state = LegState.HELD
        board.tell(Resumed(leg.name, leg.state, leg.codec))

    def _settle(self) -> None:
        """End what was not matched."""
        self.stop()
        self._settled = True
        for (worker, call), event in list(self._held.items()):
            headers = (Header("Reason", write_reason(41)),)
            self._board.fleet.send(worker, Hangup(call, 503, headers))
            self._gone(event)
        self._held.clear()
        for name, (engine, _) in self._strays.items():
            if not self._known(name):
                self._spares.close(name, engine)
        if self._strays:
            log.info("sip.leftovers_closed", legs=len(self._strays))
        self._strays.clear()

    def _gone(self, event: Holding) -> None:
        """A call of the process before us cannot go on."""
        self._board.tell(Ended(event.leg, cause_of(503, told=write_reason(41)), lost=True))
