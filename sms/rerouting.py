"""The next carrier for messages that theirs does not take: found by the routes in force, and given to it.

The decision is made anew when a message is moved, without the carriers that were tried. Each carrier is tried
once, and three at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from sms.message import Outbound
from sms.outgoing import Encode
from sms.states import MessageState
from sms.store.finish import MAX_SOURCE
from sms.store.reroute import Move, Moved, MoveMessages
from sms.store.waiting import CarriersWithWork, Waiting
from sms.ways import MOST_CARRIERS, NoRoute, Outward, Party, find_way
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Conflict, InvalidRequest, LimitForbids, Unavailable
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.routing.decide import Hop
from telephony.usage.counters import Most
from telephony.usage.record import Charge

log = structlog.get_logger(__name__)

SOURCE: Final = "rerouting"
GONE: Final = "the carrier is not there any more"

MOST: Final = 200
"""Messages a job: a bigger one would hold everybody's commit up."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A message that its carrier does not take. Nothing of it is on the wire, and no part was taken."""

    message: Outbound
    reason: str
    source: str
    """Who says so, for the timeline."""


@dataclass(frozen=True, slots=True)
class Left:
    """What became of such messages."""

    moved: Sequence[Outbound]
    """Theirs to send no more: another carrier's, or over."""
    stay: Sequence[Leaving]
    """There is no other carrier for them."""


class Rerouting:
    """Moves messages. `offer` hands them to their new carrier's dispatcher, `encoder` returns what encodes a
    carrier's texts."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        outward: Outward,
        encoder: Callable[[str], Encode],
        offer: Callable[[str, Sequence[Outbound]], None],
    ) -> None:
        self._store, self._clock, self._node = store, clock, node
        self._ways, self._numbers, self._limits = outward.ways, outward.numbers, outward.limits
        self._encoder, self._offer = encoder, offer

    async def move(self, carrier: str, leaving: Sequence[Leaving], *, only_up: bool = False) -> Left:
        """Give messages of a carrier to the next one that takes each; at most `MOST` at once.

        `only_up` leaves out carriers that cannot be reached now. Waits out a store that is away.
        """
        moves: dict[bytes, Move] = {}
        stay: list[Leaving] = []
        for one in leaving:
            found = await self._next(carrier, one, only_up)
            if found is None:
                stay.append(one)
            else:
                moves[one.message.id] = found
        if not moves:
            return Left((), stay)
        job = MoveMessages(self._node, carrier, self._clock.now(), tuple(moves.values()))
        try:
            done = await self._store.write_until_done(job)
        except Exception as error:  # whatever it is, they are still where they were
            if not isinstance(error, Unavailable):
                log.exception("rerouting.failed", carrier=carrier, count=len(moves))
            return Left((), leaving)
        return self._hand_over(carrier, leaving, moves, done, stay)

    def _hand_over(
        self,
        carrier: str,
        leaving: Sequence[Leaving],
        moves: dict[bytes, Move],
        done: Moved,
        stay: list[Leaving],
    ) -> Left:
        offered: dict[str, list[Outbound]] = {}
        gone: list[Outbound] = []
        for one in leaving:
            message, move = one.message, moves.get(one.message.id)
            if move is None:
                continue
            if message.id in done.too_dear:
                stay.append(one)
                continue
            gone.append(message)
            detail = done.details.get(message.id)
            if detail is not None and not message.over:
                onward = replace(
                    message,
                    done=set(),
                    on_wire=0,
                    over=False,
                    leaving="",
                    tried=detail.tried,
                    doubt=bool(detail.doubt),
                    again=detail.doubt,
                )
                offered.setdefault(move.to, []).append(onward)
        for to, messages in offered.items():
            log.info("rerouting.moved", count=len(messages), carrier=carrier, to=to)
            self._offer(to, messages)
        return Left(gone, stay)

    async def again(self, message: Outbound, carrier: str) -> Move:
        """Return by which carrier a message goes that is to be sent anew; `carrier` had it last.

        Raises NoRoute, Conflict when its sender is not its resource's any more or no carrier may take it,
        Unavailable when the store is away.
        """
        owned = await self._numbers.find(message.own)
        if owned is None or owned.resource != message.resource:
            raise Conflict("The sender is not a phone number of the resource any more.", target="messageId")
        party = Party(message.resource, message.own, owned.carrier)
        _, hops = find_way(self._ways, party, message.peer, self._clock.now(), message.id)
        for hop in hops:
            move = self._by(hop, carrier, Leaving(message, "sent again", ""))
            if move is not None:
                return move
        raise Conflict("No carrier that a route leads to may take the message.", target="messageId")

    async def empty(self, carrier: str) -> int:
        """Give away what waits for a carrier that is not there any more; return how many messages went.

        What no other carrier takes waits for it on. Raises Unavailable when the store is away.
        """
        moved = 0
        for state in (MessageState.ACCEPTED, MessageState.SUBMITTING):
            after: Outbound | None = None
            while page := await self._store.read(Waiting(self._node, carrier, state, MOST, after)):
                after = page[-1]
                left = await self.move(carrier, [Leaving(one, GONE, SOURCE) for one in page])
                moved += len(left.moved)
        return moved

    async def empty_others(self, there: Callable[[str], bool]) -> None:
        """Give away what waits for any carrier that is not there. Raises Unavailable."""
        for carrier in await self._store.read(CarriersWithWork(self._node)):
            if not there(carrier):
                await self.empty(carrier)

    async def _next(self, carrier: str, one: Leaving, only_up: bool) -> Move | None:
        """Return how a message goes on; None: it does not. Waits for the store once in a while."""
        message = one.message
        tried = (*message.tried, carrier)
        if len(tried) >= MOST_CARRIERS:
            return None
        try:
            owned = await self._numbers.find(message.own)
        except Unavailable:
            return None
        if owned is None or owned.resource != message.resource:  # it was given up meanwhile
            return None
        party = Party(message.resource, message.own, owned.carrier)
        try:
            _, hops = find_way(self._ways, party, message.peer, self._clock.now(), message.id, tried)
        except (NoRoute, InvalidRequest):
            return None
        for hop in hops:
            if not only_up or hop.up:
                move = self._by(hop, carrier, one)
                if move is not None:
                    return move
        return None

    def _by(self, hop: Hop, carrier: str, one: Leaving) -> Move | None:
        """Return a move to a carrier; None when that one cannot take the text, or must not."""
        message = one.message
        encode = self._encoder(hop.target)
        try:
            if message.extras is None:
                text = encode(message.text)
            else:
                text = encode(message.text, message.extras.envelope)
        except InvalidRequest:
            return None
        charge: Charge | None = None
        counters: tuple[Most, ...] = ()
        if self._limits is not None:
            try:
                admission = self._limits.anew(
                    message.resource, hop.target, message.own, message.peer, text.segments
                )
            except LimitForbids:
                return None
            (verdict,) = admission.verdicts
            if not isinstance(verdict, Charge):
                return None
            charge, counters = verdict, admission.counters
        doubt = f"{carrier} may have it: {one.reason}" if message.doubt else ""
        return Move(
            (message.resource, message.id),
            hop.target,
            hop.route,
            text.segments,
            text.alphabet.value,
            one.reason,
            one.source[:MAX_SOURCE],
            doubt,
            charge,
            counters,
        )
