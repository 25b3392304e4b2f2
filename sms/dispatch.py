"""From the store to a carrier's links: the shell around every outbound message of one carrier.

A message waits in `_pending` (accepted), is claimed in the store, then its parts wait in `_ready` for room
in a link's window. What a carrier answers is written down in batches. Memory is bounded: what does not fit
waits in the store alone and is fetched when there is room.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from sms.address import address
from sms.gather import Gather
from sms.message import Outbound
from sms.ports import SubmitLink
from sms.receipts import IdForm, match_id
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, status_text
from sms.smpp.pdu import SubmitSm
from sms.states import MessageEvent, MessageState
from sms.store.finish import Finisher
from sms.store.submit import Backlog, ClaimMessages, Ended, Noted, Outcome, RecordOutcomes, Submitted, Waiting
from sms.text.encoding import Part, segment
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import InteractionId, NodeId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

THROTTLED: Final = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})
"""The carrier wants us slower (SMPP 3.4 §5.1.3): wait and send again, however often."""

TEMPORARY: Final = frozenset({CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RX_T_APPN})
"""The carrier could not do it now: try again, a bounded number of times."""

PAUSE_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses after one throttling upon another; the last repeats."""

RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Pauses after a temporary refusal; the last repeats."""

FETCH_AGAIN_SECONDS: Final = 1.0
"""Pause when the store could not be asked."""

PAGE: Final = 1000
"""Messages fetched from the store at once."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a message that wants to be sent."""

    message: Outbound
    part: Part


class Dispatcher:
    """Outbound messages of one carrier on one node."""

    def __init__(
        self,
        carrier: str,
        receipt_id: IdForm,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        settings: SmsSettings,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
    ) -> None:
        self.carrier = carrier
        self._receipt_id = receipt_id
        self._store = store
        self._clock = clock
        self._node = node
        self._settings = settings
        self._links: list[SubmitLink] = []
        self._pending: deque[Outbound] = deque()
        self._ready: deque[Unit] = deque()
        self._later: list[tuple[float, int, Unit]] = []
        self._order = itertools.count()
        self._claiming = 0
        self._overflow = False  # the store has some that memory has not
        self._fetching = False
        self._missed = False  # some came while the store was asked
        self._stopping = False
        self._paused_until = 0.0
        self._pauses = 0
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.backlog = 0
        """Messages that wait for this carrier, in memory and in the store."""
        self._outcomes: Gather[Outcome, Finisher] = Gather(
            store,
            lambda batch: RecordOutcomes(finisher(), batch),
            done=lambda _, result: ended(result),
            failed=self._unwritten,
            persistent=True,
        )

    # --- life ---

    async def start(self, links: Sequence[SubmitLink]) -> None:
        """Take over what this node's store says is waiting, then serve the links."""
        self._links = list(links)
        self.backlog = await self._store.read(Backlog(self._node, self.carrier))
        after: InteractionId | None = None
        while True:  # at most a window of each process that died
            page = await self._store.read(
                Waiting(self._node, self.carrier, MessageState.SUBMITTING, PAGE, after)
            )
            for message in page:
                self._resend(message, "restart")
            if len(page) < PAGE:
                break
            after = page[-1].id
        self._overflow = self.backlog > 0
        self.pump()

    def drain(self) -> None:
        """Send nothing new; what is claimed but not sent stays in the store for the next start."""
        self._stopping = True
        if self._wake is not None:
            self._wake.cancel()

    async def stop(self) -> None:
        """Wait until every answer is written."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._outcomes.flush()

    # --- in ---

    def offer(self, messages: Sequence[Outbound]) -> None:
        """Take messages that were just accepted; they are in the store already."""
        self.backlog += len(messages)
        room = self._settings.max_in_memory - len(self._pending)
        if self._overflow or len(messages) > room:
            self._overflow = self._missed = True  # order is kept: what is in the store goes first
        else:
            self._pending.extend(messages)
        self.pump()

    # --- towards the links ---

    def pump(self) -> None:
        """Send what can be sent, claim what can be sent next, fetch what memory has room for."""
        if self._stopping:
            return
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.appendleft(heapq.heappop(self._later)[2])
        if now >= self._paused_until:
            self._send()
        self._claim()
        self._fetch()
        self._set_wake(now)

    def _send(self) -> None:
        while self._ready:
            link = max(self._links, key=lambda link: link.room, default=None)
            if link is None or link.room == 0:
                return
            unit = self._ready.popleft()
            message = unit.message
            if message.over:
                continue
            if self._clock.now() > message.created + self._settings.validity_seconds * SECOND:
                self._end(message, MessageEvent.EXPIRE, "dispatcher", "validity ran out before submission")
                continue
            link.submit(_submit_sm(message, unit.part), unit)

    def _claim(self) -> None:
        window = sum(link.window for link in self._links if link.bound)
        count = min(len(self._pending), window - len(self._ready) - self._claiming)
        if count <= 0:
            return
        batch = [self._pending.popleft() for _ in range(count)]
        self._claiming += count
        self._spawn(self._claimed(batch))

    async def _claimed(self, batch: list[Outbound]) -> None:
        keys = [(message.resource, message.id) for message in batch]
        try:
            ours = await self._store.write_until_done(ClaimMessages(self._node, self._clock.now(), keys))
        finally:
            self._claiming -= len(batch)
        for message in batch:
            if message.id in ours:
                self._ready.extend(Unit(message, part) for part in segment(message.text, message.reference()))
            else:
                self.backlog -= 1  # expired or cancelled meanwhile
        self.pump()

    def _fetch(self) -> None:
        if self._overflow and not self._fetching and not self._pending and not self._claiming:
            self._fetching, self._missed = True, False
            self._spawn(self._fetched())

    async def _fetched(self) -> None:
        try:
            page = await self._store.read(Waiting(self._node, self.carrier, MessageState.ACCEPTED, PAGE))
        except Unavailable:
            asyncio.get_running_loop().call_later(FETCH_AGAIN_SECONDS, self.pump)
            return
        finally:
            self._fetching = False
        self._pending.extend(page)
        self._overflow = self._missed or len(page) == PAGE
        self.pump()

    # --- what links say (sms.smpp.link.LinkHandler, the outbound half) ---

    def submit_answered(self, link: SubmitLink, unit: Unit, status: int, remote_id: str) -> None:
        """Take a submit_sm_resp."""
        message = unit.message
        if status == CommandStatus.ESME_ROK:
            self._pauses = 0
            self._taken(link, unit, remote_id)
        elif status in THROTTLED:
            self._note(
                message, f"link:{link.name}", "part.throttled", {"part": unit.part.number, "status": status}
            )
            self._ready.appendleft(unit)
            self._pause()
        elif status in TEMPORARY and message.attempts + 1 < self._settings.attempts:
            message.attempts += 1
            pause = RETRY_SECONDS[min(message.attempts - 1, len(RETRY_SECONDS) - 1)]
            data = {"part": unit.part.number, "status": status, "again_after": pause}
            self._note(message, f"link:{link.name}", "part.refused-for-now", data)
            heapq.heappush(self._later, (self._clock.monotonic() + pause, next(self._order), unit))
        else:
            reason = f"refused by the carrier: {status_text(status)}"
            self._end(message, MessageEvent.REFUSE, f"link:{link.name}", reason)
        self.pump()

    def submit_lost(self, link: SubmitLink, unit: Unit, reason: str) -> None:
        """Take back a part whose answer will not come; the carrier may have it: sent again and marked."""
        unit.message.resent = True
        data = {"part": unit.part.number, "reason": reason, "possible_duplicate": True}
        self._note(unit.message, f"link:{link.name}", "part.sent-again", data)
        self._ready.appendleft(unit)

    def _taken(self, link: SubmitLink, unit: Unit, remote_id: str) -> None:
        message, part = unit.message, unit.part
        message.done.add(part.number)
        last = len(message.done) == part.total and not message.over
        now = self._clock.now()
        wait = message.report_seconds or self._settings.report_seconds
        self._outcomes.add(
            Submitted(
                (message.resource, message.id),
                part.number,
                part.total,
                self.carrier,
                link.name,
                match_id(remote_id, self._receipt_id),
                now,
                last,
                now + wait * SECOND,
            )
        )
        if last:
            self.backlog -= 1

    def _end(self, message: Outbound, event: MessageEvent, source: str, reason: str) -> None:
        if message.over:
            return
        message.over = True
        self.backlog -= 1
        key = (message.resource, message.id)
        self._outcomes.add(Ended(key, event, self._clock.now(), source, reason, succeeded=len(message.done)))

    def _note(self, message: Outbound, source: str, kind: str, data: Any) -> None:  # noqa: ANN401 - JSON
        self._outcomes.add(Noted((message.resource, message.id), self._clock.now(), source, kind, data))

    def _resend(self, message: Outbound, reason: str) -> None:
        left = [
            part for part in segment(message.text, message.reference()) if part.number not in message.done
        ]
        data = {"parts": [part.number for part in left], "reason": reason, "possible_duplicate": True}
        self._note(message, "dispatcher", "part.sent-again", data)
        self._ready.extend(Unit(message, part) for part in left)

    # --- time ---

    def _pause(self) -> None:
        now = self._clock.monotonic()
        if now < self._paused_until:
            return  # answers to what was on the wire already
        self._paused_until = now + PAUSE_SECONDS[min(self._pauses, len(PAUSE_SECONDS) - 1)]
        self._pauses += 1

    def _set_wake(self, now: float) -> None:
        times = [self._later[0][0]] if self._later else []
        if self._ready and self._paused_until > now:
            times.append(self._paused_until)
        if not times or (self._wake is not None and self._wake_at <= min(times)):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = min(times)
        self._wake = asyncio.get_running_loop().call_later(max(0.0, self._wake_at - now), self._woken)

    def _woken(self) -> None:
        self._wake = None
        self.pump()

    def _spawn(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _unwritten(self, batch: Sequence[Outcome]) -> None:
        # The store is stopping: what is not written is found as SUBMITTING at the next start.
        log.error("dispatch.outcomes_unwritten", carrier=self.carrier, count=len(batch))


def _submit_sm(message: Outbound, part: Part) -> SubmitSm:
    source, destination = address(message.own), address(message.peer)
    return SubmitSm(
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.digits,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.digits,
        esm_class=0x40 if part.udhi else 0,
        registered_delivery=1,
        data_coding=part.data_coding,
        short_message=part.payload,
    )

