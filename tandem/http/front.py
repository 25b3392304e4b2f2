"""A connection as long as its requests are simple; one that is not goes to aiohttp, with all that follows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

import structlog

from tandem.http.incoming import Incoming, Outgoing
from tandem.http.simple import NotSimple, Simple, answer_bytes, read_simple

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 0.02
"""How long the rest of a request may take to come before aiohttp waits for it: many clients send a head and
its body one after the other."""

MAX_AHEAD: Final = 64 * 1024
"""Bytes of further requests that are taken while one is being answered."""

Handler = Callable[[Incoming], Awaitable[Outgoing]]


class Front(asyncio.Protocol):
    """Answers one request after the other, in the order in which they came."""

    __slots__ = (
        "_address",
        "_clogged",
        "_data",
        "_grace",
        "_handler",
        "_loop",
        "_owner",
        "_transport",
        "since",
        "task",
    )

    def __init__(self, handler: Handler, owner: "FrontOwner") -> None:
        self._handler, self._owner = handler, owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._address = ""
        self._grace: asyncio.TimerHandle | None = None
        self._clogged = False
        self.task: asyncio.Task[None] | None = None
        """The request that is being answered."""
        self.since = self._loop.time()
        """When the connection was made or the last answer sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._owner.opened(self, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. What runs is not broken off: it may have been committed."""
        self._transport = None
        self._stop_grace()
        self._owner.closed(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._data = self._data + data if self._data else data
        if self.task is None and not self._clogged:
            self._next()
        elif len(self._data) > MAX_AHEAD and self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: whoever does not read its answers gets no more of them."""
        self._clogged = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._clogged = False
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.resume_reading()  # what came meanwhile may have been too much
        if self.task is None and self._data:
            self._next()

    def close(self) -> None:
        """End the connection unless a request is being answered; what has begun to come is aiohttp's.

        Whoever does not read its answers gets no more: aiohttp would not know that they are not read.
        """
        if self.task is not None or self._transport is None:
            return
        if self._data and not self._clogged:
            self._hand_over()
        else:
            self._end(self._transport)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        """Begin with the next request, when it is here as a whole."""
        try:
            request = read_simple(self._data, self._address)
        except NotSimple:
            self._hand_over()
            return
        if request is None:
            if self._grace is None:
                self._grace = self._loop.call_later(GRACE_SECONDS, self._hand_over)
            return
        self._stop_grace()
        self._data = self._data[request.length :] if len(self._data) > request.length else b""
        self.task = self._loop.create_task(self._serve(request))

    async def _serve(self, request: Simple) -> None:
        try:
            answer = await self._handler(request)
            close = request.close or answer.close or self._owner.draining
            raw = answer_bytes(answer, now=time.time(), close=close)
        except Exception:  # the application answers its own errors; what is left is ours
            log.exception("http.answer_failed")
            self.abort()
            return
        finally:
            self.task = None
        transport = self._transport
        if transport is None:
            return
        transport.write(raw)
        self.since = self._loop.time()
        if close:
            self._end(transport)
        elif self._data:
            transport.resume_reading()
            if not self._clogged:
                self._next()

    def _end(self, transport: asyncio.Transport) -> None:
        """Close when everything is sent; nothing that came after the last request is done (RFC 9112 §9.6)."""
        self._data = b""
        transport.close()

    def _hand_over(self) -> None:
        self._stop_grace()
        transport, self._transport = self._transport, None
        if transport is not None:
            data, self._data = self._data, b""
            transport.resume_reading()
            self._owner.hand_over(self, transport, data)

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


class FrontOwner(Protocol):
    """Who the fronts of a server belong to."""

    draining: bool
    """Whether answers end their connections."""

    def opened(self, front: Front, transport: asyncio.Transport) -> None:
        """Take note of a connection."""
        ...

    def closed(self, front: Front) -> None:
        """Forget a connection."""
        ...

    def hand_over(self, front: Front, transport: asyncio.Transport, data: bytes) -> None:
        """Go on with a connection whose requests are not simple."""
        ...
