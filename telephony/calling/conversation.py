"""One call while it lives: takes what its legs tell, one after the other, and does what follows.

Whatever happens, in whatever order, it ends in one place: `finish` hangs up what is left, and when the last
leg is over the record is written, once. What legs may do stands in `states`; what cannot happen in a leg's
state is not let through.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from telephony.calling import events, metrics
from telephony.calling.calls import Call, Leg, outcome_of
from telephony.calling.causes import Cause
from telephony.calling.charging import Charging
from telephony.calling.dialling import Dialling
from telephony.calling.journal import Journal
from telephony.calling.plane import Plane
from telephony.calling.ports import (
    Answered,
    Ended,
    Held,
    LegEvent,
    Played,
    Pressed,
    Rang,
    Resumed,
    Silent,
    Sound,
)
from telephony.calling.states import CallEvent, CallState, LegState
from telephony.calling.states import LegEvent as Step
from telephony.calling.stops import Stops
from telephony.calling.timers import Timer
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import to_text

log = structlog.get_logger(__name__)

STUCK_SECONDS: Final = 64.0
"""After which a leg that was hung up counts as over, whatever its peer does: twice Timer B (RFC 3261 §17)."""

MANY_TIMERS: Final = 64
"""Timers of one call, after which those that are over are forgotten."""

HOLD_PLAY: Final = "hold"
RINGBACK_PLAY: Final = "ringback"
"""What plays are called that no target asked for."""

Act = Callable[[], Awaitable[None]]

_SILENT: Final = Cause(200, 102, "No sound came for too long.")
_LONG: Final = Cause(200, 31, "The call was as long as calls may be.")
_STUCK: Final = Cause(408, 102, "The peer never said that it was over.")
_BROKEN: Final = Cause(500, 41, "Something of ours failed.")


class Conversation:
    """See the module."""

    def __init__(self, plane: Plane, call: Call, over: Callable[["Conversation"], None]) -> None:
        """`over` is called once, when nothing is left to be done."""
        self.plane, self.call, self._over = plane, call, over
        self.journal = Journal(
            call,
            store=plane.store,
            clock=plane.clock,
            node=plane.node,
            subscriptions=plane.subscriptions,
            enqueue=plane.enqueue,
            lost=self._taken_over,
        )
        self.dialling = Dialling(self)
        self.stops = Stops(self)
        self.charging = Charging(self)
        self.ending = False
        self._inbox: deque[LegEvent | Act] = deque()
        self._working = False
        self._timers: set[Timer] = set()
        self._ringback = False
        self._done = False

    # --- what comes in --------------------------------------------------------------------------------------

    def put(self, what: LegEvent | Act) -> None:
        """Take something; it is done after what came before."""
        self._inbox.append(what)
        if not self._working:
            self._working = True
            self.plane.spawn(self._work(), f"calling.{to_text(self.call.id)}")

    def after(self, seconds: float, act: Act) -> Timer:
        """Do something after a while, unless the call is over by then."""
        timer = self.plane.timers.after(seconds, lambda: self.put(act))
        if len(self._timers) >= MANY_TIMERS:  # a long call's budget is looked after thousands of times
            self._timers = {each for each in self._timers if each.act is not None}
        self._timers.add(timer)
        return timer

    async def _work(self) -> None:
        try:
            while self._inbox:
                what = self._inbox.popleft()
                try:
                    if callable(what):
                        await what()  # each looks itself whether it comes too late
                    else:
                        await self._take(what)
                except Exception:  # one call that we stumble over must neither stay up nor disturb others
                    log.exception("calling.failed", call=to_text(self.call.id))
                    await self.finish(_BROKEN, "us")
                self.journal.save()
        finally:
            self._working = False

    async def _take(self, event: LegEvent) -> None:
        leg = self.call.legs.get(event.leg)
        if leg is None or leg.over:
            return
        match event:
            case Rang():
                await self._rang(leg, event)
            case Answered():
                await self._answered(leg, event.codec)
            case Held():
                await self._held(leg, on=event.on)
            case Pressed():
                await self._pressed(leg, event)
            case Played():
                if not leg.given_up:
                    await self.stops.played(leg, event.play, event.reason)
            case Silent():
                await self._silent(leg)
            case Ended():
                await self.ended(leg, event)
            case _:
                pass

    # --- legs -----------------------------------------------------------------------------------------------

    async def _rang(self, leg: Leg, event: Rang) -> None:
        if not leg.fire(Step.EARLY_MEDIA if event.early else Step.RING):
            return
        self.note_leg(leg, "leg.early" if event.early else "leg.ringing", status=event.status)
        if leg.rang is None:
            leg.rang = self.plane.clock.now()
        if not leg.given_up:
            self.call.fire(CallEvent.RING)
            await self.dialling.rang(leg, early=event.early)

    async def _answered(self, leg: Leg, codec: str) -> None:
        if not leg.fire(Step.ANSWER):
            return
        leg.answered, leg.answered_mono = self.plane.clock.now(), self.plane.clock.monotonic()
        leg.codec = codec
        self.note_leg(leg, "leg.answered", status=200, codec=codec)
        if leg.given_up:  # its answer crossed our CANCEL (RFC 3261 §9.1)
            await self.plane.legs.hang_up(leg.name)
            return
        self.charging.begin(leg)
        if leg.name == self.call.main:
            await self._main_answered()
        else:
            await self.dialling.answered(leg)

    async def _main_answered(self) -> None:
        call = self.call
        first = call.answered is None
        call.fire(CallEvent.ANSWER)
        if first:
            call.answered = self.plane.clock.now()
            self.journal.tell(events.call_started(call, call.answered))
            self.after(self.plane.settings.most_hours * 3600.0, lambda: self.finish(_LONG, "us"))
        if call.direction == "outbound" and first:
            self.dialling.settled()
            if call.stops:  # else whoever placed it says what follows
                await self.stops.follow(None)
        else:
            await self.stops.main_answered()

    async def _held(self, leg: Leg, *, on: bool) -> None:
        if not leg.fire(Step.HOLD if on else Step.RESUME):
            return
        self.note_leg(leg, "leg.held" if on else "leg.resumed")
        partner = self.call.partner(leg)
        if partner is None or not partner.up or leg.given_up:
            return
        if self.plane.settings.hold == "pass":
            await self.plane.legs.hold(partner.name, on=on)
        elif on:
            await self.plane.legs.play(partner.name, HOLD_PLAY, Sound.MUSIC, repeat=0)
        else:
            await self.plane.legs.stop(partner.name, HOLD_PLAY)

    async def _pressed(self, leg: Leg, event: Pressed) -> None:
        # Which digit is nobody's business: people type card numbers.
        self.note_leg(leg, "leg.digit", by=event.by)
        partner = self.call.partner(leg)
        if partner is None or not partner.up:
            return
        if event.by == "inband" and partner.dtmf == "inband":
            return  # its tone went through with the sound
        await self.plane.legs.press(partner.name, event.digit)

    async def _silent(self, leg: Leg) -> None:
        partner = self.call.partner(leg)
        if leg.state is LegState.HELD or (partner is not None and partner.state is LegState.HELD):
            return  # whoever is held may be silent (R15)
        self.note_leg(leg, "leg.silent")
        await self.finish(_SILENT, "us")

    async def ended(self, leg: Leg, event: Ended) -> None:
        """A leg is over."""
        if not leg.fire(Step.END):
            return
        now = self.plane.clock.now()
        leg.ended, leg.cause, leg.quality = now, event.cause, event.quality
        leg.codec = event.quality.codec or leg.codec
        if leg.answered is not None:
            leg.length = self._length(leg, now)
        self.note_leg(
            leg,
            "leg.lost" if event.lost else "leg.ended",
            status=event.cause.sip,
            q850=event.cause.q850,
            reason=event.cause.text,
            by="peer" if event.cause.by_peer else "us" if leg.given_up else "",
            mos=event.quality.mos,
            lost=event.quality.lost,
            jitter=event.quality.jitter_ms,
        )
        self.plane.ceilings.release(leg.carrier, leg.trunk)
        self.charging.end(leg)
        self.dialling.left(leg)
        if self.ending or leg.given_up:
            await self._conclude()
        elif leg.name == self.call.main and (leg.came or leg.answered is not None):
            await self._main_ended(leg, event)
        elif leg.name == self.dialling.leg:
            await self.dialling.ended(leg, event)
        else:
            party = "callee" if self.call.direction == "inbound" else "other"
            await self.finish(event.cause, party, lost=event.lost)

    async def _main_ended(self, leg: Leg, event: Ended) -> None:
        inbound = self.call.direction == "inbound"
        cause = event.cause
        if leg.answered is None and not event.lost:
            cause = Cause(487, cause.q850, cause.text or "The caller hung up.", cause.by_peer, cause.told)
        await self.finish(cause, "caller" if inbound else "callee", lost=event.lost)

    def _length(self, leg: Leg, now: int) -> int:
        """Return how long a leg was up: by the clock that nobody sets, where this process saw the answer."""
        if leg.answered_mono:
            return max(1, round((self.plane.clock.monotonic() - leg.answered_mono) * SECOND))
        return max(1, now - (leg.answered or now))

    # --- what others ask for --------------------------------------------------------------------------------

    async def answer_main(self) -> None:
        """Answer the caller; `stops.main_answered` follows when its ACK is there."""
        main = self.call.main_leg
        if main is not None and main.came and not main.up and not main.over and not main.given_up:
            self.note_leg(main, "leg.answering", status=200)
            await self.plane.legs.answer(main.name)

    async def ring_main(self, *, early: bool = False) -> None:
        """Let the caller know that it rings: 180, 183 with sound, or a tone when it was answered already."""
        main = self.call.main_leg
        if main is None or main.over or main.given_up:
            return
        if main.up or main.state is LegState.EARLY:
            if not early and not self._ringback:
                self._ringback = True
                await self.plane.legs.play(main.name, RINGBACK_PLAY, Sound.RINGBACK, repeat=0)
            return
        if not main.came:
            return
        if main.state is LegState.RINGING and not early:
            return  # it knows
        if main.fire(Step.EARLY_MEDIA if early else Step.RING):
            main.rang = main.rang or self.plane.clock.now()
            self.call.fire(CallEvent.RING)
            self.note_leg(main, "leg.early" if early else "leg.ringing", status=183 if early else 180)
            await self.plane.legs.ring(main.name, early=early)

    async def stop_ringback(self) -> None:
        """Take the ringing tone away."""
        if self._ringback and self.call.main_leg is not None:
            self._ringback = False
            await self.plane.legs.stop(self.call.main, RINGBACK_PLAY)

    async def join(self, other: Leg) -> None:
        """Let the main leg and another hear each other."""
        call = self.call
        if not call.joined:
            call.other, call.joined = other.name, True
            await self.plane.legs.join((call.main, other.name), call.bridge)
            self.journal.change()

    async def part(self) -> None:
        """Let nobody hear each other any more."""
        call = self.call
        if call.joined:
            call.joined = False
            if (main := call.main_leg) is not None and not main.over:
                await self.plane.legs.part(main.name)

    async def give_up(self, leg: Leg, status: int = 0, q850: int = 16) -> None:
        """Hang up a leg, whatever its state; its `Ended` follows."""
        if leg.over or leg.given_up:
            return
        leg.given_up = True
        if not leg.came:
            leg.fire(Step.CANCEL)  # only before the answer
        self.after(STUCK_SECONDS, lambda: self.ended(leg, Ended(leg.name, _STUCK)))
        await self.plane.legs.hang_up(leg.name, status, q850)

    async def finish(self, cause: Cause, by: str, *, lost: bool = False) -> None:
        """End the call: whoever is still there is hung up. The first cause counts."""
        if self.ending:
            return
        self.ending = True
        call = self.call
        call.cause, call.ended_by = cause, by
        self.stops.clear()
        call.fire(outcome_of(call, cause, lost=lost))
        status = cause.sip if cause.sip >= 300 else 480
        for leg in call.open_legs:
            waits = leg.came and not leg.up
            try:
                await self.give_up(leg, passed_on(status) if waits else 0, cause.q850)
            except Exception:  # the others have to be hung up all the same
                log.exception("calling.not_hung_up", call=to_text(call.id))
        await self._conclude()

    async def _conclude(self) -> None:
        """Write the record when the last leg is over."""
        call = self.call
        if not self.ending or self._done or call.open_legs:
            return
        self._done = True
        for timer in self._timers:
            timer.stop()
        call.ended = self.plane.clock.now()
        assert call.cause is not None
        for leg in call.legs.values():
            if leg.meter is not None:
                self.journal.charge(leg.meter, leg.length)
        self.note(
            "call.ended",
            state=call.state.value,
            status=call.cause.sip,
            q850=call.cause.q850,
            reason=call.cause.text,
            by=call.ended_by,
        )
        self.journal.tell(events.call_ended(call, call.ended))
        metrics.CALLS.labels(call.direction, call.state.value).inc()
        self.journal.save()
        self.plane.spawn(self._settle(), "calling.settle")

    async def _settle(self) -> None:
        await self.journal.settled()
        self._over(self)

    def _taken_over(self) -> None:
        """Another node has the call: what is left of it here is not ours to end."""
        log.warning("calling.taken_over", call=to_text(self.call.id))
        self.ending = self._done = True
        for timer in self._timers:
            timer.stop()
        for leg in self.call.open_legs:
            self.plane.ceilings.release(leg.carrier, leg.trunk)
            self.dialling.left(leg)
        self._over(self)

    # --- the timeline ---------------------------------------------------------------------------------------

    def note(self, kind: str, source: str = "call", **data: object) -> None:
        """Put something on the timeline."""
        self.journal.note(source, kind, **data)

    def note_leg(self, leg: Leg, kind: str, **data: object) -> None:
        """Put something that happened to a leg on the timeline."""
        side = "in" if leg.came else "out"
        self.journal.note("sip", kind, leg=leg.name, side=side, trunk=f"{leg.carrier}/{leg.trunk}", **data)

    # --- after a restart ------------------------------------------------------------------------------------

    async def go_on(self, found: dict[str, Resumed]) -> None:
        """Go on with a call of an earlier process: `found` are its legs that are still there."""
        call = self.call
        for leg in call.legs.values():
            if leg.over:
                continue
            self.plane.ceilings.hold(leg.carrier, leg.trunk)
            if (resumed := found.get(leg.name)) is None:
                await self._gone(leg)
            else:
                leg.state = resumed.state if leg.answered is not None else leg.state
                leg.codec = resumed.codec or leg.codec
        self.note("call.resumed", legs=len(call.open_legs))
        main = call.main_leg
        if (
            call.state is not CallState.TALKING
            or main is None
            or main.over
            or (call.joined and (call.other_leg is None or call.other_leg.over))
        ):
            await self.finish(_RESTARTED, "us", lost=True)
        else:
            for leg in call.open_legs:
                self.charging.resume(leg)
            await self.stops.resume()
        await self._conclude()

    async def _gone(self, leg: Leg) -> None:
        now = self.plane.clock.now()
        leg.fire(Step.END)
        leg.given_up, leg.ended, leg.cause = True, now, _RESTARTED
        if leg.answered is not None:
            leg.length = self.charging.known_length(leg, now)
        self.note_leg(leg, "leg.lost", status=_RESTARTED.sip, q850=_RESTARTED.q850, reason=_RESTARTED.text)
        self.plane.ceilings.release(leg.carrier, leg.trunk)


_RESTARTED: Final = Cause(500, 41, "It was lost while the gateway was away.")


def passed_on(status: int) -> int:
    """Return the status that a caller gets for one that a callee's side gave.

    A redirection and a challenge were meant for us (RFC 3261 §16.7 lets neither through).
    """
    if status in (401, 407):
        return 503
    return status if status >= 400 else 480
