"""Calls that come: whose they are, whether their audio can be, and their answers."""

from typing import Final

import structlog

from sip.legs.board import Board
from sip.legs.headers import called_of, caller_of, told, value_of
from sip.legs.leg import Leg
from sip.legs.negotiation import objection
from sip.legs.spares import Spares
from sip.legs.trunks import TrunkDirectory, TrunkFacts
from sip.workers.admission import TRUNK
from sip.workers.messages import Answer, Hangup, Header, Incoming, Side
from telephony.calling.ports import Offered
from telephony.calling.states import LegEvent, LegState

log = structlog.get_logger(__name__)

SOURCE: Final = "X-Tandem-Source"
"""Field in which the edge says where a call came from: `transport:host:port`."""

REFUSED, UNAVAILABLE, INCOMPATIBLE = 21, 41, 65
"""Causes of Q.850."""


class Inbound:
    """What is done with calls that come."""

    def __init__(self, board: Board, spares: Spares, trunks: TrunkDirectory) -> None:
        self._board, self._spares, self._trunks = board, spares, trunks
        self.refused: dict[str, int] = {"stranger": 0, "unready": 0, "unusable": 0}
        """How many were refused here, by why."""

    def came(self, worker: int, event: Incoming) -> None:
        """A call came."""
        spare = self._spares.take(worker, event.leg)
        self._spares.fill(worker)
        if spare is None:  # of a gateway before us
            self._refuse(worker, event, "unready", 503, UNAVAILABLE)
            return
        host = source_of(event, edge=self._board.settings.edge)
        facts = self._trunk(event, host)
        why = ""
        if facts is not None and event.offer:
            required = facts.encrypts and facts.srtp == "required"
            why = objection(event.sdp, secret=facts.encrypts, required=required)
        if facts is None or why:
            self._spares.close(event.leg, spare.engine)
            if facts is None:
                self._refuse(worker, event, "stranger", 403, REFUSED)
            else:
                self._refuse(worker, event, "unusable", 488, INCOMPATIBLE, why)
            return
        leg = Leg(
            event.leg,
            Side.IN,
            worker,
            event.call,
            spare.place,
            self._board.line(spare.engine),
            facts,
            LegState.OFFERED,
            host,
            heard=True,
        )
        self._board.add(leg)
        self._board.tell(
            Offered(
                leg.name,
                facts.carrier,
                facts.name,
                called_of(event.uri, event.to),
                caller_of(event.headers, event.sender, facts),
                event.call_id,
                told(event.headers),
            )
        )

    def ring(self, leg: Leg, *, early: bool) -> None:
        """Say 180, or 183 with our address."""
        if leg.fire(LegEvent.EARLY_MEDIA if early else LegEvent.RING):
            self._board.fleet.send(leg.worker, Answer(leg.call, 183 if early else 180))

    def answer(self, leg: Leg) -> None:
        """Say 200; it is up when the ACK comes."""
        if not leg.up and not leg.ending:
            self._board.fleet.send(leg.worker, Answer(leg.call, 200))

    def _trunk(self, event: Incoming, host: str) -> TrunkFacts | None:
        if self._board.settings.edge:
            return self._trunks.labelled(value_of(event.headers, TRUNK))
        return self._trunks.by_source(host)

    def _refuse(
        self, worker: int, event: Incoming, counted: str, status: int, q850: int, why: str = ""
    ) -> None:
        self.refused[counted] += 1
        log.info("sip.call_refused", reason=counted, status=status, text=why)
        headers = [Header("Reason", f"Q.850;cause={q850}")]
        if why:
            headers.append(Header("Warning", f'399 {self._board.settings.host} "{why}"'))
        if status == 503:
            headers.append(Header("Retry-After", "2"))
        self._board.fleet.send(worker, Hangup(event.call, status, tuple(headers)))


def source_of(event: Incoming, *, edge: bool) -> str:
    """Return the address that a call came from: behind an edge, what it says."""
    said = value_of(event.headers, SOURCE) if edge else ""
    place = said.partition(":")[2] if said else event.source
    return place.rpartition(":")[0].strip("[]")
