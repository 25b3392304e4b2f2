"""Calls, joined to the rest: workers and engines, trunks, numbers, routes, limits, events."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from sip.edge.edge import Edge
from sip.legs.legs import SipLegs
from sip.legs.settings import LegSettings
from sip.legs.trunks import TrunkDirectory
from sip.naming.system import SystemFinder
from tandem.config.tree import ANY_HOST, Configuration
from tandem.media import MediaPlane
from tandem.media_processes import make_socket_folder, socket_folder
from tandem.voice_processes import EDGE_SECRET, edge_settings, fleet_settings
from tandem.voice_trunks import CallTrunks
from telephony.calling import admin
from telephony.calling.plane import Plane
from telephony.calling.ports import WaysIn, WaysOut
from telephony.calling.service import CallService
from telephony.events.ports import Sealer
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.routing.targets import TargetKinds
from telephony.usage.limiter import Limiter

log = structlog.get_logger(__name__)

GOODBYE_SECONDS: Final = 3.0
"""How long peers may take to hear that their calls end."""

START_SECONDS: Final = 15.0
"""How long workers may take until their absence is trouble: they start after the gateway is ready."""


class VoicePlane:
    """`calls` are the node's. `start`, then `stop`; on a node without calls both do nothing."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        media: MediaPlane,
        carriers: Mapping[str, Carrier],
        numbers: NumberDirectory,
        ways_in: WaysIn,
        ways_out: WaysOut,
        limits: Limiter,
        subscriptions: Matching,
        sealer: Sealer,
        enqueue: Callable[[list[Delivery]], None],
        kinds: TargetKinds,
        knows: Callable[[ResourceId], bool],
    ) -> None:
        """`carriers` are those in force, `kinds` where rules lead; `knows` tells which resources exist."""
        self._configuration, self._clock, self._media = configuration, clock, media
        self.enabled: Final = configuration.calls_run()
        sip = configuration.sip
        host = sip.public_address or ("127.0.0.1" if sip.address in ANY_HOST else sip.address)
        trunks = TrunkDirectory(carriers)
        self._edge = Edge(edge_settings(configuration), trunks.all) if sip.has_edge() else None
        settings = LegSettings(
            host,
            edge=sip.has_edge(),
            secret=os.environ.get(EDGE_SECRET, ""),
            latch=configuration.media.latch,
            media_address=configuration.media.address,
        )
        self.legs = SipLegs(
            settings,
            fleet_settings(configuration),
            media.engines,
            trunks,
            SystemFinder(clock),
            media.io,
        )
        self.calls = CallService(
            Plane(
                store=store,
                clock=clock,
                node=node,
                legs=self.legs,
                numbers=numbers,
                ways_in=ways_in,
                ways_out=ways_out,
                trunks=CallTrunks(carriers),
                limits=limits,
                subscriptions=subscriptions,
                sealer=sealer,
                enqueue=enqueue,
                settings=configuration.calls,
            )
        )
        self.legs.listener = self.calls
        self.routes: Sequence[Route] = admin.routes(self.calls, kinds, store, clock, knows)
        self._patient_until = 0.0

    async def start(self) -> None:
        """Begin to look for workers, and go on with the calls that an earlier process left.

        Raises Unavailable, and ConfigurationError: see `make_socket_folder`.
        """
        if not self.enabled:
            return
        make_socket_folder(socket_folder(self._configuration))
        self._patient_until = self._clock.monotonic() + START_SECONDS
        self._media.calls = self.legs
        if self._edge is not None:
            self._edge.start()
        await self.legs.start()
        await self.calls.start()

    async def stop(self) -> None:
        """End the calls: the node stops, and workers with it. (After a fault the next gateway goes on.)"""
        if not self.enabled:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.calls.end_all()
        await self.calls.stop()
        await self.legs.close()
        if self._edge is not None:
            await self._edge.stop()
        self._media.calls = None

    def follow(self, refresh: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return what is to be awaited after carriers changed: `refresh`, and workers hear of trunks."""

        async def changed() -> None:
            await refresh()
            if self.enabled:
                self.legs.trunks_changed()
                if self._edge is not None:
                    self._edge.changed()

        return changed

    async def adopt(self) -> None:
        """Go on with what this node took over from a dead one. Raises Unavailable; then call it again."""
        if self.enabled:
            await self.calls.resume()

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        if not self.enabled:
            return ()
        if self._clock.monotonic() < self._patient_until:
            return self.calls.trouble()
        edge = () if self._edge is None else self._edge.trouble()
        return (*edge, *self.legs.trouble(), *self.calls.trouble())
