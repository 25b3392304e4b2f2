"""The listening sockets: simple requests by ourselves, all others by aiohttp's protocol under our ceilings,
and an end without a cut answer."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from aiohttp import web

from tandem.http.aiohttp_request import AiohttpRequest
from tandem.http.application import Application
from tandem.http.front import Front
from tandem.http.incoming import Outgoing
from telephony.kernel.http.plain import PlainAddress

log = structlog.get_logger(__name__)

BACKLOG: Final = 1024
"""Connections that may wait to be accepted: a fleet of clients reconnects at once after a restart."""

LINGER_SECONDS: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client sees the answer."""

FLUSH_SECONDS: Final = 0.02
"""How often it is looked, at the end, whether slow clients have taken their answers."""

SWEEP_SECONDS: Final = 5.0
"""How often connections are looked at on which nothing comes."""

TLS_CLOSE_SECONDS: Final = 2.0
"""How long a client may take to answer the end of TLS."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Ceilings that hold before anybody is known."""

    connections: int = 5000
    """Connections at a time: each is a descriptor and some 30 kB."""
    line_bytes: int = 8190
    """A request line."""
    field_bytes: int = 8190
    """One header; a user's token has some 1,500."""
    fields: int = 100
    """Headers of a request."""
    idle_seconds: float = 75.0
    """A connection without a complete request head, or whose answers nobody reads; longer than a load
    balancer's 60 s."""


class _Connection(web.RequestHandler):
    """aiohttp's protocol, except that it speaks ACS of errors."""

    __slots__ = ("_factory",)

    def __init__(self, factory: "_Factory", **options: Any) -> None:  # noqa: ANN401 - aiohttp's own options
        super().__init__(factory, **options)
        self._factory = factory

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._factory.transports[self] = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._factory.transports.pop(self, None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            log.error("http.protocol_failed", status=status, exc_info=exc)
        else:
            log.debug("http.malformed", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was already begun")
        return _response(self._factory.application.malformed(AiohttpRequest(request), status))


class _Factory(web.Server):
    """Makes a protocol for every connection, and keeps them: ours first, aiohttp's for what is not simple."""

    def __init__(self, application: Application, limits: ServerLimits) -> None:
        super().__init__(self._handle)
        self.application, self.limits = application, limits
        self.transports: dict[asyncio.BaseProtocol, asyncio.Transport] = {}
        self.fronts: set[Front] = set()
        self.draining = False
        self._unread: dict[asyncio.BaseProtocol, tuple[int, float]] = {}
        self._loop_of_all = asyncio.get_running_loop()
        self._sweeping: asyncio.TimerHandle | None = None
        self._sweep()

    def front(self) -> Front:
        """Return the protocol for a new connection."""
        return Front(self.application.handle, self)

    def opened(self, front: Front, transport: asyncio.Transport) -> None:
        """See FrontOwner."""
        self.transports[front] = transport
        self.fronts.add(front)
        if len(self.transports) > self.limits.connections:
            self.application.metrics.refused_connections.inc()
            transport.close()
        elif (raw := transport.get_extra_info("socket")) is not None and raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def closed(self, front: Front) -> None:
        """See FrontOwner."""
        self.transports.pop(front, None)
        self.fronts.discard(front)

    def hand_over(self, front: Front, transport: asyncio.Transport, data: bytes) -> None:
        """See FrontOwner."""
        self.closed(front)
        connection = self()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.data_received(data)

    async def end_fronts(self, seconds: float) -> None:
        """Close the connections that wait; let running requests end within `seconds`."""
        self.draining = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for front in tuple(self.fronts):
            front.close()
        if running := [front.task for front in self.fronts if front.task is not None]:
            await asyncio.wait(running, timeout=seconds)
        until = self._loop_of_all.time() + seconds
        while any(self.transports[front].get_write_buffer_size() for front in self.fronts):
            if self._loop_of_all.time() > until:
                break
            await asyncio.sleep(FLUSH_SECONDS)
        for front in tuple(self.fronts):
            if front.task is not None:
                front.task.cancel()
                front.abort()

    def _sweep(self) -> None:
        """Close connections on which nothing comes, and those whose answers nobody reads."""
        loop, idle = self._loop_of_all, self.limits.idle_seconds
        before = loop.time() - idle
        for front in tuple(self.fronts):
            if front.since < before:
                front.close()
        self._end_unread(loop.time(), before)
        self._sweeping = loop.call_later(min(SWEEP_SECONDS, idle / 2), self._sweep)

    def _end_unread(self, now: float, before: float) -> None:
        """Break off connections of whose answers nothing was taken since `before`: a close would wait for
        them for ever."""
        unread: dict[asyncio.BaseProtocol, tuple[int, float]] = {}
        for protocol, transport in tuple(self.transports.items()):
            size = transport.get_write_buffer_size()
            if not size:
                continue
            known = self._unread.get(protocol)
            since = known[1] if known is not None and known[0] == size else now
            if since < before:
                transport.abort()
            else:
                unread[protocol] = (size, since)
        self._unread = unread

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return _response(await self.application.handle(AiohttpRequest(request)))

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=self._loop_of_all,
            keepalive_timeout=self.limits.idle_seconds,
            access_log=None,
            max_line_size=self.limits.line_bytes,
            max_field_size=self.limits.field_bytes,
            max_headers=self.limits.fields,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,  # what is signed is what is on the wire; and no body may grow by itself
        )


def _response(answer: Outgoing) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    if answer.close:
        response.force_close()
    return response


class Server:
    """What listens. `drain` ends it."""

    def __init__(self, listener: asyncio.Server, factory: _Factory) -> None:
        self._listener, self._factory = listener, factory

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every listening socket; none of a unix socket."""
        return [item.getsockname()[:2] for item in self._listener.sockets if item.family != socket.AF_UNIX]

    @property
    def port(self) -> int:
        """The port of the first listening socket."""
        return self.addresses[0][1]

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._factory.transports)

    async def drain(self, seconds: float = 15.0) -> None:
        """Accept nothing more, let running requests end within `seconds`, then close every connection."""
        self._listener.close()
        await asyncio.sleep(0)  # requests that have already come are begun before idle connections are closed
        begun = time.monotonic()
        await self._factory.end_fronts(seconds)
        self._factory.pre_shutdown()
        await self._factory.shutdown(max(0.0, seconds - (time.monotonic() - begun)))
        await asyncio.sleep(0)  # whatever has nothing left to send closes now
        for transport in list(self._factory.transports.values()):
            transport.abort()  # a client that does not answer the end of TLS
        log.info("http.drained")


async def serve(
    application: Application,
    *,
    host: str | Sequence[str],
    port: int,
    ssl_context: ssl.SSLContext | None,
    limits: ServerLimits | None = None,
    sock: socket.socket | None = None,
) -> Server:
    """Listen on `host` (one or more) and `port` (0: any free one), or on a bound `sock`.

    Raises OSError when the address is taken.
    """
    factory = _Factory(application, limits or ServerLimits())
    loop = asyncio.get_running_loop()
    closing = TLS_CLOSE_SECONDS if ssl_context is not None else None
    if sock is not None:
        listener = await loop.create_server(
            factory.front, sock=sock, ssl=ssl_context, backlog=BACKLOG, ssl_shutdown_timeout=closing
        )
    else:
        listener = await loop.create_server(
            factory.front,
            host,
            port,
            ssl=ssl_context,
            backlog=BACKLOG,
            reuse_address=True,
            ssl_shutdown_timeout=closing,
        )
    server = Server(listener, factory)
    log.info("http.listening", addresses=[f"{name}:{number}" for name, number in server.addresses])
    return server


async def serve_plain(
    application: Application, address: PlainAddress, *, limits: ServerLimits | None = None
) -> Server:
    """Listen for http without TLS on this machine. Raises OSError when that cannot be.

    Whoever asks is authenticated as over https: what is signed names an authority that is known. A socket of
    an earlier life is replaced; whoever may write to it may connect.
    """
    if not address.path:
        return await serve(application, host=address.host, port=address.port, ssl_context=None, limits=limits)
    factory = _Factory(application, limits or ServerLimits())
    listener = await asyncio.get_running_loop().create_unix_server(
        factory.front, address.path, backlog=BACKLOG
    )
    log.info("http.listening", addresses=[f"unix:{address.path}"])
    return Server(listener, factory)
