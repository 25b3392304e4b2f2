"""The message plane as a service: links, dispatchers and inlets of every carrier on this node."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from carriers.model.retry import retry_codes
from sms.compliance.store import Compliance
from sms.dispatch import Dispatcher
from sms.esme.outbox import Outbox
from sms.inlet import Inlet
from sms.inward.metrics import TEXTS
from sms.inward.placing import Inward
from sms.life import MessageLife
from sms.message import Outbound
from sms.outgoing import Encode, encoded, encoder_for
from sms.receipt_learning import ReceiptIdStatus
from sms.rerouting import Rerouting
from sms.reservation import Reservation
from sms.settings import SmsSettings
from sms.smpp.link import Link
from sms.store.finish import Finisher
from sms.store.held import SLICE as HELD_SLICE
from sms.store.held import ReleaseHeld
from sms.store.inbound import SweepParts
from sms.store.inbound_parts import SLICE as PARTS_SLICE
from sms.store.sweep import SLICE, MatchEarly, SweepDue
from sms.traffic import CarrierTraffic, same_but_links
from sms.ways import Outward
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
        inward: Inward | None = None,
        outward: Outward | None = None,
    ) -> None:
        """`esmes` is where SMPP accounts are told of their messages; `inward` decides where inbound texts go,
        None: to whoever of their resource asked for them; `outward` where messages go that their carrier does
        not take, None: nowhere."""
        self._inward = inward
        self._esmes = esmes
        self._store = store
        self._clock = clock
        self._node = node
        self._subscriptions = subscriptions
        self._enqueue = enqueue
        self._settings = settings
        self._wanted: Mapping[str, Carrier] = dict(carriers)
        self._encoders = {name: encoder_for(carrier) for name, carrier in carriers.items()}
        self._compliance = Compliance(settings, self.encoder, None if outward is None else outward.ways)
        self._rerouting: Rerouting | None = None
        if outward is not None:
            self._rerouting = Rerouting(
                store=store, clock=clock, node=node, outward=outward, encoder=self.encoder, offer=self.offer
            )
        self._carriers: dict[str, CarrierTraffic] = {}
        self._changing: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
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
            rerouting=self._rerouting,
            encoder=self.encoder,
        )
        for name, carrier in carriers.items():
            self._carriers[name] = self._traffic(name, carrier)

    def _traffic(self, name: str, carrier: Carrier) -> CarrierTraffic:
        settings = self._settings
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
            failover_on=retry_codes(carrier.failover_on, "failover_on"),
            rerouting=self._rerouting,
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
        return CarrierTraffic(name, carrier, dispatcher, inlet, self._clock)

    def cancelled(self, carrier: str, identifier: InteractionId) -> None:
        """Learn that a message was taken back: it is not waiting any more."""
        traffic = self._carriers.get(carrier)
        if traffic is not None:
            traffic.dispatcher.swept([identifier])

    @property
    def links(self) -> list[Link]:
        """Every link of every carrier."""
        return [link for traffic in tuple(self._carriers.values()) for link in traffic.links]

    def reachable(self, carrier: str) -> bool:
        """Tell whether a link of a carrier is bound that may send."""
        traffic = self._carriers.get(carrier)
        return traffic is not None and traffic.dispatcher.reachable

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
        for traffic in tuple(self._carriers.values()):
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
            await traffic.start()
        self._tasks = [asyncio.create_task(self._keep_time(), name="sms.time")]

    def follow(self, carriers: Mapping[str, Carrier]) -> None:
        """Serve these carriers from now on: bind new links, drain and unbind those that are gone.

        Returns at once; `settled` waits. Carriers that are as they were do not notice.
        """
        if self._stopping:
            return
        self._wanted = dict(carriers)
        for name in self._wanted.keys() | self._carriers.keys():
            if name not in self._changing and not self._settled(name):
                self._changing[name] = asyncio.create_task(self._settle(name), name=f"carrier:{name}")

    async def settled(self) -> None:
        """Wait until every carrier is as `follow` was told last."""
        while self._changing:
            await asyncio.wait(self._changing.values())

    def _settled(self, name: str) -> bool:
        traffic, wanted = self._carriers.get(name), self._wanted.get(name)
        if traffic is None or wanted is None:
            return traffic is None and wanted is None
        return traffic.started and traffic.carrier == wanted

    async def _settle(self, name: str) -> None:
        """Bring a carrier to where it is wanted; one task a carrier, so that changes come one by one."""
        try:
            while not self._stopping and not self._settled(name):
                try:
                    await self._step(name)
                except Unavailable:  # of the store
                    await asyncio.sleep(SWEEP_SECONDS)
        except Exception:  # the others go on; the next change tries again
            log.exception("sms.carrier_not_followed", carrier=name)
        finally:
            del self._changing[name]

    async def _step(self, name: str) -> None:
        before, wanted = self._carriers.get(name), self._wanted.get(name)
        if before is not None and wanted is not None:
            if not before.started:
                await before.start()
                return
            if same_but_links(before.carrier, wanted):
                await before.change_links(wanted)
                log.info("sms.links_changed", carrier=name, links=len(wanted.smpp))
                return
        fresh = None
        if wanted is None:
            del self._carriers[name]
            self._encoders.pop(name, None)
        else:
            self._encoders[name] = encoder_for(wanted)
            fresh = self._carriers[name] = self._traffic(name, wanted)  # takes what comes from here on
        if before is not None:
            await before.stop()  # what it has not sent is given back to the store
        if fresh is None:
            assert before is not None
            before.forget()
            if self._rerouting is not None:
                await self._rerouting.empty(name)
        else:
            if before is not None and before.dispatcher.unsettled:
                fresh.dispatcher.doubt()
            await fresh.start()
        log.info("sms.carrier_changed", carrier=name, gone=fresh is None)

    async def adopt(self) -> None:
        """Send what this node has to send since it took a dead node's work over (`leases.TakeOver`).

        Raises Unavailable when the store is away; then it may be called again.
        """
        for traffic in tuple(self._carriers.values()):
            if traffic.started:  # else its start does it
                await traffic.dispatcher.adopt()

    async def stop(self) -> None:
        """Send nothing new, wait for what is on the wire, keep every answer, unbind."""
        self._stopping = True
        for traffic in self._carriers.values():
            traffic.drain()
        await self.settled()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(traffic.stop() for traffic in self._carriers.values()))

    def finisher(self) -> Finisher:
        """Return a finisher for a job that changes messages; give it to `ended` after its commit."""
        return Finisher(
            self._node, self._subscriptions, self._compliance, esmes=self._esmes, inward=self._inward
        )

    def ended(self, finisher: Finisher) -> None:
        """Hand on what a finisher left behind."""
        if finisher.deliveries:
            self._enqueue(finisher.deliveries)
        for carrier, reply in finisher.replies:
            self.offer(carrier, [reply])
        if finisher.woken and self._esmes is not None:
            self._esmes.wake(finisher.woken)
        for target, count in finisher.placed.items():
            TEXTS.labels(target).inc(count)
        if finisher.forwards and self._inward is not None:
            self._inward.wake()

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
        for traffic in tuple(self._carriers.values()):
            with suppress(Unavailable):
                if traffic.started:
                    await traffic.dispatcher.find_astray()
            traffic.dispatcher.look_again()
        with suppress(Unavailable):
            await self._give_away()

    async def _give_away(self) -> None:
        """Let other carriers have what waits for ones that are gone. Raises Unavailable."""
        if self._rerouting is not None:
            await self._rerouting.empty_others(lambda name: name in self._carriers or name in self._changing)

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
            if not by_carrier.keys() <= self._carriers.keys():
                await self._give_away()

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
        reachable = {name for name, traffic in self._carriers.items() if traffic.dispatcher.reachable}
        for name, traffic in self._carriers.items():
            traffic.dispatcher.expire(others=bool(reachable - {name}))
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
        for traffic in tuple(self._carriers.values()):
            if traffic.started:
                await traffic.inlet.forms.sweep()
