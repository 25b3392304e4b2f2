"""The targets of a call's rule, one after the other: each is begun, and the next follows when it fails."""

import base64
import re
import secrets
from typing import TYPE_CHECKING, Final

from telephony.calling import events
from telephony.calling.calls import Leg
from telephony.calling.causes import Cause
from telephony.calling.dialling import NO_WAY, too_far
from telephony.calling.hunt import Hunt, Way, own_carrier, ways_of
from telephony.calling.store import Announce
from telephony.calling.targets import ENDLESS, SUBSCRIPTIONS, Echo, Play
from telephony.calling.timers import Timer
from telephony.kernel.e164 import shorten
from telephony.kernel.errors import TandemError, Unavailable
from telephony.routing.ports import Attempt
from telephony.routing.rules import Kind
from telephony.routing.targets import Number, Reject, Sip, Stop, Webhook

if TYPE_CHECKING:
    from telephony.calling.conversation import Conversation

REFUSALS: Final = {
    "busy": Cause(486, 17, "The rule refuses it: busy."),
    "declined": Cause(603, 21, "The rule refuses it: declined."),
    "not-found": Cause(404, 1, "The rule refuses it: not-found."),
    "unavailable": Cause(480, 20, "The rule refuses it: unavailable."),
}

UNTAKEN: Final = Cause(480, 19, "Nothing that its rule leads to has taken it.")
DONE: Final = Cause(200, 16, "Everything was played.")
NOT_PLAYED: Final = Cause(480, 41, "It could not be played.")

PLAYED: Final = frozenset({"end", "stopped", "stream-ended"})
"""Reasons of `Played` that say that all was heard; the others say why not."""

_URI: Final = re.compile(r"sips?:(?:([^@]{1,128})@)?([^:;]+)", re.ASCII)


class Stops:
    """One call's targets. At any time it is at one of them, or at none."""

    def __init__(self, call: "Conversation") -> None:
        self._call = call
        self._doing = ""
        """`echo`, `play`, `number`, `wait`, `talk`, `taken`; empty: nothing."""
        self._playing: Play | None = None
        self._play = ""
        self._plays = 0
        self._timer: Timer | None = None
        self._why: Cause | None = None

    async def follow(self, why: Cause | None) -> None:
        """Go to the next target: the one before failed, for a reason, or is over (None)."""
        call = self._call.call
        if why is not None:
            self._why = why
            self._call.note("route.failed", "route", rule=call.rule, target=call.target, reason=why.text)
        self._clear_timer()
        self._doing = ""
        while call.stops and not self._call.ending:
            stop, call.stops = call.stops[0], call.stops[1:]
            call.target = stop.kind
            self._call.note("call.routed", "route", rule=call.rule, target=stop.kind, **_shown(stop))
            failed = await self._begin(stop)
            if not failed:
                return
            self._why = Cause(480, 3, failed)
            self._call.note("route.failed", "route", rule=call.rule, target=stop.kind, reason=failed)
        if not self._call.ending:
            main = call.main_leg
            over = main is not None and main.up and self._why is None
            await self._call.finish(DONE if over else self._why or UNTAKEN, "us")

    async def _begin(self, stop: Stop) -> str:
        """Go to a target; or return in words why that cannot be."""
        match stop.settings:
            case Reject(reason=reason):
                await self._call.finish(REFUSALS[reason], "us")
                return ""
            case Echo():
                self._doing = "echo"
            case Play():
                self._doing, self._playing = "play", stop.settings
            case Number(number=number):
                return await self._number(number, stop.seconds)
            case Sip(uri=uri):
                return await self._sip(uri, stop.seconds)
            case Webhook(url=url):
                return await self._announce(stop, url)
            case _:
                return (
                    await self._announce(stop, "") if stop.kind == SUBSCRIPTIONS else "Calls cannot go there."
                )
        if stop.seconds is not None:
            self._timer = self._call.after(stop.seconds, self._time_is_up)
        await self._media()
        return ""

    async def _media(self) -> None:
        """Let the caller hear what its target is, answered first where it has to be."""
        main = self._call.call.main_leg
        if main is None or main.over:
            return
        if self._doing == "play" and self._playing is not None and self._playing.early and not main.up:
            await self._call.ring_main(early=True)
        elif not main.up:
            await self._call.answer_main()
            return
        if self._doing == "echo":
            await self._call.plane.legs.echo(main.name)
        elif self._doing == "play" and self._playing is not None:
            self._plays += 1
            self._play = f"play-{self._plays}"
            repeat = self._playing.repeat if self._playing.repeat != ENDLESS else 0
            await self._call.plane.legs.play(main.name, self._play, self._playing.what, repeat=repeat)

    async def main_answered(self) -> None:
        """The caller's leg is up."""
        if self._doing in ("echo", "play") and not (self._doing == "play" and self._play):
            await self._media()

    async def played(self, leg: Leg, play: str, reason: str) -> None:
        """Something that played is over."""
        if self._doing != "play" or play != self._play:
            return
        self._play = ""
        self._call.note("call.played", "media", reason=reason)
        failed = reason not in PLAYED
        await self.follow(Cause(480, 41, f"{NOT_PLAYED.text} {reason}") if failed else None)

    async def _time_is_up(self) -> None:
        main = self._call.call.main_leg
        doing, self._doing = self._doing, ""
        if main is not None and not main.over:
            if doing == "echo":
                await self._call.plane.legs.echo(main.name, on=False)
            elif doing == "play" and self._play:
                play, self._play = self._play, ""
                await self._call.plane.legs.stop(main.name, play)
        await self.follow(None if doing != "wait" else Cause(480, 19, "No application took the call."))

    # --- passed on ------------------------------------------------------------------------------------------

    async def _number(self, number: str, seconds: int | None) -> str:
        call, plane = self._call.call, self._call.plane
        if far := too_far(call.hops):
            return far
        try:
            own = await plane.numbers.find(call.own)
        except Unavailable as error:
            return error.message
        attempt = Attempt(
            call.resource,
            Kind.VOICE,
            number,
            call.own,
            plane.clock.now(),
            call.id,
            "" if own is None else own.carrier,
        )
        found = plane.ways_out.ways(attempt)
        ways = ways_of(found, plane.trunks, call.resource, call.own, call.id)
        if not ways:
            return found.refusal or NO_WAY.text
        return await self._dial(ways, found.reading.number or number, seconds)

    async def _sip(self, uri: str, seconds: int | None) -> str:
        call, plane = self._call.call, self._call.plane
        if far := too_far(call.hops):
            return far
        found = _URI.match(uri)
        carrier = plane.trunks.carrier(own_carrier(call.resource))
        host = "" if found is None else found[2].lower()
        trunks = [] if carrier is None else [one for one in carrier.trunks if one.trunk.name.lower() == host]
        if carrier is None or not trunks:
            return "The resource has no SIP trunk of that name."
        number = (found[1] if found is not None else None) or call.own
        ways = [Way(carrier, one, number, call.own, call.own, "uri", host, one.up) for one in trunks]
        return await self._dial(ways, number, seconds)

    async def _dial(self, ways: list[Way], number: str, seconds: int | None) -> str:
        call = self._call.call
        self._doing = "number"
        inbound = call.direction == "inbound"
        await self._call.dialling.begin(
            Hunt(ways),
            number,
            seconds if seconds is not None else self._call.plane.settings.ring_seconds,
            display=call.display,
            reason=("no-answer" if self._why is not None else "unconditional") if inbound else "",
        )
        return ""

    def talking(self) -> None:
        """The other party is there: nothing follows any more."""
        self._clear_timer()
        self._doing = "talk"
        self._call.call.stops = ()

    # --- applications ---------------------------------------------------------------------------------------

    async def _announce(self, stop: Stop, url: str) -> str:
        call, plane = self._call.call, self._call.plane
        if call.direction != "inbound":
            return "Only calls that come can be offered to applications."
        now = plane.clock.now()
        context = base64.urlsafe_b64encode(call.resource + call.id + secrets.token_bytes(16)).decode()
        event = events.incoming_call(call, context.rstrip("="), now)
        job = Announce(call.resource, call.id, event, plane.subscriptions, plane.sealer, plane.node, now, url)
        try:
            made = await plane.store.write(job)
        except TandemError as error:
            return error.message
        if isinstance(made, str):
            return made
        plane.enqueue(made)
        self._doing = "wait"
        self._call.note("call.announced", "webhook", event=events.INCOMING, endpoints=len(made))
        seconds = stop.seconds if stop.seconds is not None else plane.settings.incoming_seconds
        self._timer = self._call.after(seconds, self._time_is_up)
        await self._call.ring_main()
        return ""

    async def take(self) -> bool:
        """An application takes the call: it is answered, and nothing follows. False: it is not offered."""
        if self._doing != "wait" or self._call.ending:
            return False
        self._clear_timer()
        self._doing = "taken"
        self._call.call.stops = ()
        self._call.note("call.taken", "webhook")
        await self._call.answer_main()
        return True

    # --- the rest -------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Go on after a restart with what the call was at."""
        call, plane = self._call.call, self._call.plane
        if call.joined:
            self._doing = "talk"
            await plane.legs.join((call.main, call.other), call.bridge)
        elif call.target == "echo":
            self._doing = "echo"
            await self._media()
        elif call.target == "play":  # what was left of it is not known any more
            await self.follow(None)
        elif call.target in ("webhook", SUBSCRIPTIONS):
            self._doing = "taken"
        else:
            await self.follow(Cause(480, 41, "It was interrupted."))

    def clear(self) -> None:
        """Nothing follows any more."""
        self._clear_timer()
        self._call.dialling.settled()
        self._doing = ""
        self._call.call.stops = ()

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


def _shown(stop: Stop) -> dict[str, object]:
    """Return what a timeline says of a target; a URL's query may hold what is nobody's business."""
    match stop.settings:
        case Webhook(url=url):
            return {"url": url.partition("?")[0].partition("#")[0]}
        case Number(number=number):
            return {"number": shorten(number)}
        case Sip(uri=uri):
            return {"host": uri.rpartition("@")[2][:64]}
        case Play(what=what):
            return {"what": what.partition("?")[0].partition("#")[0][:128]}
        case Reject(reason=reason):
            return {"reason": reason}
    return {}
