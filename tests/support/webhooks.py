"""The events plane put together for tests: a clock moved by hand, endpoints on the loopback."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from telephony.events.admin import routes
from telephony.events.deliverer import Deliverer
from telephony.events.event import Event
from telephony.events.settings import EventSettings
from telephony.events.store import Delivery, deliveries, publish
from telephony.events.subscriptions import SubscriptionDirectory
from telephony.events.verbs import NewSubscription, SubscriptionVerbs, SubscriptionView
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.outbound_addresses import OutboundSettings
from telephony.kernel.http.route import Reply, Request
from telephony.kernel.ids import InteractionId, NodeId, ResourceId, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.kernel.store.timeline import Recorded, read_timeline
from tests.support.clock import ManualClock

RESOURCE = ResourceId(b"resource-one----")
OTHER = ResourceId(b"resource-two----")
NODE = NodeId(b"node-one--------")
MESSAGE = InteractionId(b"message---------")
RECEIVED = "Microsoft.Communication.SMSReceived"
REPORTED = "Microsoft.Communication.SMSDeliveryReportReceived"
ORIGIN = "https://gateway.example:8443"

_numbers = itertools.count(1)


class Sealer:
    """Seals with nothing but its word."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return b"sealed:" + bytes(byte ^ 0x55 for byte in context + b"|" + plain)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        opened = bytes(byte ^ 0x55 for byte in sealed.removeprefix(b"sealed:"))
        if not opened.startswith(context + b"|"):
            raise ConfigurationError("does not open")
        return opened[len(context) + 1 :]


class Tenants:
    """Knows two resources."""

    def knows(self, resource: ResourceId) -> bool:
        return resource in (RESOURCE, OTHER)


def event(
    kind: str = RECEIVED, *, ttl: float | None = None, identifier: str | None = None, now: int = 0
) -> Event:
    """Return an event of a message."""
    return Event(
        id=identifier or f"Incoming_{next(_numbers)}",
        type=kind,
        subject="/phonenumber/14255550123",
        time=now,
        data=msgspec.Raw(b'{"message":"hello"}'),
        ttl_seconds=ttl,
    )


@dataclass
class Plane:
    """One node's webhooks."""

    store: Store
    clock: ManualClock
    client: GuardedClient
    directory: SubscriptionDirectory
    deliverer: Deliverer
    verbs: SubscriptionVerbs
    node: NodeId

    async def subscribe(
        self, url: str, name: str = "first", **more: object
    ) -> tuple[SubscriptionView, Secret]:
        """Make a subscription of RESOURCE."""
        new = msgspec.convert({"name": name, "url": url, **more}, NewSubscription)
        return await self.verbs.add(RESOURCE, new, origin=ORIGIN)

    async def commit(
        self, *events: Event, resource: ResourceId = RESOURCE, message: InteractionId | None = MESSAGE
    ) -> list[Delivery]:
        """Publish events in a job, as another plane does, and tell the deliverer nothing."""

        def job(tx: Connection) -> list[Delivery]:
            return publish(
                tx,
                resource,
                message,
                events,
                subscriptions=self.directory,
                node=self.node,
                now=self.clock.now(),
            )

        return await self.store.write(job)

    async def publish(self, *events: Event, message: InteractionId | None = MESSAGE) -> list[Delivery]:
        """Publish events and hand them to the deliverer."""
        made = await self.commit(*events, message=message)
        self.deliverer.enqueue(made)
        return made

    async def settle(self) -> None:
        """Take in what is due, and wait until all of it has an outcome on disk."""
        await self.deliverer.tick()
        await self.deliverer.idle()

    async def rows(self) -> Sequence[dict[str, object]]:
        """Return every delivery as the store has it, oldest first."""
        query = select(deliveries).order_by(deliveries.c.id)
        return await self.store.read(lambda tx: [dict(row) for row in tx.execute(query).mappings()])

    async def states(self) -> list[object]:
        """Return the states of all deliveries, oldest first."""
        return [row["state"] for row in await self.rows()]

    async def timeline(self) -> list[Recorded]:
        """Return the timeline of MESSAGE."""
        return await self.store.read(read_timeline(RESOURCE, MESSAGE))

    async def call(
        self,
        operation: str,
        body: object = None,
        query: dict[str, str] | None = None,
        *,
        resource: ResourceId = RESOURCE,
        **path: str,
    ) -> Reply:
        """Call an operation as the HTTP application does."""
        route = next(route for route in routes(self.verbs) if route.operation == operation)
        decoded = None if route.body is None else msgspec.convert(body, route.body)
        request: Request[object] = Request(
            resource=ResourceId(bytes(16)),
            body=decoded,
            path={"resource": to_text(resource), **path},
            query=query or {},
            origin=ORIGIN,
        )
        return await route.handler(request)


@asynccontextmanager
async def plane(
    store: Store,
    *,
    clock: ManualClock | None = None,
    node: NodeId = NODE,
    settings: EventSettings | None = None,
    chance: float = 0.0,
) -> AsyncIterator[Plane]:
    """Run the plane of one node; nothing happens by itself: see `Plane.settle`."""
    clock = clock or ManualClock()
    settings = settings or EventSettings(delivered_hours=1)  # to be looked at
    async with GuardedClient(OutboundSettings(allow=("127.0.0.0/8",))) as client:
        directory = SubscriptionDirectory(store, Sealer())
        await directory.refresh()
        deliverer = Deliverer(
            store=store,
            client=client,
            directory=directory,
            clock=clock,
            node=node,
            settings=settings,
            chance=lambda: chance,
        )
        verbs = SubscriptionVerbs(
            store=store,
            sealer=Sealer(),
            client=client,
            directory=directory,
            tenants=Tenants(),
            deliverer=deliverer,
            clock=clock,
            node=node,
            settings=settings,
        )
        try:
            yield Plane(store, clock, client, directory, deliverer, verbs, node)
        finally:
            await deliverer.stop()
