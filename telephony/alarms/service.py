"""The service that looks at everything and raises and clears alarms.

They are events of the node itself, delivered by webhook as any other. While the database is away there is no
outbox: then the endpoints are told directly, and once more by the outbox when it is back; the event has the
same id both times.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from telephony.alarms.settings import AlarmSettings
from telephony.alarms.store import OPERATOR, Alarm, WriteAlarm, event_of, open_alarms, raised
from telephony.alarms.watch import AlarmKind, Observation, Thing, Transition, Turn, Watch
from telephony.events.event import Event
from telephony.events.store import Delivery
from telephony.events.subscriptions import Subscription, SubscriptionDirectory
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.errors import TandemError, Unavailable
from telephony.kernel.ids import NodeId, SubscriptionId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

Source = Callable[[], Iterable[Observation]]
"""Tells how the things of one kind are now. Quick: it runs on the event loop."""

MAX_UNWRITTEN: Final = 1000
"""Alarms that wait for the database; links and endpoints of a node are fewer."""


class Enqueue(Protocol):
    """Delivers events."""

    def __call__(self, deliveries: Sequence[Delivery], /) -> None:
        """Deliver what was published."""
        ...


Post = Callable[[Subscription, Event], Awaitable[None]]
"""Sends an event to an endpoint without the outbox. Raises TandemError when nobody took it."""


class AlarmService:
    """Watches. `start`, then `stop`; tests call `tick` instead."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        origin: str,
        settings: AlarmSettings,
        subscriptions: SubscriptionDirectory,
        enqueue: Enqueue,
        post: Post,
    ) -> None:
        """`origin` names this gateway for people, and is the same in its next life."""
        self._sources, self._store, self._clock, self._node = sources, store, clock, node
        self._origin, self._settings, self._subscriptions = origin, settings, subscriptions
        self._enqueue, self._post = enqueue, post
        self._watch: Watch | None = None
        self._open: dict[Thing, Alarm] = {}
        self._unwritten: list[Alarm] = []
        self._untold: list[tuple[SubscriptionId, Event]] = []
        self._task: asyncio.Task[None] | None = None
        self.raised: dict[AlarmKind, int] = dict.fromkeys(AlarmKind, 0)
        """Alarms raised since the start, by kind."""

    def open(self) -> Sequence[Alarm]:
        """Return the alarms that are raised now."""
        return tuple(self._open.values())

    async def start(self) -> None:
        """Take over the open alarms of an earlier life, and watch. Raises Unavailable."""
        await self.resume()
        self._task = asyncio.create_task(self._run(), name="alarms")

    async def stop(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def resume(self) -> None:
        """Take over the open alarms of an earlier life. Raises Unavailable."""
        found = await self._store.read(open_alarms(self._origin))
        self._open = {alarm.thing: alarm for alarm in found}
        self._watch = Watch(
            self._settings,
            {
                alarm.thing: Observation(alarm.thing, True, alarm.text, alarm.severity)
                for alarm in self._open.values()
            },
            self._clock.now(),
        )

    async def tick(self) -> None:
        """Look at everything once."""
        assert self._watch is not None, "resume comes first"
        observations = [each for source in self._sources for each in source()]
        for transition in self._watch.observe(observations, self._clock.now()):
            self._turn(transition)
        await self._write()

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:  # a watch that ends would stay silent for ever
                log.exception("alarms.failed")
            await asyncio.sleep(self._settings.every_seconds)

    def _turn(self, transition: Transition) -> None:
        thing = transition.thing
        if transition.turn is Turn.RAISED:
            alarm = self._open[thing] = raised(transition, self._origin)
            self.raised[thing.kind] += 1
        else:
            alarm = replace(self._open.pop(thing), cleared=transition.at)
        note = log.error if transition.turn is Turn.RAISED else log.info
        note(f"alarms.{transition.turn}", kind=thing.kind.value, subject=thing.subject, text=alarm.text)
        if len(self._unwritten) == MAX_UNWRITTEN:
            del self._unwritten[0]
        self._unwritten.append(alarm)
        event = event_of(alarm)
        self._untold += [(each.id, event) for each in self._subscriptions.matching(OPERATOR, event.type)]

    async def _write(self) -> None:
        while self._unwritten:
            alarm, now = self._unwritten[0], self._clock.now()
            expires = now + self._settings.keep_days * DAY
            try:
                made = await self._store.write(
                    WriteAlarm(alarm, expires, self._subscriptions, self._node, now)
                )
            except Unavailable:
                await self._tell()
                return
            self._unwritten.pop(0)
            self._enqueue(made)
        self._untold = []  # the outbox has them

    async def _tell(self) -> None:
        """Tell the endpoints without the outbox; who does not answer is asked again at the next look."""
        left: list[tuple[SubscriptionId, Event]] = []
        for identifier, event in self._untold:
            subscription = self._subscriptions.get(identifier)
            if subscription is None:
                continue
            try:
                await self._post(subscription, event)
            except TandemError as error:
                log.warning("alarms.not_told", error=error.message)
                left.append((identifier, event))
        self._untold = left
