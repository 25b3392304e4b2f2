"""The service that delivers: queues in memory in front of the store, a few requests at once an endpoint.

Whatever is in memory is a row in the store as well, so that memory may be bounded and may be lost. Every
subscription has its own lane and its own bound of requests at once, and nothing is shared that one lane can
hold for long: an endpoint that is slow or dead delays nobody else. Outcomes go to the store in groups, one
group at a time; what a crash loses of them is delivered again (at least once, in no order).
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from telephony.events.backlog import (
    PURGE_SLICE,
    Outcome,
    Purge,
    RecordOutcomes,
    due_deliveries,
    waiting_subscriptions,
)
from telephony.events.event import notification_headers
from telephony.events.lanes import NEVER, Lane
from telephony.events.retry import ACCEPTED, DeadReason, Tries, decide
from telephony.events.settings import EventSettings
from telephony.events.signing import signature_headers
from telephony.events.states import DELIVERY, DeliveryEvent, DeliveryState, SubscriptionState
from telephony.events.store import Delivery
from telephony.events.subscription_jobs import LapseSubscriptions
from telephony.events.subscriptions import Subscription, SubscriptionDirectory
from telephony.kernel.clock import DAY, HOUR, SECOND, Clock
from telephony.kernel.errors import RemoteUnavailable, TandemError
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.outbound_addresses import DestinationRefused
from telephony.kernel.ids import NodeId, SubscriptionId, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

PAGE: Final = 200
"""Rows that are read from the store at once for one lane."""

GROUP: Final = 500
"""Outcomes that are written at once: keeps the writer's transaction short."""

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

STOP_SECONDS: Final = 5.0
"""How long `stop` waits for a store that is away."""

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
        self._outcomes: list[tuple[Lane, Outcome]] = []
        self._flusher: asyncio.Task[None] | None = None
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

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Deliver what was published, after its commit. What finds no room stays in the store for later."""
        for delivery in deliveries:
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
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def stop(self) -> None:
        """Break off what is still on the wire, and write down what is known, unless the store is away."""
        self._draining = True
        await self._end_loop()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._flusher is not None and not self._flusher.done():
            _, late = await asyncio.wait((self._flusher,), timeout=STOP_SECONDS)
            if late:  # what is not written down is delivered again
                self._flusher.cancel()
                await asyncio.gather(self._flusher, return_exceptions=True)

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
        limit = PAGE + len(lane.held)
        now = self._clock.now()
        lane.begin_reading()
        try:
            rows = await self._store.read(due_deliveries(self._node, lane.subscription, limit))
        except BaseException:  # whatever it is, the lane has to be read again
            lane.take_in((), limit=0, room=0, now=now)
            raise
        self._hold(lane.take_in(rows, limit=limit, room=max(0, self._room(lane)), now=now))
        self._feed(lane)

    def _hold(self, count: int) -> None:
        self._held += count
        if self._held:
            self._quiet.clear()
        else:
            self._quiet.set()

    def _feed(self, lane: Lane) -> None:
        """Start as many workers as there is work and the endpoint may have."""
        while lane.queue and lane.workers < lane.limit(self._settings.concurrency) and not self._draining:
            probing = lane.failing
            if probing:
                if self._probing >= MAX_PROBING:
                    self._parked[lane.subscription] = lane
                    return
                self._probing += 1
            lane.workers += 1
            task = asyncio.create_task(self._work(lane, lane.queue.popleft(), probing=probing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, lane: Lane, delivery: Delivery, *, probing: bool) -> None:
        """Try one delivery after another; one only while the endpoint counts as dead."""
        try:
            while True:
                outcome = await self._outcome(lane, delivery)
                if outcome is None:
                    self._release(lane, delivery.id)
                else:
                    self._record(lane, outcome)
                if probing or lane.failing or self._draining or not lane.queue:
                    break
                delivery = lane.queue.popleft()
        finally:
            lane.workers -= 1
            if probing:
                self._probing -= 1
        self._feed(lane)
        while self._parked and self._probing < MAX_PROBING:  # one of them may have nothing to do any more
            self._feed(self._parked.pop(next(iter(self._parked))))
        if self._wants_more(lane) and lane.next_due <= self._clock.now():
            self._alarm.set()

    async def _outcome(self, lane: Lane, delivery: Delivery) -> Outcome | None:
        """Try a delivery; None when it has to wait in the store as it is."""
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
            return await self._try(lane, delivery, subscription)
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

    async def _try(self, lane: Lane, delivery: Delivery, subscription: Subscription) -> Outcome:
        sent = self._clock.now()
        headers = notification_headers(
            subscription.schema,
            subscription=subscription.name,
            delivery_count=delivery.attempts,
            data_version=delivery.data_version,
        )
        keys = subscription.keys_at(sent)
        headers.update(signature_headers(keys, delivery.event_id, sent // SECOND, delivery.payload))
        began = self._clock.monotonic()
        status: int | None = None
        error: str | None = None
        refused = False
        try:
            reply = await self._client.request(
                "POST",
                subscription.url,
                headers,
                delivery.payload,
                self._settings.timeout_seconds,
                repeatable=True,
            )
            status = reply.status
        except DestinationRefused as reason:
            error, refused = reason.message, True
        except RemoteUnavailable as reason:
            error = reason.message
        duration = (self._clock.monotonic() - began) * 1000
        self._heard(lane, answered=status is not None or refused)
        now, attempts = self._clock.now(), delivery.attempts + 1
        if status is not None and status in ACCEPTED:
            state = DELIVERY.fire(delivery.state, DeliveryEvent.ACCEPT)
            return Outcome(
                delivery, state, now, subscription.name, attempts, delivery.due, status, duration_ms=duration
            )
        error = error or f"HTTP {status}"
        tries = Tries(attempts, subscription.max_attempts, delivery.expires, now)
        due, dead = decide(tries, status, refused=refused, chance=self._chance())
        event = DeliveryEvent.FAIL if dead is None else DeliveryEvent.GIVE_UP
        state = DELIVERY.fire(delivery.state, event)
        return Outcome(
            delivery, state, now, subscription.name, attempts, due or now, status, error, dead, duration
        )

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
        self._outcomes.append((lane, outcome))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="events.outcomes")

    async def _flush(self) -> None:
        while self._outcomes:
            group, self._outcomes = self._outcomes[:GROUP], self._outcomes[GROUP:]
            try:
                await self._store.write_until_done(RecordOutcomes([each for _, each in group], self._node))
            except Exception as error:  # whatever it is, these rows are as they were: they are tried again
                if not isinstance(error, TandemError):
                    log.exception("events.outcomes_failed", count=len(group))
                again = self._clock.now() + AFTER_TROUBLE_SECONDS * SECOND
                for lane, _ in group:
                    lane.look_again(again)
            for lane, outcome in group:
                if outcome.state is DeliveryState.WAITING:
                    lane.look_again(outcome.due)
                self._release(lane, outcome.delivery.id)
            self._alarm.set()

    def _release(self, lane: Lane, identifier: bytes) -> None:
        lane.release(identifier)
        self._hold(-1)
