"""What alarms watch on this node, joined: links, database, disk, certificate, webhook endpoints."""

import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from prometheus_client import CollectorRegistry

from tandem.config.tree import Configuration
from tandem.tls import Certificates
from telephony.alarms.metrics import AlarmCollector
from telephony.alarms.service import AlarmService, Post, Source
from telephony.alarms.settings import AlarmSettings
from telephony.alarms.store import OPERATOR
from telephony.alarms.watch import AlarmKind, Observation, Severity, Thing
from telephony.events.deliverer import Deliverer
from telephony.events.event import Event, EventSchema, body_of, constant_headers, topic_of
from telephony.events.retry import ACCEPTED
from telephony.events.signing import signature_headers
from telephony.events.subscriptions import Subscription, SubscriptionDirectory
from telephony.kernel.clock import DAY, SECOND, Clock
from telephony.kernel.errors import RemoteError
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.ids import NodeId, ResourceId, to_text
from telephony.kernel.store import Store
from telephony.resources.directory import Directory

CLEAR_PERCENT: Final = 5
"""How far below its threshold a disk has to be until it is right again."""

POST_SECONDS: Final = 10.0
"""How long an endpoint may take while the database is away: the others wait for it."""


class Bound(Protocol):
    """A link."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def bound(self) -> bool:
        """Whether it is bound."""
        ...


class DiskUse(Protocol):
    """What statvfs says of a file system."""

    @property
    def f_blocks(self) -> int:
        """Its size, in blocks."""
        ...

    @property
    def f_bfree(self) -> int:
        """Blocks that are free."""
        ...

    @property
    def f_bavail(self) -> int:
        """Blocks that are free for us: some are kept for root."""
        ...


class NodeAndTenants:
    """Knows the resources and the node itself, so that the node's events have subscriptions like any."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def knows(self, resource: ResourceId) -> bool:
        """See telephony.events.ports.Tenants."""
        return resource == OPERATOR or self._directory.knows(resource)


def node_alarms(
    configuration: Configuration,
    *,
    links: Callable[[], Iterable[Bound]],
    certificates: Certificates,
    store: Store,
    clock: Clock,
    node: NodeId,
    subscriptions: SubscriptionDirectory,
    deliverer: Deliverer,
    client: GuardedClient,
    registry: CollectorRegistry,
) -> AlarmService:
    """Return the service that watches this node, counted in `registry`."""
    settings = configuration.alarms
    sources: list[Source] = [
        links_down(links),
        store_away(store),
        disk_filling(configuration.data, settings),
        certificate_ending(certificates, settings, clock),
        endpoints_dead(deliverer, subscriptions),
    ]
    service = AlarmService(
        sources,
        store=store,
        clock=clock,
        node=node,
        origin=f"{platform.node()[:80]}:{configuration.port}",
        settings=settings,
        subscriptions=subscriptions,
        enqueue=deliverer.enqueue,
        post=poster(client, clock),
    )
    registry.register(AlarmCollector(service))
    return service


def links_down(links: Callable[[], Iterable[Bound]]) -> Source:
    """Watch that every link is bound."""
    return lambda: [
        Observation(
            Thing(AlarmKind.LINK, link.name), not link.bound, f"The SMPP link {link.name} is not bound."
        )
        for link in links()
    ]


def store_away(store: Store) -> Source:
    """Watch that the database takes writes."""

    def look() -> list[Observation]:
        trouble = store.trouble
        text = "The database is away." if trouble is None else trouble[0].upper() + trouble[1:] + "."
        return [Observation(Thing(AlarmKind.STORE, "database"), trouble is not None, text)]

    return look


def disk_filling(
    folder: Path, settings: AlarmSettings, statvfs: Callable[[Path], DiskUse] = os.statvfs
) -> Source:
    """Watch that the disk of `folder` has room."""

    def look() -> list[Observation]:
        use = statvfs(folder)
        taken = use.f_blocks - use.f_bfree
        percent = 100 * taken / max(1, taken + use.f_bavail)
        wrong = None
        if percent >= settings.disk_percent:
            wrong = True
        elif percent < settings.disk_percent - CLEAR_PERCENT:
            wrong = False
        text = f"The disk of {folder} is {percent:.0f} % full."
        return [Observation(Thing(AlarmKind.DISK, str(folder)), wrong, text)]

    return look


def certificate_ending(certificates: Certificates, settings: AlarmSettings, clock: Clock) -> Source:
    """Watch that the certificate is valid for a while."""

    def look() -> list[Observation]:
        path = certificates.path
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):  # what is in force stays so until the next start: that one would fail
            return [_certificate(path, wrong=True, text=f"The certificate {path} cannot be read.")]
        until = certificate.not_valid_after_utc
        left = int(until.timestamp()) * SECOND - clock.now()
        wrong = left < settings.certificate_days * DAY
        return [
            _certificate(path, wrong=wrong, text=f"The certificate {path} ends {until:%Y-%m-%d %H:%M} UTC.")
        ]

    return look


def endpoints_dead(deliverer: Deliverer, subscriptions: SubscriptionDirectory) -> Source:
    """Watch that somebody answers at every webhook's endpoint."""

    def look() -> list[Observation]:
        found = []
        for identifier in deliverer.silent():
            subscription = subscriptions.get(identifier)
            name = to_text(identifier) if subscription is None else subscription.name
            text = f"Nobody answers at the endpoint of the subscription {name}."
            thing = Thing(AlarmKind.ENDPOINT, to_text(identifier))
            found.append(Observation(thing, True, text, Severity.WARNING))
        return found

    return look


def poster(client: GuardedClient, clock: Clock) -> Post:
    """Return what sends an event without the outbox: while the database is away there is none."""

    async def post(subscription: Subscription, event: Event) -> None:
        body = body_of(event, subscription.schema, topic_of(subscription.resource))
        now = clock.now()
        headers = constant_headers(subscription.schema, subscription.name) | {"aeg-delivery-count": "0"}
        if subscription.schema is EventSchema.EVENT_GRID:
            headers["aeg-data-version"] = event.data_version
        headers.update(signature_headers(subscription.keys_at(now), event.id, now // SECOND, body))
        reply = await client.request("POST", subscription.url, headers, body, POST_SECONDS)
        if reply.status not in ACCEPTED:
            raise RemoteError(f"HTTP {reply.status}")

    return post


def _certificate(path: Path, *, wrong: bool, text: str) -> Observation:
    return Observation(Thing(AlarmKind.CERTIFICATE, str(path)), wrong, text)
