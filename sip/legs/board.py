"""The legs that there are, and what is done with any of them: told, negotiated, ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from sip.legs.leg import Leg
from sip.legs.line import TROUBLES, Line
from sip.legs.negotiation import Usage, is_held, media_of
from sip.legs.quality import quality_of
from sip.legs.settings import LegSettings
from sip.media.client.engines import Engines
from sip.media.protocol import Change, Closed, CloseLeg, Detect, Latch
from sip.workers.fleet import Fleet
from sip.workers.messages import Hangup, Header, Remote
from telephony.calling.causes import Cause, cause_of, write_reason
from telephony.calling.ports import Ended, LegEvent, Listener, Quality

log = structlog.get_logger(__name__)

CLOSE_SECONDS: Final = 1.0
"""How long an end waits for the leg's statistics: whatever ended is told within two seconds (R11)."""

FAILURE: Final = 41
"""Q.850: temporary failure."""


class Board:
    """Every leg, by its name and by its worker's name of it."""

    def __init__(
        self, engines: Engines, fleet: Fleet, settings: LegSettings, listener: Listener | None = None
    ) -> None:
        self.engines, self.fleet, self.settings = engines, fleet, settings
        self.listener = listener
        self.legs: dict[str, Leg] = {}
        self._calls: dict[tuple[int, str], Leg] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Stop what is under way; legs stay as they are."""
        for leg in self.legs.values():
            leg.quiet()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def later(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Do something beside."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sip.leg_task_failed", task=task.get_name(), exc_info=error)

    def tell(self, event: LegEvent) -> None:
        """Tell the plane."""
        if self.listener is None:
            return
        try:
            self.listener.told(event)
        except Exception:  # its mistake over one leg must not end the others
            log.exception("sip.listener_failed", told=type(event).__name__)

    # --- which legs there are -------------------------------------------------------------------------------

    def line(self, engine: str) -> Line:
        """Return a new line to an engine."""
        return Line(self.engines.ask, engine)

    def add(self, leg: Leg) -> None:
        """Take a leg in."""
        self.legs[leg.name] = leg
        self._calls[leg.worker, leg.call] = leg

    def called(self, leg: Leg, worker: int, call: str) -> None:
        """A leg is another call of another worker from now on."""
        self._calls.pop((leg.worker, leg.call), None)
        leg.worker, leg.call = worker, call
        self._calls[worker, call] = leg

    def of(self, worker: int, call: str) -> Leg | None:
        """Return the leg of a worker's call."""
        return self._calls.get((worker, call))

    def on_worker(self, worker: int) -> list[Leg]:
        """Return the legs of a worker."""
        return [leg for leg in self.legs.values() if leg.worker == worker]

    # --- what peers say of audio ----------------------------------------------------------------------------

    def negotiate(self, leg: Leg, remote: Remote | None) -> bool:
        """Tell the engine what a peer said; False when it cannot be used, and nothing has changed."""
        if remote is None:
            return True  # a late offer: the answer comes with ACK
        facts, settings = leg.facts, self.settings
        usage = Usage(
            Latch.ANY if facts is not None and facts.private_sdp else settings.latch,
            leg.source,
            settings.media_seconds,
            leg.holding,
            facts is not None and facts.encrypts,
        )
        media = media_of(remote, leg.place, usage, leg.media)
        if media is None:
            log.warning("sip.unusable_audio", leg=leg.name, codec=remote.codec.name)
            return False
        leg.remote = remote
        if media != leg.media:
            leg.media = media
            leg.line.order(Change(leg.name, media))
        self._listen(leg)
        leg.held = is_held(remote) and not (leg.holding and remote.direction == "inactive")
        return True

    def _listen(self, leg: Leg) -> None:
        """Listen for tones where digits come no other way."""
        wanted = leg.facts is not None and leg.facts.dtmf == "inband"
        wanted = wanted or (leg.media is not None and leg.media.telephone_event is None)
        if wanted is not leg.detects:
            leg.detects = wanted
            leg.line.order(Detect(leg.name, dtmf=wanted))

    # --- ends -----------------------------------------------------------------------------------------------

    def end_call(self, leg: Leg, status: int = 0, q850: int = 16) -> None:
        """Let the worker end a leg's call: refuse it, cancel it, or hang up."""
        leg.ending = True
        reason = (Header("Reason", write_reason(q850)),)
        self.fleet.send(leg.worker, Hangup(leg.call, status if status >= 300 else 0, reason))

    def over(
        self,
        leg: Leg,
        cause: Cause,
        *,
        contact: str = "",
        lost: bool = False,
        unheard: bool = False,
        audio: bool = True,
    ) -> None:
        """A leg is over: its place is given back, and its end told with how it sounded.

        `audio`: whether its engine is there to say that.
        """
        if leg.over:
            return
        leg.over = True
        leg.quiet()
        self.legs.pop(leg.name, None)
        self._calls.pop((leg.worker, leg.call), None)
        ended = Ended(leg.name, cause, Quality(leg.codec), contact, lost, unheard)
        self.later(self._farewell(leg, ended, audio=audio), "leg-over")

    async def _farewell(self, leg: Leg, ended: Ended, *, audio: bool) -> None:
        quality = ended.quality
        if audio:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    reply = await leg.line.order(CloseLeg(leg.name))
            except (*TROUBLES, TimeoutError):
                reply = None
            if isinstance(reply, Closed):
                quality = quality_of(reply.statistics, leg.codec)
        self.engines.ended(leg.name)
        if leg.told:
            self.tell(Ended(leg.name, ended.cause, quality, ended.contact, ended.lost, ended.unheard))

    def lose(self, leg: Leg, *, audio: bool = True) -> None:
        """A leg's worker or engine is gone."""
        self.over(leg, cause_of(503, told=write_reason(FAILURE)), lost=True, audio=audio)
