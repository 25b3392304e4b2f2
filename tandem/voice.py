"""Calls, joined to the rest: workers and engines, trunks, numbers, routes, limits, events."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from sip.legs.legs import SipLegs
from sip.legs.settings import LegSettings
from sip.legs.targets import Literal
from sip.legs.trunks import TrunkDirectory
from tandem.config.tree import ANY_HOST, Configuration
from tandem.media import MediaPlane
from tandem.media_processes import make_socket_folder, socket_folder
from tandem.voice_processes import fleet_settings
from tandem.voice_trunks import CallTrunks
from telephony.calling.plane import Plane
from telephony.calling.ports import WaysIn, WaysOut
from telephony.calling.service import CallService
from telephony.events.ports import Sealer
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import Clock
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.usage.limiter import Limiter

log = structlog.get_logger(__name__)

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
    ) -> None:
        """`carriers` are those in force."""
        self._configuration, self._clock, self._media = configuration, clock, media
        self.enabled: Final = configuration.calls_run()
        sip = configuration.sip
        host = sip.public_address or ("127.0.0.1" if sip.address in ANY_HOST else sip.address)
        self.legs = SipLegs(
            LegSettings(host, latch=configuration.media.latch, media_address=configuration.media.address),
            fleet_settings(configuration),
            media.engines,
            TrunkDirectory(carriers),
            Literal(),
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
        await self.legs.start()
        await self.calls.start()

    async def stop(self) -> None:
        """Leave the calls to workers and engines: whoever comes next goes on with them."""
        if not self.enabled:
            return
        await self.calls.stop()
        await self.legs.close()
        self._media.calls = None

    def follow(self, refresh: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return what is to be awaited after carriers changed: `refresh`, and workers hear of trunks."""

        async def changed() -> None:
            await refresh()
            if self.enabled:
                self.legs.trunks_changed()

        return changed

    async def adopt(self) -> None:
        """Go on with what this node took over from a dead one. Raises Unavailable; then call it again."""
        if self.enabled:
            await self.calls.resume()

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        if not self.enabled:
            return ()
        away = self.legs.trouble() if self._clock.monotonic() >= self._patient_until else ()
        return (*away, *self.calls.trouble())
