"""The gateway process: joins the planes, and carries them from start to stop.

Start: database, lease, keys, planes, links, HTTP last. Stop: HTTP first, then what is on the wire, then the
database. Only here and in the other entry points are event loops made.
"""

import asyncio
import contextlib
import platform
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
import uvloop

from sms import admin as sms_admin
from sms import api as sms_api
from sms.send import SendSms
from sms.service import SmsService
from tandem import __version__
from tandem import health as health_routes
from tandem.config.tree import Configuration
from tandem.first_start import Keepsakes, ensure_first_resource, write_keepsakes
from tandem.health import Health, watch_loop
from tandem.http import Application, Server, ServerLimits, Settings, serve
from tandem.migrations import migrate
from tandem.supervisor.notify import ready
from tandem.tls import Certificates, Files
from telephony.events import admin as events_admin
from telephony.events.deliverer import Deliverer
from telephony.events.subscriptions import SubscriptionDirectory
from telephony.events.verbs import SubscriptionVerbs
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import TandemError, Unavailable
from telephony.kernel.http.limits import RequestLimits
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.route import Route
from telephony.kernel.http.settings import HttpSettings
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import (
    LEASE_SECONDS,
    RENEW_SECONDS,
    EndLease,
    LeaseLost,
    RegisterNode,
    RenewLease,
    TakeOver,
    hold,
)
from telephony.numbers.directory import NumberDirectory
from telephony.resources import admin as resources_admin
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys, SelfDescribing

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
"""How long running requests may take to end when the node stops."""

CERTIFICATE_SECONDS: Final = 3600.0
"""How often the certificate is looked at."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    server: Server
    health: Health
    sms: SmsService
    store: Store
    routes: tuple[Route, ...]


def run(configuration: Configuration) -> None:
    """Run until SIGTERM or SIGINT."""
    uvloop.run(_run(configuration))


async def _run(configuration: Configuration) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with gateway(configuration, lost=stop.set):
        ready()
        await stop.wait()
        log.info("gateway.stopping")


@asynccontextmanager
async def gateway(configuration: Configuration, *, lost: Callable[[], None]) -> AsyncIterator[Gateway]:
    """Run a gateway for the length of a `with` block; `lost` is called when it has to stop by itself.

    Raises ConfigurationError when another gateway has the database, or a key or certificate cannot be used.
    """
    configuration.data.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        lock = hold(configuration.database_url())
        stack.callback(lock.release)
        await asyncio.to_thread(migrate, configuration.database_url())
        store = Store(configuration.database_url())
        store.start()
        stack.push_async_callback(asyncio.to_thread, store.stop)
        node = await _join(stack, store, alone=lock.alone, lost=lost)
        master = _master_keys(configuration)
        directory = await Directory(store, master).start()
        stack.push_async_callback(directory.stop)
        first = await ensure_first_resource(configuration, store, master, directory, clock)
        await write_keepsakes(Keepsakes(configuration.data), first, store, clock)
        await directory.refresh()

        client = GuardedClient(configuration.outbound)
        stack.push_async_callback(client.close)
        sealer = SelfDescribing(master)
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
            tenants=directory,
            deliverer=deliverer,
            clock=clock,
            node=node,
            settings=configuration.events,
        )
        sms = SmsService(
            configuration.carriers,
            store=store,
            clock=clock,
            node=node,
            settings=configuration.sms,
            subscriptions=subscriptions,
            enqueue=deliverer.enqueue,
        )
        send = SendSms(
            store=store,
            clock=clock,
            node=node,
            numbers=NumberDirectory(store, clock),
            settings=configuration.sms,
            offer=sms.offer,
            backlog=sms.backlog,
        )
        health = Health(__version__, [lambda: _store_trouble(store)], [lambda: _link_trouble(sms)])
        routes = (
            *sms_api.routes(send, clock),
            *sms_admin.routes(store, lambda: [link.status() for link in sms.links], directory.knows),
            *resources_admin.routes(directory),
            *events_admin.routes(webhooks),
            *health_routes.routes(health),
        )
        await sms.start()
        stack.push_async_callback(sms.stop)
        certificates = Certificates(
            Files(configuration.data, configuration.certificate, configuration.certificate_key), clock
        )
        application = Application(routes, directory, clock=clock, settings=_http_settings(configuration.http))
        server = await serve(
            application,
            host=configuration.host,
            port=configuration.port,
            ssl_context=certificates.context(directory.authorities),
            limits=ServerLimits(connections=configuration.http.connections),
        )
        stack.push_async_callback(server.drain, DRAIN_SECONDS)
        _spawn(stack, watch_loop(), "loop-lag")
        _spawn(stack, _renew_certificate(certificates, directory), "certificate")
        health.ready = True
        log.info("gateway.ready", node=node.hex(), port=server.port)
        yield Gateway(server, health, sms, store, routes)
        health.ready = False


async def _join(stack: AsyncExitStack, store: Store, *, alone: bool, lost: Callable[[], None]) -> NodeId:
    """Register this process, take over what dead ones left, and keep the lease until the end."""
    node = await store.write(RegisterNode(platform.node()))
    stack.push_async_callback(_leave, store, node)
    moved = await store.write(TakeOver(node, alone=alone))
    log.info("gateway.joined", node=node.hex(), taken_over=moved)
    _spawn(stack, _keep_lease(store, node, lost), "lease")
    return node


async def _end_deliveries(deliverer: Deliverer) -> None:
    await deliverer.drain(DRAIN_SECONDS)
    await deliverer.stop()


async def _leave(store: Store, node: NodeId) -> None:
    with contextlib.suppress(Unavailable):
        await store.write(EndLease(node))


async def _keep_lease(store: Store, node: NodeId, lost: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await store.write(RenewLease(node, LEASE_SECONDS))
        except LeaseLost:
            log.error("gateway.lease_lost")  # another works on what was ours: start again as a new node
            lost()
            return
        except Unavailable:
            continue  # five tries in a lease; the store says what is wrong


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


def _http_settings(settings: HttpSettings) -> Settings:
    return Settings(
        limits=RequestLimits(settings.rate, settings.burst, settings.concurrent),
        body_seconds=settings.body_seconds,
        cors_origins=settings.cors_origins,
    )


def _store_trouble(store: Store) -> list[str]:
    return [] if store.trouble is None else [store.trouble]


def _link_trouble(sms: SmsService) -> list[str]:
    return [f"link {link.name} is not bound" for link in sms.links if not link.bound]


def _spawn(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
