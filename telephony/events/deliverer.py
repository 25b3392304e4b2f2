"""The service that delivers: queues in memory in front of the store, a few requests at once an endpoint.

Whatever is in memory is a row in the store as well, so that memory may be bounded and may be lost. Every
subscription has its own lane and its own bound of requests at once, and nothing is shared that one lane can
hold for long: an endpoint that is slow or dead delays nobody else. Outcomes go to the store in groups, one
group at a time; what a crash loses of them is delivered again (at least once, in no order).
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from telephony.events.attempt import Attempt, Way
from telephony.events.backlog import (
    PURGE_SLICE,
    Outcome,
    Purge,
    due_deliveries,
    waiting_subscriptions,
)
from telephony.events.lanes import NEVER, Lane
from telephony.events.outcomes import OutcomeWriter
from telephony.events.retry import ACCEPTED, DeadReason, Tries, decide
from telephony.events.settings import EventSettings
from telephony.events.states import DELIVERY, DeliveryEvent, DeliveryState, SubscriptionState
from telephony.events.store import Delivery
from telephony.events.subscription_jobs import LapseSubscriptions
from telephony.events.subscriptions import Subscription, SubscriptionDirectory
from telephony.kernel.clock import DAY, HOUR, SECOND, Clock
from telephony.kernel.errors import RemoteUnavailable, TandemError
from telephony.kernel.http.outbound import GuardedClient, OutboundReply
from telephony.kernel.http.outbound_addresses import DestinationRefused
from telephony.kernel.http.outbound_connections import PeerGone
from telephony.kernel.ids import NodeId, SubscriptionId, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

PAGE: Final = 500
"""Rows that are read from the store at once for one lane."""

RESCAN_SECONDS: Final = 30
"""How often the store is asked for what memory knows nothing of: its publisher died after the commit."""

HOUSEKEEPING_SECONDS: Final = 60
"""How often finished rows are purged and unconfirmed subscriptions lapse."""

DISABLED_SECONDS: Final = 60
"""How often a disabled subscription's deliveries are looked at."""

AFTER_TROUBLE_SECONDS: Final = 30
"""How long a lane rests after an error of ours."""

MAX_PROBING: Final = 256
"""Requests at once to all endpoints that count as dead together: bounds the sockets that they hold."""

ACCEPTED_AT_ONCE: Final = DELIVERY.fire(DELIVERY.initial, DeliveryEvent.ACCEPT)
"""What nearly all come to."""

MIN_WAIT_SECONDS: Final = 0.02
"""The shortest pause between two looks into the store."""


class Deliverer:
    """Delivers this node's rows. `start`, then `drain` and `stop`; tests call `tick` and `idle` instead.

    `chance` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        store: Store,
        client: GuardedClient,
        directory: SubscriptionDirectory,
        clock: Clock,
        node: NodeId,
        settings: EventSettings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._client, self._directory = store, client, directory
        self._clock, self._node, self._settings, self._chance = clock, node, settings, chance
        self._lanes: dict[SubscriptionId, Lane] = {}
        self._held = 0
        self._probing = 0
        self._parked: dict[SubscriptionId, Lane] = {}
        self._outcomes = OutcomeWriter(
            store,
            node,
            keep=settings.delivered_hours > 0,
            coming=lambda: bool(self._flying),
            written=self._written,
        )
        self._ways: dict[SubscriptionId, Way] = {}
        self._flying: set[Attempt] = set()
        self._all_landed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._alarm = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._rescan_at = 0
        self._housekeeping_at = 0
        self._draining = False
        self.delivered = 0
        """Deliveries that were accepted, since the start."""
        self.failed = 0
        """Tries that failed and will be repeated."""
        self.dead = 0
        """Deliveries that were given up."""

    @property
    def held(self) -> int:
        """Deliveries in memory."""
        return self._held

    def silent(self) -> list[SubscriptionId]:
        """Return the subscriptions whose endpoints count as dead: nobody answers there."""
        return [lane.subscription for lane in self._lanes.values() if lane.failing]

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Deliver what was published, after its commit. What finds no room stays in the store for later."""
        lane: Lane | None = None
        for delivery in deliveries:
            if lane is None or lane.subscription != delivery.subscription:
                lane = self._lane(delivery.subscription)
            if self._draining or self._room(lane) <= 0:
                lane.look_again(delivery.due)
            elif lane.add(delivery):
                self._hold(1)
                if lane.workers < self._settings.concurrency:
                    self._feed(lane)

    def wake(self, subscriptions: Iterable[SubscriptionId]) -> None:
        """Look into the store for deliveries of these subscriptions."""
        for subscription in subscriptions:
            self._lane(subscription).look_again(0)
        self._alarm.set()

    def taken_over(self) -> None:
        """Look into the store for whatever became this node's: at the start, and after a take-over."""
        self._rescan_at = 0
        self._alarm.set()

    async def start(self) -> None:
        """Begin, with what an earlier life left in the store."""
        self._loop_task = asyncio.create_task(self._run(), name="events.deliverer")

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, and wait for what is on the wire, at most `seconds`."""
        self._draining = True
        await self._end_loop()
        if self._flying:
            self._all_landed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_landed.wait()

    async def stop(self) -> None:
        """Break off what is still on the wire, and write down what is known, unless the store is away."""
        self._draining = True
        await self._end_loop()
        for attempt in self._flying:
            if attempt.connection is not None:
                attempt.connection.break_off()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flying.clear()
        await self._outcomes.close()

    async def idle(self) -> None:
        """Wait until nothing is in memory: every outcome is written."""
        await self._quiet.wait()

    async def tick(self) -> None:
        """Take in what is due now. Raises Unavailable when the store is away."""
        now = self._clock.now()
        if now >= self._rescan_at:
            for subscription, due in await self._store.read(waiting_subscriptions(self._node)):
                self._lane(subscription).look_again(due)
            self._rescan_at = now + RESCAN_SECONDS * SECOND
        for lane in tuple(self._lanes.values()):
            if lane.next_due <= now and self._wants_more(lane):
                await self._refill(lane)

    async def housekeep(self) -> None:
        """Purge finished rows and let unconfirmed subscriptions lapse. Raises Unavailable."""
        now = self._clock.now()
        self._housekeeping_at = now + HOUSEKEEPING_SECONDS * SECOND
        await self._store.write(LapseSubscriptions(now))
        purge = Purge(
            now - round(self._settings.delivered_hours * HOUR), now - round(self._settings.dead_days * DAY)
        )
        while await self._store.write(purge) >= PURGE_SLICE:
            pass
        for subscription, lane in tuple(self._lanes.items()):
            if not lane.held and lane.next_due == NEVER and self._directory.get(subscription) is None:
                del self._lanes[subscription]
                self._ways.pop(subscription, None)

    async def _run(self) -> None:
        while True:
            self._alarm.clear()
            try:
                await self.tick()
                if self._clock.now() >= self._housekeeping_at:
                    await self.housekeep()
            except TandemError as error:  # the store reports its own trouble; what is due stays due
                log.debug("events.store_away", error=error.message)
                await asyncio.sleep(1)
            except Exception:  # a loop that ends would stop every webhook
                log.exception("events.deliverer_failed")
                await asyncio.sleep(1)
            await asyncio.sleep(MIN_WAIT_SECONDS)
            try:
                async with asyncio.timeout(self._wait_seconds()):
                    await self._alarm.wait()
            except TimeoutError:
                pass

    def _wait_seconds(self) -> float:
        due = min((lane.next_due for lane in self._lanes.values() if self._wants_more(lane)), default=NEVER)
        soonest = min(due, self._rescan_at, self._housekeeping_at)
        return max(0.0, (soonest - self._clock.now()) / SECOND)

    async def _end_loop(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
            self._loop_task = None

    def _lane(self, subscription: SubscriptionId) -> Lane:
        lane = self._lanes.get(subscription)
        if lane is None:
            lane = self._lanes[subscription] = Lane(subscription)
        return lane

    def _room(self, lane: Lane) -> int:
        return min(self._settings.queue - len(lane.queue), self._settings.queue_total - self._held)

    def _wants_more(self, lane: Lane) -> bool:
        """Whether to read from the store: a page at a time, so not before the queue is nearly empty."""
        low = len(lane.queue) <= self._settings.queue // 4
        return low and lane.settled is None and self._room(lane) > 0 and not self._draining

    async def _refill(self, lane: Lane) -> None:
        now, held = self._clock.now(), frozenset(lane.held)
        lane.begin_reading()
        query = due_deliveries(self._node, lane.subscription, held=held, limit=PAGE, now=now)
        try:
            due = await self._store.read(query)
        except BaseException:  # whatever it is, the lane has to be read again
            lane.take_in((), more=True, room=0, now=now)
            raise
        room = max(0, self._room(lane))
        self._hold(lane.take_in(due.deliveries, more=due.more, room=room, now=now))
        self._feed(lane)

    def _hold(self, count: int) -> None:
        self._held += count
        if self._held:
            self._quiet.clear()
        else:
            self._quiet.set()

    def _feed(self, lane: Lane) -> None:
        """Begin as many tries as there is work and the endpoint may have."""
        while lane.queue and lane.workers < lane.limit(self._settings.concurrency) and not self._draining:
            probing = lane.failing
            if probing:
                if self._probing >= MAX_PROBING:
                    self._parked[lane.subscription] = lane
                    return
                self._probing += 1
            lane.workers += 1
            attempt = Attempt(lane, lane.queue.popleft(), self._landed, probing=probing)
            self._flying.add(attempt)
            if not self._begin(attempt):
                self._see_to(attempt)

    def _begin(self, attempt: Attempt) -> bool:
        """Send what needs nothing but an open connection, without a task; tells whether it was sent."""
        delivery, now = attempt.delivery, self._clock.now()
        subscription = self._directory.get(delivery.subscription)
        way = self._ways.get(delivery.subscription)
        if subscription is None or way is None or way.subscription is not subscription:
            return False
        if subscription.state is not SubscriptionState.ACTIVE or now >= delivery.expires:
            return False
        attempt.subscription, attempt.began = subscription, self._clock.monotonic()
        try:
            rest = way.rest(delivery, now)
        except ValueError:
            return False  # whoever takes care of it meets it again, and says so
        attempt.connection = self._client.begin(
            way.opening, rest, self._settings.timeout_seconds, attempt.ended
        )
        return attempt.connection is not None

    def _landed(self, attempt: Attempt, result: OutboundReply | Exception) -> None:
        """Take what came of a try that was begun without a task."""
        attempt.connection = None
        if isinstance(result, PeerGone):  # the connection was closed while it was not used, perhaps just now
            self._see_to(attempt)
            return
        outcome: Outcome | None = None
        try:
            subscription = attempt.subscription
            if subscription is not None:
                if isinstance(result, Exception):
                    error = self._client.blame(self._ways[subscription.id].opening, result)
                    outcome = self._judge(attempt, subscription, None, error.message)
                else:
                    outcome = self._judge(attempt, subscription, result.status)
        except Exception:  # one delivery that we stumble over must not stop its lane, nor the connection
            log.exception("events.delivery_failed", delivery=to_text(attempt.delivery.id))
            attempt.lane.look_again(self._clock.now() + AFTER_TROUBLE_SECONDS * SECOND)
        self._end(attempt, outcome)

    def _see_to(self, attempt: Attempt) -> None:
        """Give a try a task: it needs a connection, a look-up, or no request at all."""
        task = asyncio.create_task(self._carefully(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carefully(self, attempt: Attempt) -> None:
        self._end(attempt, await self._outcome(attempt))

    def _end(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """A try is over; without an outcome it waits in the store as it is."""
        lane = attempt.lane
        self._flying.discard(attempt)
        lane.workers -= 1
        if attempt.probing:
            self._probing -= 1
        if outcome is None:
            self._release(lane, attempt.delivery.id)
        else:
            self._record(lane, outcome)
        self._feed(lane)
        while self._parked and self._probing < MAX_PROBING:  # one of them may have nothing to do any more
            self._feed(self._parked.pop(next(iter(self._parked))))
        if lane.next_due != NEVER and self._wants_more(lane) and lane.next_due <= self._clock.now():
            self._alarm.set()
        if not self._flying:
            self._all_landed.set()
            self._outcomes.write_down()

    async def _outcome(self, attempt: Attempt) -> Outcome | None:
        """Try a delivery; None when it has to wait in the store as it is."""
        lane, delivery = attempt.lane, attempt.delivery
        try:
            now = self._clock.now()
            subscription = await self._subscription(delivery.subscription)
            if subscription is None:
                return self._dead(delivery, now, DeadReason.UNSUBSCRIBED, "")
            if now >= delivery.expires:
                return self._dead(delivery, now, DeadReason.EXPIRED, subscription.name)
            if subscription.state is not SubscriptionState.ACTIVE:
                lane.look_again(min(now + DISABLED_SECONDS * SECOND, delivery.expires))
                return None
            return await self._try(attempt, subscription)
        except TandemError as error:
            log.debug("events.store_away", error=error.message)
        except Exception:  # one delivery that we stumble over must not stop its lane
            log.exception("events.delivery_failed", delivery=to_text(delivery.id))
        lane.look_again(self._clock.now() + AFTER_TROUBLE_SECONDS * SECOND)
        return None

    async def _subscription(self, identifier: SubscriptionId) -> Subscription | None:
        found = self._directory.get(identifier)
        if found is None:  # perhaps another gateway made it a moment ago
            await self._directory.refresh()
            found = self._directory.get(identifier)
        return found

    async def _try(self, attempt: Attempt, subscription: Subscription) -> Outcome:
        attempt.began = self._clock.monotonic()
        try:
            way = self._ways.get(subscription.id)
            if way is None or way.subscription is not subscription:
                way = self._ways[subscription.id] = Way.of(subscription, self._client)
            reply = await self._client.exchange(
                way.opening,
                way.rest(attempt.delivery, self._clock.now()),
                self._settings.timeout_seconds,
                repeatable=True,
            )
        except DestinationRefused as reason:
            return self._judge(attempt, subscription, None, reason.message, refused=True)
        except RemoteUnavailable as reason:
            return self._judge(attempt, subscription, None, reason.message)
        return self._judge(attempt, subscription, reply.status)

    def _judge(
        self,
        attempt: Attempt,
        subscription: Subscription,
        status: int | None,
        error: str | None = None,
        *,
        refused: bool = False,
    ) -> Outcome:
        """Say what a try came to: by its status, or without an answer, `refused` by our own policy or not."""
        delivery, lane = attempt.delivery, attempt.lane
        duration = (self._clock.monotonic() - attempt.began) * 1000
        now, attempts, name = self._clock.now(), delivery.attempts + 1, subscription.name
        if status is not None and status in ACCEPTED:
            if lane.silent:
                self._heard(lane, answered=True)
            state = (
                ACCEPTED_AT_ONCE
                if delivery.state is DELIVERY.initial
                else DELIVERY.fire(delivery.state, DeliveryEvent.ACCEPT)
            )
            return Outcome(delivery, state, now, name, attempts, delivery.due, status, None, None, duration)
        self._heard(lane, answered=status is not None or refused)
        error = error or f"HTTP {status}"
        tries = Tries(attempts, subscription.max_attempts, delivery.expires, now)
        due, dead = decide(tries, status, refused=refused, chance=self._chance())
        event = DeliveryEvent.FAIL if dead is None else DeliveryEvent.GIVE_UP
        state = DELIVERY.fire(delivery.state, event)
        return Outcome(delivery, state, now, name, attempts, due or now, status, error, dead, duration)

    def _dead(self, delivery: Delivery, now: int, reason: DeadReason, name: str) -> Outcome:
        state = DELIVERY.fire(delivery.state, DeliveryEvent.GIVE_UP)
        return Outcome(delivery, state, now, name, delivery.attempts, now, reason=reason)

    def _heard(self, lane: Lane, *, answered: bool) -> None:
        before = lane.failing
        lane.silent = 0 if answered else lane.silent + 1
        if lane.failing != before:
            log.warning(
                "events.endpoint_silent" if lane.failing else "events.endpoint_back",
                subscription=to_text(lane.subscription),
            )

    def _record(self, lane: Lane, outcome: Outcome) -> None:
        match outcome.state:
            case DeliveryState.DELIVERED:
                self.delivered += 1
            case DeliveryState.WAITING:
                self.failed += 1
            case _:
                self.dead += 1
                log.warning(
                    "events.dead_letter",
                    subscription=to_text(lane.subscription),
                    delivery=to_text(outcome.delivery.id),
                    reason=outcome.reason,
                )
        self._outcomes.add(lane, outcome)

    def _written(self, group: Sequence[tuple[Lane, Outcome]], *, lost: bool) -> None:
        """Forget deliveries: the store has what became of them, or, when `lost`, they are as before."""
        again = self._clock.now() + AFTER_TROUBLE_SECONDS * SECOND
        for lane, outcome in group:
            if lost:
                lane.look_again(again)
            elif outcome.state is DeliveryState.WAITING:
                lane.look_again(outcome.due)
            lane.release(outcome.delivery.id)
        self._hold(-len(group))
        self._alarm.set()

    def _release(self, lane: Lane, identifier: bytes) -> None:
        lane.release(identifier)
        self._hold(-1)
