"""The message plane as a service: links, dispatchers and inlets of every carrier on this node."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from carriers.model.carrier import Carrier
from carriers.model.retry import retry_codes
from sms.backlog_metrics import COLLECTOR as BACKLOG
from sms.compliance.store import Compliance
from sms.dispatch import Dispatcher
from sms.esme.outbox import Outbox
from sms.inlet import Inlet
from sms.life import MessageLife
from sms.message import Outbound
from sms.outgoing import Encode, Unit, encoded, encoder_for
from sms.receipt_learning import ReceiptIdStatus
from sms.reservation import Reservation
from sms.settings import SmsSettings
from sms.smpp.link import Link
from sms.smpp.pdu import DeliverSm
from sms.store.finish import Finisher
from sms.store.held import SLICE as HELD_SLICE
from sms.store.held import ReleaseHeld
from sms.store.inbound import SweepParts
from sms.store.inbound_parts import SLICE as PARTS_SLICE
from sms.store.sweep import SLICE, MatchEarly, SweepDue
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import InteractionId, NodeId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
"""How late a message may expire."""

LOOK_AGAIN_SECONDS: Final = 30.0
"""How often the store is asked for messages that memory knows nothing of: whose request went away between
their commit and their hand-over."""

STOP_SECONDS: Final = 5.0
"""How long answers that are still to come are waited for when the node stops."""


class _CarrierTraffic:
    """One carrier: its dispatcher, its inlet, its links. Implements `sms.smpp.link.LinkHandler`."""

    def __init__(self, dispatcher: Dispatcher, inlet: Inlet) -> None:
        self.dispatcher = dispatcher
        self.inlet = inlet
        self.links: list[Link] = []

    def link_bound(self, link: Link) -> None:
        self.dispatcher.pump_soon()

    def link_lost(self, link: Link, reason: str) -> None:
        self.inlet.link_lost(link.name)
        self.dispatcher.pump_soon()

    def window_open(self, link: Link) -> None:
        self.dispatcher.pump_soon()

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
        esmes: Outbox | None = None,
    ) -> None:
        """`esmes` is where SMPP accounts are told of their messages."""
        self._esmes = esmes
        self._store = store
        self._clock = clock
        self._node = node
        self._subscriptions = subscriptions
        self._enqueue = enqueue
        self._settings = settings
        self._encoders = {name: encoder_for(carrier) for name, carrier in carriers.items()}
        self._compliance = Compliance(settings, self.encoder)
        self._carriers: dict[str, _CarrierTraffic] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.life: Final = MessageLife(
            store=store,
            clock=clock,
            node=node,
            settings=settings,
            finisher=self.finisher,
            ended=self.ended,
            offer=self.offer,
            cancelled=self.cancelled,
            encoder=self.encoder,
        )
        for name, carrier in carriers.items():
            self._carriers[name] = self._traffic(name, carrier, settings)

    def _traffic(self, name: str, carrier: Carrier, settings: SmsSettings) -> _CarrierTraffic:
        dispatcher = Dispatcher(
            name,
            store=self._store,
            clock=self._clock,
            node=self._node,
            settings=settings,
            finisher=self.finisher,
            ended=self.ended,
            encode=self._encoders[name],
            retry_on=retry_codes(carrier.retry_on),
            wants=carrier,
        )
        inlet = Inlet(
            name,
            carrier,
            store=self._store,
            clock=self._clock,
            settings=settings,
            finisher=self.finisher,
            ended=self.ended,
        )
        traffic = _CarrierTraffic(dispatcher, inlet)
        traffic.links = [
            Link(link, name, link_settings, traffic, clock=self._clock)
            for link, link_settings in carrier.smpp.items()
        ]
        return traffic

    def cancelled(self, carrier: str, identifier: InteractionId) -> None:
        """Learn that a message was taken back: it is not waiting any more."""
        traffic = self._carriers.get(carrier)
        if traffic is not None:
            traffic.dispatcher.swept([identifier])

    @property
    def links(self) -> list[Link]:
        """Every link of every carrier."""
        return [link for traffic in self._carriers.values() for link in traffic.links]

    def inlet(self, carrier: str) -> Inlet | None:
        """Return the way in from a carrier; None when it is not configured."""
        traffic = self._carriers.get(carrier)
        return None if traffic is None else traffic.inlet

    def backlog(self, carrier: str) -> int:
        """Return how many messages wait for a carrier."""
        traffic = self._carriers.get(carrier)
        return 0 if traffic is None else traffic.dispatcher.backlog

    def encoder(self, carrier: str) -> Encode:
        """Return what encodes a carrier's texts."""
        return self._encoders.get(carrier, encoded)

    async def receipt_ids(self) -> tuple[ReceiptIdStatus, ...]:
        """Return in which form each carrier's receipts name messages. Raises Unavailable."""
        found: list[ReceiptIdStatus] = []
        for traffic in self._carriers.values():
            found += await traffic.inlet.forms.status()
        return tuple(found)

    def schedules(self, carrier: str) -> bool:
        """Tell whether a carrier keeps messages until their time: every link of it has to say so."""
        traffic = self._carriers.get(carrier)
        links = [] if traffic is None else traffic.links
        return bool(links) and all(link.settings.schedule_delivery_time != "never" for link in links)

    def reserve(self, carrier: str, ids: Sequence[InteractionId]) -> Reservation | None:
        """Keep room for messages that are about to be accepted, so that they are claimed by the same write.

        Returns None when they have to wait for their turn.
        """
        traffic = self._carriers.get(carrier)
        return traffic.dispatcher.reserve(ids) if traffic is not None else None

    def offer(self, carrier: str, messages: Sequence[Outbound]) -> None:
        """Take messages that were just accepted.

        Those of a carrier that is not configured any more stay in the store until it is, or they expire.
        """
        traffic = self._carriers.get(carrier)
        if traffic is not None:
            traffic.dispatcher.offer(messages)

    async def start(self) -> None:
        """Take over what waits in the store, then bind. Raises Unavailable when the store is away."""
        for traffic in self._carriers.values():
            await traffic.inlet.forms.start()
            await traffic.dispatcher.start(traffic.links)
            BACKLOG.watch(traffic.dispatcher.carrier, traffic.dispatcher.counts)
        self._tasks = [asyncio.create_task(link.run(), name=f"link:{link.name}") for link in self.links]
        self._tasks.append(asyncio.create_task(self._keep_time(), name="sms.time"))

    async def adopt(self) -> None:
        """Send what this node has to send since it took a dead node's work over (`leases.TakeOver`).

        Raises Unavailable when the store is away; then it may be called again.
        """
        for traffic in self._carriers.values():
            await traffic.dispatcher.adopt()

    async def stop(self) -> None:
        """Send nothing new, wait for what is on the wire, keep every answer, unbind."""
        for traffic in self._carriers.values():
            traffic.dispatcher.drain()
            traffic.inlet.drain()
        await asyncio.gather(*(link.stop(STOP_SECONDS) for link in self.links))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for traffic in self._carriers.values():
            await traffic.inlet.stop()
        await asyncio.gather(*(traffic.dispatcher.stop(STOP_SECONDS) for traffic in self._carriers.values()))

    def finisher(self) -> Finisher:
        """Return a finisher for a job that changes messages; give it to `ended` after its commit."""
        return Finisher(self._node, self._subscriptions, self._compliance, esmes=self._esmes)

    def ended(self, finisher: Finisher) -> None:
        """Hand on what a finisher left behind."""
        if finisher.deliveries:
            self._enqueue(finisher.deliveries)
        for carrier, reply in finisher.replies:
            self.offer(carrier, [reply])
        if finisher.woken and self._esmes is not None:
            self._esmes.wake(finisher.woken)

    async def _keep_time(self) -> None:
        looked = self._clock.monotonic()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Unavailable:
                continue  # what is due stays due
            except Exception:  # without the sweep nothing would ever expire again
                log.exception("sms.sweep_failed")
            if self._clock.monotonic() - looked >= LOOK_AGAIN_SECONDS:
                looked = self._clock.monotonic()
                await self._look_again()

    async def _look_again(self) -> None:
        for traffic in self._carriers.values():
            with suppress(Unavailable):
                await traffic.dispatcher.find_astray()
            traffic.dispatcher.look_again()

    async def _release_held(self) -> None:
        """Send what was held back until now."""
        released = HELD_SLICE
        while released == HELD_SLICE:
            job = ReleaseHeld(self._node, self._clock.now(), self._settings.validity_seconds)
            by_carrier = await self._store.write(job)
            released = sum(by_carrier.values())
            for carrier in by_carrier:
                if carrier in self._carriers:
                    self._carriers[carrier].dispatcher.look_again()

    async def _deliver_parts(self) -> None:
        """Deliver what came of texts whose other parts did not come in time."""
        delivered = PARTS_SLICE
        while delivered == PARTS_SLICE:
            now = self._clock.now()
            body_until = now + self._settings.body_days * DAY
            job = SweepParts(self.finisher(), now, body_until, self._settings.reassembly)
            finisher, delivered = await self._store.write(job)
            self.ended(finisher)

    async def sweep(self) -> None:
        """End what is due and match what came early; the service does it every second.

        Raises Unavailable when the store is away.
        """
        for traffic in self._carriers.values():
            traffic.dispatcher.expire()
        await self._release_held()
        await self._deliver_parts()
        looked_at = SLICE
        while looked_at == SLICE:
            finisher, swept = await self._store.write(SweepDue(self.finisher(), self._clock.now()))
            self.ended(finisher)
            looked_at = swept.looked_at
            for carrier, identifiers in swept.unsent.items():
                if carrier in self._carriers:
                    self._carriers[carrier].dispatcher.swept(identifiers)
        self.ended(await self._store.write(MatchEarly(self.finisher(), self._clock.now())))
        for traffic in self._carriers.values():
            await traffic.inlet.forms.sweep()
