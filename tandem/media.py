"""The audio of calls, joined to the rest: clients of the media processes, what is wrong, what is counted."""

from collections.abc import Sequence
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

from sip.media import admin, protocol
from sip.media.admin import EngineReply, MediaIoReply, MediaReply
from sip.media.client.engines import Engines, Listener
from sip.media.client.media_io import Listener as RecordingListener
from sip.media.client.media_io import MediaIo
from sip.media.io.protocol import Event as RecordingEvent
from sip.media.metrics import MediaCollector
from tandem.config.tree import Configuration
from tandem.media_processes import engine_sockets, io_settings, make_socket_folder, socket_folder
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route

OWNER: Final = "gateway"
"""Under which the gateway's legs and recordings are kept: its successor finds them by it."""

START_SECONDS: Final = 15.0
"""How long media processes may take until their absence is trouble: they start after the gateway is ready."""

PACKETS_A_STREAM: Final = 50
"""A second, at 20 ms."""


class MediaPlane:
    """`engines` and `io` are for calls. `start`, then `stop`.

    Whoever makes calls sets `calls` and `recordings`, to be told what happens to them.
    """

    def __init__(self, configuration: Configuration, clock: Clock, registry: CollectorRegistry) -> None:
        self._configuration, self._clock = configuration, clock
        self._enabled = configuration.media.enabled
        self.engines = Engines(engine_sockets(configuration), owner=OWNER, listener=self)
        self.io = MediaIo(io_settings(configuration).control, owner=OWNER, listener=self)
        self.calls: Listener | None = None
        self.recordings: RecordingListener | None = None
        self._patient_until = 0.0
        self.routes: tuple[Route, ...] = tuple(admin.routes(self.overview, self.engines.quality))
        if self._enabled:
            registry.register(MediaCollector(self.overview))

    async def start(self) -> None:
        """Begin to connect; the processes come later. Raises ConfigurationError: see `make_socket_folder`."""
        if not self._enabled:
            return
        make_socket_folder(socket_folder(self._configuration))
        self._patient_until = self._clock.monotonic() + START_SECONDS
        self.engines.start()
        self.io.start()

    async def stop(self) -> None:
        """Leave the processes alone."""
        if self._enabled:
            await self.engines.stop()
            await self.io.stop()

    def overview(self) -> MediaReply:
        """Return what is known of the node's audio."""
        engines = tuple(
            _engine(name, self.engines.loads.get(name), connected=client.connected)
            for name, client in self.engines.clients.items()
        )
        return MediaReply(self._enabled, engines, self._io(), self.engines.restarts)

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        if not self._enabled:
            return ()
        clients = [*self.engines.clients.values(), self.io.client]
        away = [client.name for client in clients if not client.connected]
        known = self.engines.restarts or self.io.restarts
        if not known and self._clock.monotonic() < self._patient_until:
            away = []
        full = [
            f"{name} takes no more legs"
            for name, load in self.engines.loads.items()
            if not load.accepts and not load.draining
        ]
        return [*(f"{name} is not connected" for name in away), *full]

    def _io(self) -> MediaIoReply | None:
        if not self._enabled:
            return None
        load = self.io.load
        if load is None:
            return MediaIoReply(connected=False)
        return MediaIoReply(connected=True, **msgspec.structs.asdict(load))

    # What the processes tell, for whoever makes calls.

    def media_event(self, engine: str, event: protocol.Event) -> None:
        """See `sip.media.client.engines.Listener`."""
        if self.calls is not None:
            self.calls.media_event(engine, event)

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        """See `sip.media.client.engines.Listener`."""
        if self.calls is not None:
            self.calls.calls_lost(engine, calls)

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        """See `sip.media.client.engines.Listener`."""
        if self.calls is not None:
            self.calls.engine_back(engine, fresh=fresh)

    def recording_event(self, event: RecordingEvent) -> None:
        """See `sip.media.client.media_io.Listener`."""
        if self.recordings is not None:
            self.recordings.recording_event(event)

    def recordings_lost(self) -> None:
        """See `sip.media.client.media_io.Listener`."""
        if self.recordings is not None:
            self.recordings.recordings_lost()


def _engine(name: str, load: protocol.Load | None, *, connected: bool) -> EngineReply:
    if load is None:
        return EngineReply(name, connected=connected)
    streams = round((load.received + load.sent) / PACKETS_A_STREAM)
    return EngineReply(name, connected=connected, streams=streams, **msgspec.structs.asdict(load))
