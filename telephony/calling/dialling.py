"""Calls a party for a call: trunk after trunk (R8), while the caller hears how it goes."""

from typing import TYPE_CHECKING, Final

from telephony.calling import hops as passing
from telephony.calling.calls import MAX_HOPS, Leg, Meter, dialled_leg
from telephony.calling.causes import Cause
from telephony.calling.failover import Fault
from telephony.calling.hunt import Hunt, Way
from telephony.calling.metrics import FAILOVERS
from telephony.calling.ports import Dialled, Ended, NoRoom
from telephony.calling.states import LegState
from telephony.calling.timers import Timer
from telephony.kernel.e164 import parse_e164, shorten
from telephony.kernel.errors import LimitForbids, LimitReached, Unavailable
from telephony.kernel.ids import to_text

if TYPE_CHECKING:
    from telephony.calling.conversation import Conversation

NO_ANSWER: Final = Cause(480, 19, "Nobody answered.")
NO_WAY: Final = Cause(404, 3, "No route takes this number now.")
NO_TRUNK: Final = Cause(503, 34, "No trunk can take the call now.")
NO_ROOM: Final = Cause(503, 34, "This node has no room for another leg.")
NO_BUDGET: Final = Cause(403, 57, "The budget of the day has no room for it (daily_budget).")
AWAY: Final = Cause(503, 41, "The store is away.")


class Dialling:
    """One call's dialling: of its first leg, or of the one that it is joined to."""

    def __init__(self, call: "Conversation") -> None:
        self._call = call
        self.leg = ""
        """The leg that is being called; empty: none."""
        self._hunt: Hunt | None = None
        self._timer: Timer | None = None
        self._number = ""
        self._display = ""
        self._reason = ""
        self._again = False
        self._first = False
        self._why: Cause = NO_TRUNK
        self._made = 0
        self._circles: dict[str, tuple[str, str]] = {}

    async def begin(
        self,
        hunt: Hunt,
        number: str,
        seconds: float,
        *,
        display: str = "",
        reason: str = "",
        counted: bool = False,
        first: bool = False,
    ) -> None:
        """Call a number by the trunks of a hunt, for so many seconds in all.

        `reason`: why it is passed on, for Diversion; empty: it is not. `counted`: for its rate, already.
        `first`: it is the leg that the call is about.
        """
        self._hunt, self._number, self._display, self._reason = hunt, number, display, reason
        self._again, self._first, self._why = counted, first, NO_TRUNK
        self._timer = self._call.after(seconds, self._no_answer)
        await self._next()

    async def _next(self) -> None:
        """Try the next trunk that may be asked."""
        hunt = self._hunt
        assert hunt is not None
        while (way := hunt.take()) is not None:
            meter, refusal = await self._admitted(way)
            if meter is None:
                self._call.note("call.way-skipped", "route", **_told(way), reason=refusal)
                continue
            await self._dial(way, meter)
            return
        await self._failed(self._why)

    async def _admitted(self, way: Way) -> tuple[Meter | None, str]:
        """Count a leg by a way everywhere; or return in words why it may not be."""
        call, plane = self._call.call, self._call.plane
        assert self._hunt is not None
        if down := self._hunt.skips(way):
            return None, down
        if not call.emergency:
            if stranger := await self._stranger(way):
                self._why = Cause(403, 21, stranger)
                return None, stranger
            try:
                if parse_e164(self._number) is None:  # a name at the resource's own SBC
                    admission = plane.limits.call_own(call.resource, way.carrier.name, again=self._again)
                else:
                    admission = plane.limits.call(
                        call.resource, way.carrier.name, way.shown, self._number, again=self._again
                    )
            except (LimitForbids, LimitReached) as error:
                status = 503 if isinstance(error, LimitReached) else 403
                self._why = Cause(status, 42 if status == 503 else 57, error.message)
                return None, error.message
            self._again = True
        else:
            admission = plane.limits.emergency(call.resource)
        if full := plane.ceilings.take(way.carrier, way.trunk):
            return None, full
        meter = Meter(admission, way.carrier.name, "outbound")
        try:
            if await self._call.charging.reserve(meter):
                return meter, ""
            self._why = NO_BUDGET
        except Unavailable:
            self._why = AWAY
        plane.ceilings.release(way.carrier.name, way.trunk.trunk.name)
        return None, self._why.text

    async def _stranger(self, way: Way) -> str:
        """Return why a caller id may not be shown; empty: it may (R31)."""
        call, plane = self._call.call, self._call.plane
        if way.shown == call.own:
            return ""  # looked at when the call began
        try:
            owner = await plane.numbers.find(way.shown)
        except Unavailable as error:
            return error.message
        if owner is not None and owner.resource == call.resource:
            return ""
        if plane.callers.verified(call.resource, way.shown):
            return ""
        return "The caller id of the route is not the resource's own, and not verified."

    async def _dial(self, way: Way, meter: Meter) -> None:
        conversation, call = self._call, self._call.call
        plane, hunt = conversation.plane, self._hunt
        assert hunt is not None
        for before in call.legs.values():  # what a trunk before reserved
            if not before.came and before.over and before.answered is None:
                conversation.charging.give_back(before)
        self._made += 1
        name = f"{to_text(call.id)}-{self._made}"
        if name in call.legs:  # of a process before this one
            self._made = len(call.legs) + 1
            name = f"{to_text(call.id)}-{self._made}"
        facts = way.trunk
        leg = dialled_leg(name, way.carrier.name, facts.trunk.name, self._number, plane.clock.now())
        leg.meter, leg.dtmf = meter, facts.dtmf
        call.legs[name] = leg
        self.leg = name
        if self._first:
            call.main = name
        elif not call.joined:
            call.other = name
        hunt.attempts += 1
        headers: list[tuple[str, str]] = []
        if self._reason:
            hops = call.hops + 1
            headers += passing.diversion(facts.diversion, call.own, self._number, self._reason, hops)
            self._circles[name] = (way.shown, self._number)
            known = plane.passed_on.get(self._circles[name], 0)
            plane.passed_on[self._circles[name]] = max(known, hops)  # another call's must not hide a circle
        conversation.note_leg(
            leg,
            "leg.dialled",
            attempt=hunt.attempts,
            number=shorten(way.number),
            route=way.route,
            prefix=way.prefix,
        )
        dialled = Dialled(
            name,
            facts.trunk,
            way.number,
            way.sender,
            self._display,
            way.privacy,
            tuple(headers),
            beside=call.main,
        )
        try:
            await plane.legs.dial(dialled)
        except NoRoom:
            self._why = NO_ROOM
            hunt.ways.clear()  # no trunk helps there
            await conversation.ended(leg, Ended(name, NO_ROOM))

    async def rang(self, leg: Leg, *, early: bool) -> None:
        """A leg rings: so does the caller."""
        if leg.name != self.leg or self._first:
            return
        await self._call.ring_main(early=early)
        main = self._call.call.main_leg
        if early and main is not None and not main.over:
            await self._call.stop_ringback()
            await self._call.join(leg)

    async def answered(self, leg: Leg) -> None:
        """A leg that is no main one was answered: let both hear each other."""
        if leg.name != self.leg:
            await self._call.give_up(leg)
            return
        self.settled()
        await self._call.stop_ringback()
        await self._call.join(leg)
        await self._call.answer_main()
        self._call.stops.talking()

    async def ended(self, leg: Leg, event: Ended) -> None:
        """A leg that was called is over; nobody gave it up."""
        if leg.answered is not None:
            self.leg = ""
            await self._call.finish(event.cause, "callee", lost=event.lost)
            return
        hunt = self._hunt
        assert hunt is not None
        outcome: int | Fault = event.cause.sip
        if event.unheard:
            outcome = Fault.SILENT
        elif event.lost:
            outcome = Fault.TRANSPORT
        why = hunt.goes_on(outcome, rang=leg.rang is not None, cancelled=self._call.ending)
        if event.cause is NO_ROOM:
            why = NO_ROOM.text
        self._call.note(
            "call.way-failed",
            "route",
            trunk=f"{leg.carrier}/{leg.trunk}",
            outcome=outcome.value if isinstance(outcome, Fault) else outcome,
            then=why or "the next trunk",
        )
        self.leg = ""
        await self._call.part()
        if why:
            await self._failed(event.cause)
            return
        FAILOVERS.inc()
        self._why = event.cause
        await self._next()

    async def _no_answer(self) -> None:
        leg = self._call.call.legs.get(self.leg)
        if leg is None or leg.up or self._call.ending:
            return
        self.leg = ""
        rang = leg.state in (LegState.RINGING, LegState.EARLY)
        cause = NO_ANSWER if rang else Cause(480, 18, "The network did not say whether it rings.")
        self._call.note("call.no-answer", "route", trunk=f"{leg.carrier}/{leg.trunk}")
        await self._call.part()
        await self._call.give_up(leg, q850=cause.q850)
        await self._failed(cause)

    async def abandon(self) -> None:
        """Call nobody any more: something else follows."""
        self.settled()
        leg = self._call.call.legs.get(self.leg)
        self.leg = ""
        if leg is not None and not leg.up:
            await self._call.part()
            await self._call.give_up(leg)

    async def _failed(self, cause: Cause) -> None:
        self.settled()
        if self._first:
            await self._call.finish(cause, "callee" if cause.by_peer else "us")
        else:
            await self._call.stops.follow(cause)

    def settled(self) -> None:
        """It rings no more: it was answered, or given up."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._hunt = None if self._call.ending else self._hunt

    def left(self, leg: Leg) -> None:
        """A leg is over: it is in no circle any more."""
        circle = self._circles.pop(leg.name, None)
        if circle is not None:
            self._call.plane.passed_on.pop(circle, None)


def too_far(hops: int) -> str:
    """Return why a call is not passed on once more; empty: it is (R32)."""
    return f"It goes in a circle: it was passed on {MAX_HOPS} times." if hops >= MAX_HOPS else ""


def _told(way: Way) -> dict[str, object]:
    return {"trunk": f"{way.carrier.name}/{way.trunk.trunk.name}", "route": way.route}
