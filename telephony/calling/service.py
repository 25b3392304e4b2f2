"""The calls of a node: those that come, those that are placed, those that an earlier process left."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, select

from telephony.calling import inbound, metrics
from telephony.calling.calls import Call, Leg
from telephony.calling.causes import Cause
from telephony.calling.conversation import Conversation
from telephony.calling.inbound import Arrived, Why
from telephony.calling.outbound import Placed, cause_of_error, prepare
from telephony.calling.plane import Plane
from telephony.calling.ports import LegEvent, Offered, Resumed
from telephony.calling.states import CallEvent
from telephony.calling.states import LegEvent as Step
from telephony.calling.store import BeginCall, MyCalls, Values
from telephony.kernel.e164 import shorten
from telephony.kernel.errors import Conflict, LimitForbids, NotFound, TandemError, Unavailable
from telephony.kernel.ids import InteractionId, ResourceId, to_text
from telephony.kernel.store.schema import interactions
from telephony.numbers.tables import numbers
from telephony.routing.targets import Stop
from telephony.usage.calls import KIND
from telephony.usage.limiter import CallAdmission

log = structlog.get_logger(__name__)

RESUME_SECONDS: Final = 5.0
"""How long legs of an earlier process may take to be found again; what is not there by then is gone."""

VOICE_OUTBOUND: Final = 2
"""Bit of `Capabilities.mask`."""

EMERGENCY_SECONDS: Final = 3600.0
"""How long an emergency call that could not be made is trouble of the node's."""

IDLE_SECONDS: Final = 60.0
"""How long the clock is left alone when nothing is due."""

_HUNG_UP: Final = Cause(200, 16, "It was hung up by request.")
_TAKEN_BACK: Final = Cause(487, 16, "It was hung up by request.")
_STOPPING: Final = Cause(503, 42, "The node stops.")


class CallService:
    """`told` is what legs tell. `start`; then `drain` and `stop`."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.draining = False
        self._by_leg: dict[str, Conversation] = {}
        self._calls: dict[InteractionId, Conversation] = {}
        self._arriving: dict[str, list[LegEvent]] = {}
        """Legs that came and of which nobody knows yet whose they are; what was told of them meanwhile."""
        self._found: dict[str, Resumed] = {}
        self._held_back: dict[str, list[LegEvent]] = {}
        self._waiting: dict[InteractionId, Call] = {}
        """Calls of an earlier process of which not all legs were found yet."""
        self._resumes = 1  # until `start`, which begins the first: what is told before it is kept
        self._clock_task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        plane.timers.changed = self._changed.set
        self._clock: Final = plane.clock
        self._emergency_until = 0.0

    # --- from start to stop ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Let time pass, and go on with what an earlier process left. Raises Unavailable."""
        self._clock_task = asyncio.create_task(self._run(), name="calling.clock")
        await self.resume()
        self._resumes -= 1

    async def resume(self) -> None:
        """Go on with this node's calls in the store that memory does not have.

        To be called again when rows were taken over from a dead node (`leases.TakeOver`). Legs that are told
        within RESUME_SECONDS go on; the others are gone, and their calls ended. Raises Unavailable.
        """
        found = await self.plane.store.read(MyCalls(self.plane.node))
        self._waiting |= {call.id: call for call in found if call.id not in self._calls}
        self._resumes += 1
        self.plane.timers.after(RESUME_SECONDS, self._wait_no_more)
        self._go_on(lambda call: not self._lacks(call))

    async def drain(self, seconds: float) -> None:
        """Take no new calls but emergency calls, and let those that run come to their end, for a while."""
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()

    async def stop(self) -> None:
        """Leave the calls as they are: workers keep them up, and the store knows of them."""
        self.draining = True
        if self._clock_task is not None:
            self._clock_task.cancel()
            await asyncio.gather(self._clock_task, return_exceptions=True)
            self._clock_task = None
        for conversation in tuple(self._calls.values()):
            conversation.journal.change()  # how far it is paid, and who is joined to whom
            conversation.journal.save()
        tasks = tuple(self.plane.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for conversation in tuple(self._calls.values()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await conversation.journal.settled()
        for task in tuple(self.plane.tasks):
            task.cancel()

    async def end_all(self) -> None:
        """Hang up every call: whoever carries them stops, too."""
        for conversation in tuple(self._calls.values()):
            conversation.put(lambda each=conversation: each.finish(_STOPPING, "us"))  # type: ignore[misc]
        await self._empty.wait()

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        found = ["calls: the node is draining"] if self.draining else []
        if self._clock.monotonic() < self._emergency_until:
            found.append(
                "calls: an emergency call could not be made: no trunk is marked for them (emergency = true)"
            )
        return found

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            self.plane.timers.fire()
            wait = self.plane.timers.next_in()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS if wait is None else wait):
                    await self._changed.wait()

    # --- what legs tell -------------------------------------------------------------------------------------

    def told(self, event: LegEvent) -> None:
        """Take an event; see `telephony.calling.ports.Listener`."""
        if isinstance(event, Offered):
            self._offered(event)
            return
        conversation = self._by_leg.get(event.leg)
        if conversation is not None:
            conversation.put(event)
        elif (early := self._arriving.get(event.leg)) is not None:
            early.append(event)
        elif isinstance(event, Resumed):
            self._found[event.leg] = event
            if self._resumes:
                self._go_on(lambda call: event.leg in call.legs and not self._lacks(call))
            else:
                self.plane.spawn(self._orphan(event.leg), "calling.orphan")
        elif self._resumes:
            self._held_back.setdefault(event.leg, []).append(event)

    def _offered(self, offered: Offered) -> None:
        if offered.leg in self._arriving or offered.leg in self._by_leg:
            return  # told twice
        self._arriving[offered.leg] = []
        self.plane.spawn(self._arrive(offered), "calling.arrive")

    async def _arrive(self, offered: Offered) -> None:
        try:
            if self.draining:
                await self._refuse(offered, Why.DRAINING)
                return
            arrived = await inbound.arrive(self.plane, offered)
            if isinstance(arrived, Why):
                await self._refuse(offered, arrived)
            else:
                await self._admit(offered, arrived)
        except Exception:
            log.exception("calling.arrival_failed")
            await self.plane.legs.hang_up(offered.leg, 500, 41)
        finally:
            self._arriving.pop(offered.leg, None)

    async def _refuse(self, offered: Offered, why: Why) -> None:
        cause = inbound.counted(why, offered)
        await self.plane.legs.hang_up(offered.leg, cause.sip, cause.q850)

    async def _admit(self, offered: Offered, arrived: Arrived) -> None:
        """Write a call down that came to a resource; then it lives, or it is refused."""
        call, why = arrived.call, arrived.why
        conversation = Conversation(self.plane, call, self._over)
        leg = call.legs[offered.leg]
        conversation.note_leg(leg, "leg.offered", number=shorten(call.own), callId=offered.call_id[:128])
        if why is None:
            try:
                await self._begin(conversation, arrived.admission)
            except LimitForbids as error:
                why = Why.LIMITS
                conversation.note("call.limited", "usage", limit=error.limit, reason=error.message)
            except Unavailable:
                why = Why.AWAY
        if why is not None:
            await self._record_refusal(conversation, offered, why)
            return
        early = self._arriving.get(offered.leg, [])
        self._adopt(conversation)
        for event in early:  # a caller that has hung up again makes nobody ring
            conversation.put(event)
        conversation.put(lambda: conversation.stops.follow(None))

    async def _record_refusal(self, conversation: Conversation, offered: Offered, why: Why) -> None:
        call = conversation.call
        leg = call.legs[offered.leg]
        await self._refuse(offered, why)
        self.plane.ceilings.release(leg.carrier, leg.trunk)
        cause = inbound.CAUSES[why]
        leg.fire(Step.END)
        leg.ended, leg.cause = self.plane.clock.now(), cause
        await self._record(conversation, cause, why.value)

    async def _record(self, conversation: Conversation, cause: Cause, why: str) -> None:
        """Write a call down that was refused."""
        call = conversation.call
        call.fire(CallEvent.REJECT)
        call.cause, call.ended_by, call.ended = cause, "us", self.plane.clock.now()
        call.stops = ()
        conversation.note("call.rejected", why=why, status=cause.sip, q850=cause.q850, reason=cause.text)
        metrics.CALLS.labels(call.direction, call.state.value).inc()
        try:
            await self._begin(conversation, None)
        except TandemError as error:  # there is no room for a record; the caller was told all the same
            log.warning("calling.refusal_not_written", error=error.message)

    async def _begin(self, conversation: Conversation, admission: CallAdmission | None) -> None:
        """Make a call's row. Raises LimitForbids, Unavailable."""
        call = conversation.call
        entries = conversation.journal.take()
        job = BeginCall(
            Values.of(call),
            call.direction,
            call.own,
            call.peer[:32],
            call.created,
            self.plane.node,
            entries,
            admission,
        )
        try:
            await self.plane.store.write(job)
        except TandemError:
            conversation.journal.put_back(entries)
            raise
        conversation.journal.open = call.ended is None

    # --- what others ask for --------------------------------------------------------------------------------

    async def place(self, resource: ResourceId, sender: str, to: str, then: Sequence[Stop] = ()) -> Call:
        """Call a number, and join it to targets when it answers; return the call, which goes on by itself.

        Without targets it hears nothing until it is hung up. Raises InvalidRequest, Forbidden (the caller id,
        R31), LimitForbids, LimitReached, NotFound (no route), Unavailable; all but the first leave a record.
        """
        default = await self.plane.store.read(_default_number(resource))
        placed = await prepare(self.plane, resource, sender, to, tuple(then), default)
        call = placed.call
        if self.draining and not call.emergency:
            raise Unavailable("The node is stopping; it takes no more calls.")
        conversation = Conversation(self.plane, call, self._over)
        conversation.note("call.placed", "api", number=shorten(call.peer), emergency=call.emergency or None)
        if placed.replaced:
            conversation.note("call.caller-replaced", "api", number=shorten(call.own))
        if placed.error is None:
            try:
                await self._begin(conversation, placed.admission)
            except LimitForbids as error:
                placed.error = error
        if placed.error is not None:
            if call.emergency and isinstance(placed.error, NotFound):
                self._emergency_until = self._clock.monotonic() + EMERGENCY_SECONDS
                log.error("calling.emergency_not_routed", resource=to_text(resource), call=to_text(call.id))
            await self._record(conversation, cause_of_error(placed.error), type(placed.error).__name__)
            raise placed.error
        self._adopt(conversation)
        conversation.put(lambda: self._dial(conversation, placed))
        return call

    async def _dial(self, conversation: Conversation, placed: Placed) -> None:
        await conversation.dialling.begin(
            placed.hunt, placed.number, self.plane.settings.ring_seconds, counted=True, first=True
        )

    async def hang_up(self, resource: ResourceId, identifier: InteractionId) -> None:
        """End a call. Raises NotFound, Conflict when it is over already or another node's."""
        conversation = await self._live(resource, identifier)
        cause = _HUNG_UP if conversation.call.answered is not None else _TAKEN_BACK
        conversation.put(lambda: conversation.finish(cause, "us"))

    async def take(self, resource: ResourceId, identifier: InteractionId) -> None:
        """Take a call that was offered to applications: it is answered.

        Raises NotFound, Conflict when it is not offered any more.
        """
        conversation = await self._live(resource, identifier)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def take() -> None:
            taken = await conversation.stops.take()
            if not done.done():
                done.set_result(taken)

        conversation.put(take)
        if not await done:
            raise Conflict("The call is not offered to anybody.")

    def live(self, resource: ResourceId | None = None) -> list[Call]:
        """Return the calls that this node carries, oldest first."""
        found = [one.call for one in self._calls.values()]
        return [call for call in found if resource is None or call.resource == resource]

    async def _live(self, resource: ResourceId, identifier: InteractionId) -> Conversation:
        conversation = self._calls.get(identifier)
        if conversation is not None and conversation.call.resource == resource:
            return conversation
        column = interactions.c
        query = select(column.ended).where(
            column.resource == resource, column.id == identifier, column.kind == KIND
        )
        row = await self.plane.store.read(lambda tx: tx.execute(query).first())
        if row is None:
            raise NotFound("There is no such call.", target="callId")
        raise Conflict("The call is over." if row.ended is not None else "Another node carries the call.")

    # --- bookkeeping ----------------------------------------------------------------------------------------

    def _adopt(self, conversation: Conversation) -> None:
        self._calls[conversation.call.id] = conversation
        conversation.call.legs = _Watched(conversation.call.legs, self._by_leg, conversation)
        metrics.LIVE.set(len(self._calls))
        self._empty.clear()

    def _over(self, conversation: Conversation) -> None:
        for name in conversation.call.legs:
            self._by_leg.pop(name, None)
        self._calls.pop(conversation.call.id, None)
        metrics.LIVE.set(len(self._calls))
        if not self._calls:
            self._empty.set()

    def _lacks(self, call: Call) -> bool:
        return any(leg.name not in self._found for leg in call.open_legs)

    def _go_on(self, ready: Callable[[Call], bool]) -> None:
        """Go on with those of the calls that wait of which that is true."""
        for call in [call for call in self._waiting.values() if ready(call)]:
            del self._waiting[call.id]
            if call.id in self._calls:
                continue
            conversation = Conversation(self.plane, call, self._over)
            conversation.journal.open = True
            found = {leg.name: self._found[leg.name] for leg in call.open_legs if leg.name in self._found}
            names = tuple(call.legs)
            self._adopt(conversation)
            conversation.put(lambda each=conversation, legs=found: each.go_on(legs))  # type: ignore[misc]
            for name in names:
                self._found.pop(name, None)
                for event in self._held_back.pop(name, ()):
                    conversation.put(event)

    def _wait_no_more(self) -> None:
        """What was not found by now is gone, and what nobody asked for is to be hung up."""
        self._resumes = max(0, self._resumes - 1)
        if self._resumes:
            return  # another take-over began meanwhile
        self._go_on(lambda _: True)
        self._held_back.clear()
        for leg in tuple(self._found):  # of no call of ours: its record is closed already
            self.plane.spawn(self._orphan(leg), "calling.orphan")

    async def _orphan(self, leg: str) -> None:
        log.warning("calling.orphan", leg=leg)
        await self.plane.legs.hang_up(leg)
        self._found.pop(leg, None)


def _default_number(resource: ResourceId) -> Callable[[Connection], str]:
    """Return the query for the number that a resource's emergency calls show when theirs is not its own."""
    column = numbers.c
    query = (
        select(column.number)
        .where(column.resource == resource, column.capabilities.op("&")(VOICE_OUTBOUND) != 0)
        .order_by(column.number)
        .limit(1)
    )
    return lambda tx: tx.execute(query).scalar() or ""


class _Watched(dict[str, Leg]):
    """A call's legs, each known to the service by its name from its first moment."""

    def __init__(
        self, legs: dict[str, Leg], known: dict[str, Conversation], conversation: Conversation
    ) -> None:
        super().__init__()
        self._known, self._conversation = known, conversation
        for name, leg in legs.items():
            self[name] = leg

    def __setitem__(self, name: str, leg: Leg) -> None:
        self._known[name] = self._conversation
        super().__setitem__(name, leg)
