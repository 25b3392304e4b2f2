"""The message plane as a service: links, dispatchers and inlets of every carrier on this node."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from carriers.model.carrier import Carrier
from sms.dispatch import Dispatcher, Unit
from sms.inlet import Inlet
from sms.message import Outbound
from sms.settings import SmsSettings
from sms.smpp.link import Link
from sms.smpp.pdu import DeliverSm
from sms.store.finish import Finisher
from sms.store.sweep import SLICE, MatchEarly, SweepDue
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
"""How late a message may expire."""

STOP_SECONDS: Final = 5.0
"""How long answers that are still to come are waited for when the node stops."""


class _CarrierTraffic:
    """One carrier: its dispatcher, its inlet, its links. Implements `sms.smpp.link.LinkHandler`."""

    def __init__(self, dispatcher: Dispatcher, inlet: Inlet) -> None:
        self.dispatcher = dispatcher
        self.inlet = inlet
        self.links: list[Link] = []

    def link_bound(self, link: Link) -> None:
        log.info("link.bound", link=link.name, carrier=link.carrier)
        self.dispatcher.pump()

    def link_lost(self, link: Link, reason: str) -> None:
        log.warning("link.lost", link=link.name, carrier=link.carrier, reason=reason)
        self.dispatcher.pump()

    def window_open(self, link: Link) -> None:
        self.dispatcher.pump()

    def submit_answered(self, link: Link, token: Any, status: int, message_id: str) -> None:  # noqa: ANN401
        unit: Unit = token
        self.dispatcher.submit_answered(link, unit, status, message_id)

    def submit_lost(self, link: Link, token: Any, reason: str) -> None:  # noqa: ANN401
        unit: Unit = token
        self.dispatcher.submit_lost(link, unit, reason)

    def delivered(self, link: Link, pdu: DeliverSm, sequence: int) -> None:
        self.inlet.delivered(link, pdu, sequence)


class SmsService:
    """Messages on this node, from `start` to `stop`."""

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        settings: SmsSettings,
        subscriptions: Matching,
        enqueue: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._subscriptions = subscriptions
        self._enqueue = enqueue
        self._carriers: dict[str, _CarrierTraffic] = {}
        self._tasks: list[asyncio.Task[None]] = []
        for name, carrier in carriers.items():
            self._carriers[name] = self._traffic(name, carrier, settings)

    def _traffic(self, name: str, carrier: Carrier, settings: SmsSettings) -> _CarrierTraffic:
        dispatcher = Dispatcher(
            name,
            carrier.receipt_id,
            store=self._store,
            clock=self._clock,
            node=self._node,
            settings=settings,
            finisher=self._finisher,
            ended=self._ended,
        )
        inlet = Inlet(
            name,
            carrier,
            store=self._store,
            clock=self._clock,
            settings=settings,
            finisher=self._finisher,
            ended=self._ended,
        )
        traffic = _CarrierTraffic(dispatcher, inlet)
        traffic.links = [
            Link(link, name, link_settings, traffic, clock=self._clock)
            for link, link_settings in carrier.smpp.items()
        ]
        return traffic

    @property
    def links(self) -> list[Link]:
        """Every link of every carrier."""
        return [link for traffic in self._carriers.values() for link in traffic.links]

    def backlog(self, carrier: str) -> int:
        """Return how many messages wait for a carrier."""
        traffic = self._carriers.get(carrier)
        return 0 if traffic is None else traffic.dispatcher.backlog

    def offer(self, carrier: str, messages: Sequence[Outbound]) -> None:
        """Take messages that were just accepted.

        Those of a carrier that is not configured any more stay in the store until it is, or they expire.
        """
        traffic = self._carriers.get(carrier)
        if traffic is not None:
            traffic.dispatcher.offer(messages)

    async def start(self) -> None:
        """Take over what waits in the store, then bind."""
        for traffic in self._carriers.values():
            await traffic.dispatcher.start(traffic.links)
        self._tasks = [asyncio.create_task(link.run(), name=f"link:{link.name}") for link in self.links]
        self._tasks.append(asyncio.create_task(self._sweep(), name="sms.sweep"))

    async def stop(self) -> None:
        """Send nothing new, wait for what is on the wire, keep every answer, unbind."""
        for traffic in self._carriers.values():
            traffic.dispatcher.drain()
        await asyncio.gather(*(link.stop(STOP_SECONDS) for link in self.links))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for traffic in self._carriers.values():
            await traffic.inlet.flush()
            await traffic.dispatcher.stop()

    def _finisher(self) -> Finisher:
        return Finisher(self._node, self._subscriptions)

    def _ended(self, finisher: Finisher) -> None:
        if finisher.deliveries:
            self._enqueue(finisher.deliveries)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Unavailable:
                continue  # what is due stays due

    async def sweep(self) -> None:
        """End what is due and match what came early; the service does it every second."""
        looked_at = SLICE
        while looked_at == SLICE:
            finisher, looked_at = await self._store.write(SweepDue(self._finisher(), self._clock.now()))
            self._ended(finisher)
        self._ended(await self._store.write(MatchEarly(self._finisher(), self._clock.now())))
