"""The gateway process: joins the planes, and carries them from start to stop.

Start: database, lease, keys, planes, links, HTTP last. Stop: HTTP first, then what is on the wire, then the
database. Only here and in the other entry points are event loops made.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
import uvloop
from prometheus_client import REGISTRY, CollectorRegistry

from sms.service import SmsService
from tandem import __version__, replay
from tandem import health as health_routes
from tandem.administration import Administration
from tandem.alarms import NodeAndTenants, node_alarms
from tandem.carriers.plane import CarrierPlane
from tandem.config.tree import Configuration
from tandem.first_start import Keepsakes, ensure_first_resource, write_keepsakes
from tandem.health import Health, watch_loop
from tandem.http import Application, Server, ServerLimits, Settings, serve, serve_plain
from tandem.joining import DATABASE_SECONDS, join, migrated
from tandem.media import MediaPlane
from tandem.messages import MessagePlane
from tandem.numbers import number_plane
from tandem.one_core import OneCore
from tandem.planes_identity import IdentityPlane
from tandem.routing import NumberOwners, RoutingPlane
from tandem.seat import patiently, take_seat
from tandem.sip_routing import sip_plane
from tandem.supervisor.notify import ready
from tandem.tls import Certificates, Files
from tandem.usage import RoutingLimits, RoutingPrices, UsagePlane
from tandem.voice import VoicePlane
from telephony.events import admin as events_admin
from telephony.events.deliverer import Deliverer
from telephony.events.subscriptions import SubscriptionDirectory
from telephony.events.verbs import SubscriptionVerbs
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError, TandemError, Unavailable
from telephony.kernel.http.limits import RequestLimits
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.plain import parse_plain
from telephony.kernel.http.route import Route
from telephony.kernel.http.settings import HttpSettings
from telephony.kernel.store import Store
from telephony.kernel.store.leases import hold
from telephony.kernel.store.retention import run_retention
from telephony.numbers.hold_time import watch_holds
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys, SelfDescribing
from telephony.usage.inward import InboundRates

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
"""How long running requests may take to end when the node stops."""

GARBAGE: Final = 10_000
"""Objects made and not freed before the youngest are looked at: a message in flight is some thirty, nearly
all of them go without the collector."""

CERTIFICATE_SECONDS: Final = 3600.0
"""How often the certificate is looked at."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    server: Server
    health: Health
    sms: SmsService
    store: Store
    directory: Directory
    routes: tuple[Route, ...]


def run(configuration: Configuration) -> None:
    """Run until SIGTERM or SIGINT."""
    core = OneCore()
    if configuration.one_core:
        core.begin()
    uvloop.run(_run(configuration, core))


def _spare_the_collector() -> None:
    """Let garbage collections look at little, and seldom: one of everything held the loop for 20 to 40 ms."""
    gc.collect()
    gc.freeze()  # what the start made lives as long as the process
    gc.set_threshold(GARBAGE, 20, 20)


async def _run(configuration: Configuration, core: OneCore) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    serving = False

    def end() -> None:
        if not serving and not stop.is_set():
            main.cancel()  # a start may wait for a database that is away, or for another gateway's end
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        async with gateway(configuration, lost=end):
            serving = True
            _spare_the_collector()
            keeping = asyncio.create_task(core.keep(), name="one-core")
            ready()
            await stop.wait()
            keeping.cancel()
            log.info("gateway.stopping")
    except asyncio.CancelledError:
        log.info("gateway.stopped_before_it_was_ready")


@asynccontextmanager
async def gateway(
    configuration: Configuration, *, lost: Callable[[], None], registry: CollectorRegistry = REGISTRY
) -> AsyncIterator[Gateway]:
    """Run a gateway for the length of a `with` block; `lost` is called when it has to stop by itself.

    Waits for a database that is away, and a while for another gateway that has the folder or the database.
    Raises ConfigurationError when that one stays, or a folder, key, certificate or address cannot be used.
    """
    with _blaming(f"data: the folder {configuration.data} cannot be made"):
        configuration.data.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    url = configuration.database_url()
    async with AsyncExitStack() as stack:
        seat = await patiently(lambda: take_seat(configuration.data))
        stack.callback(seat.release)
        lock = await patiently(lambda: hold(url))
        stack.callback(lock.release)
        await migrated(url)
        store = Store(url)
        store.start()
        stack.push_async_callback(asyncio.to_thread, store.stop)
        taken_over = asyncio.Event()
        lease = configuration.lease_seconds
        node = await join(stack, store, seat, lease, alone=lock.alone, lost=lost, taken_over=taken_over)
        master = _master_keys(configuration)
        directory = await Directory(store, master).start()
        stack.push_async_callback(directory.stop)
        first = await ensure_first_resource(configuration, store, master, directory, clock)
        await write_keepsakes(Keepsakes(configuration.data), first, store, clock)
        await directory.refresh()

        client = GuardedClient(configuration.outbound)
        stack.push_async_callback(client.close)
        sealer = SelfDescribing(master)
        carriers = CarrierPlane(configuration, store=store, clock=clock, sealer=sealer)
        await carriers.start()
        stack.push_async_callback(carriers.stop)
        subscriptions = SubscriptionDirectory(store, sealer)
        await subscriptions.start()
        stack.push_async_callback(subscriptions.stop)
        deliverer = Deliverer(
            store=store,
            client=client,
            directory=subscriptions,
            clock=clock,
            node=node,
            settings=configuration.events,
        )
        await deliverer.start()
        stack.push_async_callback(_end_deliveries, deliverer)
        webhooks = SubscriptionVerbs(
            store=store,
            sealer=sealer,
            client=client,
            directory=subscriptions,
            tenants=NodeAndTenants(directory),
            deliverer=deliverer,
            clock=clock,
            node=node,
            settings=configuration.events,
        )
        inventory = number_plane(
            store=store,
            clock=clock,
            settings=configuration.numbers,
            audit=configuration.audit,
            carriers=carriers.live.keys(),
            knows=directory.knows,
        )
        sip = sip_plane(
            store=store,
            clock=clock,
            audit=configuration.audit,
            outbound=configuration.outbound,
            knows=directory.knows,
        )
        stack.callback(sip.close)
        await sip.directory.start()
        stack.push_async_callback(sip.directory.stop)
        media = MediaPlane(configuration, clock, registry)
        await media.start()
        stack.push_async_callback(media.stop)
        usage = UsagePlane(
            store=store,
            clock=clock,
            directory=directory,
            configuration=configuration,
            carriers=carriers.live,
        )
        routing = RoutingPlane(
            store=store,
            clock=clock,
            carriers=carriers.live,
            reachable=lambda carrier: messages.sms.reachable(carrier),  # noqa: PLW0108 - made below
            numbers=inventory.directory,
            knows=directory.knows,
            prices=RoutingPrices(usage.book),
            limits=RoutingLimits(usage, store, clock),
            own=sip.directory,
        )
        await routing.start()
        stack.push_async_callback(routing.stop)
        await usage.start()
        stack.push_async_callback(usage.stop)
        messages = MessagePlane(
            configuration,
            carriers=carriers.live,
            store=store,
            clock=clock,
            node=node,
            resources=directory,
            sealer=sealer,
            numbers=inventory.directory,
            limits=usage.limiter,
            subscriptions=subscriptions,
            deliverer=deliverer,
            ways=routing.router,
            charges=InboundRates(usage.book),
            alone=lock.alone,
        )
        voice = VoicePlane(
            configuration,
            store=store,
            clock=clock,
            node=node,
            media=media,
            carriers=carriers.live,
            numbers=inventory.directory,
            ways_in=routing.router,
            ways_out=routing.voice,
            limits=usage.limiter,
            subscriptions=subscriptions,
            sealer=sealer,
            enqueue=deliverer.enqueue,
            kinds=routing.kinds,
            knows=directory.knows,
        )
        identity = IdentityPlane(
            store=store,
            clock=clock,
            directory=directory,
            sealer=sealer,
            settings=configuration.identity,
            registry=registry,
            audit=configuration.audit,
        )
        await identity.start()
        stack.push_async_callback(identity.stop)
        administration = Administration(
            store=store,
            directory=directory,
            master=master,
            clock=clock,
            configuration=configuration,
            node=node,
        )
        health = Health(
            __version__,
            [lambda: _store_trouble(store)],
            [
                messages.trouble,
                carriers.trouble,
                administration.trouble,
                routing.trouble,
                sip.directory.trouble,
                media.trouble,
                voice.trouble,
            ],
        )
        planes = (
            *messages.routes,
            *carriers.routes,
            *identity.routes(),
            *events_admin.routes(webhooks),
            *inventory.routes,
            *routing.routes,
            *replay.routes(
                store=store,
                clock=clock,
                routing=routing,
                own=sip.directory,
                owners=NumberOwners(inventory.directory),
                book=usage.book,
                knows=directory.knows,
            ),
            *usage.routes,
            *sip.routes,
            *media.routes,
            *voice.routes,
            *health_routes.routes(health),
        )
        routes = administration.routes(planes)
        await messages.start()
        stack.push_async_callback(messages.stop)
        await voice.start()
        stack.push_async_callback(voice.stop)
        carriers.follow(messages.sms.follow, voice.follow(routing.refresh))
        _spawn(stack, _adopt(taken_over, messages, voice, deliverer), "adopt")
        certificates = Certificates(
            Files(configuration.data, configuration.certificate, configuration.certificate_key), clock
        )
        application = Application(
            routes,
            directory,
            clock=clock,
            users=identity.verifier,
            settings=_http_settings(configuration.http),
            registry=registry,
        )
        limits = ServerLimits(connections=configuration.http.connections)
        with _blaming(f"host, port: cannot listen on {configuration.host}:{configuration.port}"):
            server = await serve(
                application,
                host=configuration.host,
                port=configuration.port,
                ssl_context=certificates.context(directory.authorities),
                limits=limits,
            )
        servers = [server]
        stack.push_async_callback(_drain, servers)
        stack.push_async_callback(administration.stop)
        administration.on_change(messages.accounts.shut_out)
        await administration.follow(application, certificates, server.port, limits)
        if configuration.http.plain:
            servers.append(await _listen_plainly(application, configuration.http.plain, limits))
        _spawn(stack, watch_loop(), "loop-lag")
        _spawn(stack, watch_holds(store, clock), "number-holds")
        _spawn(stack, run_retention(store, clock, configuration.retention, asyncio.Event()), "retention")
        _spawn(stack, _renew_certificate(certificates, directory), "certificate")
        alarms = node_alarms(
            configuration,
            links=lambda: messages.sms.links,
            certificates=certificates,
            store=store,
            clock=clock,
            node=node,
            subscriptions=subscriptions,
            deliverer=deliverer,
            client=client,
            registry=registry,
        )
        await alarms.start()
        stack.push_async_callback(alarms.stop)
        health.ready = True
        log.info("gateway.ready", node=node.hex(), port=server.port)
        yield Gateway(server, health, messages.sms, store, directory, routes)
        health.ready = False


@contextmanager
def _blaming(words: str) -> Iterator[None]:
    """Turn what the system refuses into an error that names the setting."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(f"{words}: {reason}. Choose another.") from error


async def _adopt(
    taken_over: asyncio.Event, messages: MessagePlane, voice: VoicePlane, deliverer: Deliverer
) -> None:
    """Go on with what became this node's, whenever something did."""
    while True:
        await taken_over.wait()
        taken_over.clear()
        deliverer.taken_over()
        try:
            await messages.adopt()
            await voice.adopt()
        except Unavailable:
            await asyncio.sleep(DATABASE_SECONDS)
            taken_over.set()


async def _end_deliveries(deliverer: Deliverer) -> None:
    await deliverer.drain(DRAIN_SECONDS)
    await deliverer.stop()


def _master_keys(configuration: Configuration) -> MasterKeys:
    if configuration.master_key:
        return MasterKeys.parse(configuration.master_key)
    return MasterKeys.from_file(configuration.master_key_path())


async def _renew_certificate(certificates: Certificates, directory: Directory) -> None:
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        try:
            certificates.refresh(directory.authorities)
        except TandemError as error:
            log.error("gateway.certificate", error=error.message)


async def _listen_plainly(application: Application, plain: str, limits: ServerLimits) -> Server:
    """Open the listener without TLS. Raises ConfigurationError."""
    try:
        return await serve_plain(application, parse_plain(plain), limits=limits)
    except OSError as error:
        raise ConfigurationError(
            f"http.plain: cannot listen on {plain}: {error.strerror}. Choose another.", target="http.plain"
        ) from error


async def _drain(servers: Sequence[Server]) -> None:
    await asyncio.gather(*(server.drain(DRAIN_SECONDS) for server in servers))


def _http_settings(settings: HttpSettings) -> Settings:
    return Settings(
        limits=RequestLimits(settings.rate, settings.burst, settings.concurrent),
        body_seconds=settings.body_seconds,
        cors_origins=settings.cors_origins,
    )


def _store_trouble(store: Store) -> list[str]:
    return [] if store.trouble is None else [store.trouble]


def _spawn(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
