"""From the store to a carrier's links: the shell around every outbound message of one carrier.

A message waits in `_pending` (accepted), is claimed in the store, then its parts wait in `Outgoing` for room
in a link's window. What a carrier answers is written down in batches. Memory is bounded: what does not fit
waits in the store alone and is fetched when there is room.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence, Set
from typing import Any, Final

import structlog

from carriers.model.carrier import Carrier
from sms.address import Addresses
from sms.answers import RETRY_SECONDS, TEMPORARY, Answers
from sms.bank import Bank
from sms.departures import Departures
from sms.message import Outbound
from sms.outcomes import Outcomes
from sms.outgoing import Encode, Outgoing, Unit, encoded, submit_sm
from sms.pending import Pending
from sms.ports import SubmitLink
from sms.rates import Rates
from sms.rerouting import Rerouting
from sms.reservation import Reservation
from sms.settings import SmsSettings
from sms.smpp.errors import FieldError, LinkFull
from sms.spilled import Spilled
from sms.states import MessageEvent, MessageState
from sms.store.finish import Finisher
from sms.store.submit import ClaimMessages, ReleaseMessages
from sms.store.waiting import Backlog, Waiting
from sms.suspicion import POISON, Suspicion
from sms.timing import timed, too_early
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import InvalidRequest, Unavailable
from telephony.kernel.ids import InteractionId, NodeId, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

RATE_TURN_SECONDS: Final = 0.005
"""The least pause for a rate: several messages in a turn, well within `rates.SLACK_SECONDS`."""

STORE_AGAIN_SECONDS: Final = 1.0
"""Pause when the store could not be asked."""

PAGE: Final = 1000
"""Messages fetched from the store at once."""


class Dispatcher:
    """Outbound messages of one carrier on one node."""

    def __init__(
        self,
        carrier: str,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        settings: SmsSettings,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
        encode: Encode = encoded,
        retry_on: Set[int] = TEMPORARY,
        failover_on: Set[int] = frozenset(),
        rerouting: Rerouting | None = None,
        wants: Carrier | None = None,
    ) -> None:
        """`retry_on` are refusals (command_status) that are worth another try, `failover_on` those after
        which `rerouting` gives a message to the next carrier; None: there is none.

        `wants` is how the carrier and its links want things.
        """
        self.carrier = carrier
        wants = wants if wants is not None else Carrier()
        self._rates = Rates.of(
            wants.smpp, wants.sender_per_second, wants.sender_rates, wants.limits.texts_per_second
        )
        self._addresses = Addresses(wants.addressing, wants.number_formats())
        self._bank = Bank(wants.smpp, self._rates)
        self._store, self._clock, self._node, self._settings = store, clock, node, settings
        self._pending = Pending(settings.max_in_memory)
        self._spilled = Spilled()
        self._outgoing = Outgoing(encode, self._rates)
        self._suspicion = Suspicion(settings.poison_after)
        self._claiming = 0
        self._reservations = 0
        self._unreserved = asyncio.Event()
        self._held: set[InteractionId] = set()  # in memory; leaves when its end is written
        self._settled: set[InteractionId] | None = None  # what left memory while the store is read
        self._stored = 0  # waits in the store and is not in memory
        self._overflow = False  # there may be such
        self._look = False  # there may be such; ask when there is nothing else to do
        self._fetching = False
        self._missed = False  # some came while the store was asked
        self._astray = False  # there may be claimed ones that memory does not know
        self._stopping = False
        self._pump_due = False
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._adopting = asyncio.Lock()
        self._outcomes = Outcomes(
            carrier,
            store=store,
            clock=clock,
            settings=settings,
            finisher=finisher,
            ended=ended,
            forget=self._forget,
        )
        self._departures = Departures(
            carrier,
            rerouting=rerouting,
            seconds=settings.failover_seconds,
            pending=self._pending,
            outgoing=self._outgoing,
            outcomes=self._outcomes,
            forget=self._forget,
            spawn=self._spawn,
            pump=self.pump_soon,
        )
        self._answers = Answers(
            clock=clock,
            attempts=settings.attempts,
            retry_on=retry_on,
            failover_on=failover_on,
            bank=self._bank,
            outgoing=self._outgoing,
            outcomes=self._outcomes,
            suspicion=self._suspicion,
            departures=self._departures,
        )

    @property
    def backlog(self) -> int:
        """Messages that wait for this carrier, in memory and in the store."""
        return self._stored + len(self._held)

    def counts(self) -> tuple[int, int]:
        """Return the backlog, and how much of it is in memory."""
        return self.backlog, len(self._held)

    # --- life ---

    async def start(self, links: Sequence[SubmitLink]) -> None:
        """Take over what this node's store says is waiting, then serve the links.

        Raises Unavailable when the store is away.
        """
        self._bank.serve(links, self._bank.policies)
        await self.adopt()

    def take_links(self, links: Sequence[SubmitLink], wants: Carrier) -> None:
        """Serve other links from now on. One that is left out may still answer what it was sent."""
        self._bank.serve(links, wants.smpp)
        self.pump_soon()

    async def adopt(self) -> None:
        """Take over what the store gives this node to send and memory does not know: after a take-over.

        What a dead process was about to send is sent again, and marked. Raises Unavailable when the store is
        away; then it may be called again.
        """
        async with self._adopting:
            self._settled = set()
            try:
                await self._adopt_claimed(self._settled)
                count = await self._store.read(Backlog(self._node, self.carrier, MessageState.ACCEPTED))
            finally:
                self._settled = None
        self._stored = max(0, count - len(self._pending) - self._claiming)
        self._overflow = self._missed = self._stored > 0
        self.pump_soon()

    async def _adopt_claimed(self, settled: set[InteractionId]) -> None:
        after: Outbound | None = None
        while True:
            page = await self._store.read(
                Waiting(self._node, self.carrier, MessageState.SUBMITTING, PAGE, after)
            )
            for message in page:
                if message.id not in self._held and message.id not in settled:
                    self._held.add(message.id)
                    self._make_ready(message, "a restart")
            if len(page) < PAGE:
                return
            after = page[-1]

    def drain(self) -> None:
        """Send nothing new."""
        self._stopping = True
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    async def stop(self, seconds: float = 5.0) -> None:
        """Write every answer; give back what was claimed and not sent.

        What cannot be written within `seconds` is sent again, and marked, by the next start.
        """
        self.drain()
        try:
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
                while self._reservations:
                    self._unreserved.clear()
                    await self._unreserved.wait()
                await self._outcomes.flush()
                await self._release()
        except (TimeoutError, Unavailable):
            log.warning("dispatch.stopped_early", carrier=self.carrier, unwritten=len(self._outcomes))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _release(self) -> None:
        keys = [(message.resource, message.id) for message in self._outgoing.messages() if message.untouched]
        if keys:
            await self._store.write(ReleaseMessages(self._node, self._clock.now(), keys))

    # --- in ---

    def reserve(self, ids: Sequence[InteractionId]) -> Reservation | None:
        """Keep room for messages that are about to be accepted, so that the same write claims them.

        So it goes while nothing waits before them and the links have room; otherwise None.
        """
        if self._stopping or self._overflow or self._spilled or self._pending or self._rates.by_sender:
            return None
        window = self._bank.window
        if self._outgoing.ready + self._claiming + len(ids) > window:
            return None
        if len(self._held) + len(ids) > self._settings.max_in_memory:
            return None
        self._claiming += len(ids)
        self._reservations += 1
        self._held.update(ids)
        return Reservation(ids, self._settle)

    def _settle(self, reservation: Reservation, messages: Sequence[Outbound] | None) -> None:
        """Send what was accepted and claimed; forget what was not."""
        self._claiming -= len(reservation.ids)
        self._reservations -= 1
        if not self._reservations:
            self._unreserved.set()
        accepted = {message.id for message in messages or ()}
        for identifier in reservation.ids:
            if identifier not in accepted:
                self._forget(identifier)
        if messages is None:
            self._astray = True
            return
        for message in messages:
            self._make_ready(message)
        self.pump_soon()

    @property
    def unsettled(self) -> bool:
        """Whether messages are being accepted that it reserved room for, or that were claimed unheard of."""
        return bool(self._reservations) or self._astray

    def doubt(self) -> None:
        """Learn that messages may be claimed that memory does not know: `find_astray` looks for them."""
        self._astray = True

    async def find_astray(self) -> None:
        """Take up messages that were claimed by a write whose answer was lost. Raises Unavailable."""
        if self._astray:
            self._astray = False
            try:
                await self.adopt()
            except Unavailable:
                self._astray = True
                raise

    def offer(self, messages: Sequence[Outbound]) -> None:
        """Take messages that were just accepted; they are in the store already."""
        if self._overflow and len(self._pending) < self._settings.max_in_memory:
            urgent = [message for message in messages if message.priority]
            self._hold(urgent)  # they go first anyway
            messages = [message for message in messages if not message.priority] if urgent else messages
        if self._spilled:
            count = len(messages)
            messages = self._spilled.others(messages)
            self._stored += count - len(messages)
        if self._overflow or len(messages) > self._settings.max_in_memory - len(self._pending):
            self._overflow = self._missed = True  # order is kept: what is in the store goes first
            self._stored += len(messages)
        else:
            self._hold(messages)
        self.pump_soon()

    def look_again(self) -> None:
        """Ask the store, when there is nothing else to do, whether it has something that memory has not."""
        self._look = True
        self._pending.relieve(tuple(self._pending.senders_aside))
        self.pump_soon()

    def swept(self, identifiers: Iterable[InteractionId]) -> None:
        """Learn that messages expired in the store."""
        gone = set(identifiers)
        held = gone & self._held
        self._stored = max(0, self._stored - len(gone - held))
        if held:  # one that is being claimed is found out by the claim
            for message in self._pending.drop(held):
                self._forget(message.id)
            self._departures.drop(held)

    @property
    def reachable(self) -> bool:
        """Whether a link is bound that may send."""
        return self._bank.reachable

    def expire(self, others: bool = False) -> None:
        """End what expired while no link could take it; send away what no link can take for long.

        `others` tells whether any other carrier can be reached.
        """
        now = self._clock.now()
        if self._suspicion.to_judge:
            self._judge()
        if not self._stopping:
            self._departures.look(self._clock.monotonic(), self.reachable, others)
        for message in self._outgoing.expired(now):
            self._outcomes.expire(message)
        for unit in self._suspicion.waiting:
            if unit.message.expires <= now:
                self._outcomes.expire(unit.message)

    def _hold(self, messages: Iterable[Outbound]) -> int:
        fresh = [message for message in messages if message.id not in self._held]
        self._held.update(message.id for message in fresh)
        self._pending.extend(fresh)
        return len(fresh)

    # --- towards the links ---

    def pump_soon(self) -> None:
        """Pump once this turn of the loop is over, so that many answers share one round."""
        if not self._pump_due:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Send what can be sent, claim what can be sent next, fetch what memory has room for."""
        self._pump_due = False
        if self._stopping:
            return
        now = self._clock.monotonic()
        if self._suspicion.to_judge:
            self._judge()
        self._outgoing.ripen(now)
        self._send(now)
        self._claim()
        self._fetch()
        self._set_wake(now)

    def _send(self, now: float) -> None:
        outgoing = self._outgoing
        if not outgoing.ready and not self._suspicion.busy:
            return
        wall = self._clock.now()
        rooms = self._bank.rooms(now)
        if self._suspicion.busy:
            self._suspicion.send(rooms, self._submit, now)
        while outgoing.ready:
            best = max(range(len(rooms)), key=lambda index: rooms[index][0], default=None)
            if best is None or rooms[best][0] <= 0:
                return
            unit = outgoing.take()
            if unit.avoid == rooms[best][1].name:
                best = _another(rooms, best)
            room, link = rooms[best]
            if unit.message.expires <= wall and not unit.message.over:
                self._outcomes.expire(unit.message)
            if unit.message.over or unit.message.leaving:
                outgoing.drop(unit, now)
                if not unit.message.over:
                    self._departures.park(unit)
                continue
            if not outgoing.may_go(link.name, unit, now):
                continue
            rooms[best] = (room - 1 if self._submit(link, unit) else 0, link)

    def _judge(self) -> None:
        """Decide what becomes of the parts that were unanswered on connections that were lost."""
        judged = self._suspicion.judge(self._clock.monotonic(), RETRY_SECONDS)
        for link, unit in judged.guilty:
            reason = f"{POISON}: the connection was lost each of the {unit.losses} times it was sent"
            log.warning("dispatch.poison", carrier=self.carrier, link=link, message=to_text(unit.message.id))
            self._outcomes.end(unit.message, MessageEvent.REFUSE, f"link:{link}", reason)
        for link, unit in judged.suspected:
            data = {"part": unit.part.number, "connections_lost": unit.losses}
            self._outcomes.note(unit.message, f"link:{link}", "part.suspected", data)
        for link, unit in judged.unheard:
            reason = f"unanswered on {unit.losses} connections one after the other"
            if self._departures.unheard(unit, f"link:{link}", reason, self._suspicion.wait):
                self._suspicion.withdraw(unit)
        for unit in judged.innocent:
            self._outgoing.give_back(unit)

    def _submit(self, link: SubmitLink, unit: Unit) -> bool:
        """Send a part; tell whether the link may have room for more."""
        message = unit.message
        pdu = submit_sm(unit, self._addresses)
        if message.extras is not None:
            now, policy = self._clock.now(), self._bank.policy(link)
            early = too_early(message, policy, now)
            if early:  # the link's settings were others when it was accepted
                self._outgoing.try_later(unit, self._clock.monotonic() + early / SECOND)
                return True
            pdu = timed(pdu, message, policy, now)
        message.on_wire += 1
        try:
            link.submit(pdu, unit)
        except LinkFull:
            message.on_wire -= 1
            self._rates.give_back(link.name, message.own)
            self._outgoing.give_back(unit)
            return False
        except FieldError as error:
            message.on_wire -= 1
            self._outcomes.end(message, MessageEvent.REFUSE, "dispatcher", f"cannot be sent: {error.message}")
            return True
        if unit.again:
            data = {"part": unit.part.number, "reason": unit.again, "possible_duplicate": True}
            self._outcomes.note(message, f"link:{link.name}", "part.sent-again", data)
            unit.again = ""
        return True

    def _claim(self) -> None:
        if self._rates.by_sender:
            self._pending.relieve(self._outgoing.take_relieved())
        if not self._pending.takeable or len(self._held) - len(self._pending) >= self._settings.max_in_memory:
            return
        window = self._bank.window
        ahead = self._outgoing.ready + self._claiming
        if ahead * 2 > window or window == 0:
            return  # a window ahead of the wire is enough, and half of one is worth a write
        room = self._outgoing.room if self._rates.by_sender else None
        batch, spilled = self._pending.take(window - ahead, room)
        if spilled:
            self._stored += len(spilled)
            self._held.difference_update(message.id for message in spilled)
            self._spilled.add({message.own for message in spilled})
        if batch:
            self._claiming += len(batch)
            self._spawn(self._claimed(batch))

    async def _claimed(self, batch: list[Outbound]) -> None:
        keys = [(message.resource, message.id) for message in batch]
        try:
            ours = await self._store.write_until_done(
                ClaimMessages(self._node, self._clock.now(), keys, self.carrier)
            )
        except Exception as error:  # whatever it is, they are still accepted and must not be forgotten
            if not isinstance(error, Unavailable):
                log.exception("dispatch.claim_failed", carrier=self.carrier, count=len(batch))
            self._pending.give_back(batch)
            self._claiming -= len(batch)
            self._pump_later()
            return
        self._claiming -= len(batch)
        for message in batch:
            if message.id in ours:
                self._make_ready(message, message.again)
            else:
                self._forget(message.id)  # expired meanwhile, or another gateway's now
                self._pending.relieve((message.own,))
        self.pump_soon()

    def _make_ready(self, message: Outbound, again: str = "") -> None:
        try:
            self._outgoing.add(message, again)
        except InvalidRequest as error:  # an older version accepted what this one cannot send
            self._outcomes.end(message, MessageEvent.REFUSE, "dispatcher", error.message)

    def _fetch(self) -> None:
        if self._fetching:
            return
        sender = self._spilled.next(self._pending) if self._spilled else None
        if sender is not None:
            self._fetching = True
            most = self._pending.aside(sender) + self._pending.share + self._rates.ahead(sender)
            self._spawn(self._fetched(min(most, PAGE), sender))
        elif (self._overflow or self._look) and not self._pending.in_line and not self._claiming:
            self._fetching, self._overflow, self._look, self._missed = True, True, False, False
            self._spilled.add(self._pending.senders_aside)  # of whom this asks for no more
            self._spawn(self._fetched(PAGE))

    async def _fetched(self, most: int, sender: str | None = None) -> None:
        """Fetch what waits: of one sender, or of all but those of whom there is enough."""
        without = () if sender is not None else frozenset(self._spilled)
        query = Waiting(self._node, self.carrier, MessageState.ACCEPTED, most, sender=sender, without=without)
        try:
            page = await self._store.read(query)
        except Exception as error:  # whatever it is, the next try may go well
            if not isinstance(error, Unavailable):
                log.exception("dispatch.fetch_failed", carrier=self.carrier)
            self._pump_later()
            return
        finally:
            self._fetching = False
        fresh = self._hold(page)
        if sender is not None:
            self._spilled.read(sender, whole=len(page) < most)
        else:
            self._overflow = self._missed or (len(page) == most and fresh > 0)
        self._stored = max(0, self._stored - fresh) if self._overflow or self._spilled else 0
        self.pump_soon()

    # --- what links say (sms.smpp.link.LinkHandler, the outbound half) ---

    def submit_answered(self, link: SubmitLink, unit: Unit, status: int, remote_id: str) -> None:
        """Take a submit_sm_resp."""
        self._answers.answered(link, unit, status, remote_id)
        self.pump_soon()

    def submit_lost(self, link: SubmitLink, unit: Unit, reason: str) -> None:
        """Take back a part whose answer will not come; the carrier may have it."""
        self._answers.lost(link, unit, reason)
        self.pump_soon()

    def _forget(self, identifier: InteractionId) -> None:
        self._held.discard(identifier)
        if self._settled is not None:
            self._settled.add(identifier)

    # --- time ---

    def _set_wake(self, now: float) -> None:
        times = [] if self._outgoing.next_try is None else [self._outgoing.next_try]
        if (trial := self._suspicion.next_trial) is not None and trial > now:
            times.append(trial)
        if self._outgoing.ready:
            times += self._bank.turns(now, RATE_TURN_SECONDS)
        if not times or (self._wake is not None and self._wake_at <= min(times)):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = min(times)
        self._wake = asyncio.get_running_loop().call_later(max(0.0, self._wake_at - now), self._woken)

    def _woken(self) -> None:
        self._wake = None
        self.pump()

    def _pump_later(self) -> None:
        if not self._stopping:
            asyncio.get_running_loop().call_later(STORE_AGAIN_SECONDS, self.pump)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _another(rooms: Sequence[tuple[int, SubmitLink]], but: int) -> int:
    """Return which link has most room beside `but`; that one when no other has any."""
    best = max((index for index in range(len(rooms)) if index != but), key=lambda i: rooms[i][0], default=but)
    return best if rooms[best][0] > 0 else but
