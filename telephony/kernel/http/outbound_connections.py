"""Connections to other people's servers, kept for the next request: one request on each at a time.

Where they may lead is not decided here: whoever opens a pool hands over how to get a connected socket.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Final, NamedTuple, cast

from telephony.kernel.http.replies import (
    MAX_WHOLE,
    MalformedReply,
    OutboundReply,
    ReplyParser,
    read_whole,
)

MAX_IDLE: Final = 64
"""Connections to one origin that are kept unused; more were opened in a burst."""

Connect = Callable[["Origin"], Awaitable[socket]]
"""Returns a connected socket to an origin; raises OSError, or whatever refuses it."""


Done = Callable[[OutboundReply | Exception], None]
"""Is told once what became of a request."""


class Origin(NamedTuple):
    """What a connection leads to; one connection serves every URL of it."""

    tls: bool
    host: str
    """A name, or a numeric address without brackets."""
    port: int


class PeerGone(ConnectionError):
    """The other side closed the connection before it said anything."""


class Connection(asyncio.Protocol):
    """One connection, with at most one request on its way.

    Requests by the thousand are begun and answered without a task, a future or a timer of their own.
    """

    __slots__ = (
        "_ceiling",
        "_done",
        "_loop",
        "_method",
        "_parser",
        "_pool",
        "_timer",
        "_transport",
        "_until",
        "idle_since",
        "origin",
    )

    def __init__(self, pool: "Pool", origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._done: Done | None = None
        self._parser: ReplyParser | None = None
        self._method = ""
        self._ceiling = 0
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and self._done is None and not self._transport.is_closing()

    def begin(self, method: str, raw: bytes, ceiling: int, seconds: float, done: Done) -> None:
        """Send a request on a connection that is `usable`; `done` is called once, later.

        It gets the answer, with at most `ceiling` bytes of its body, or PeerGone, MalformedReply, or
        TimeoutError after `seconds`. By then the connection is in its pool again, or aborted.
        """
        assert self._transport is not None
        self._done, self._method, self._ceiling = done, method, ceiling
        until = self._until = self._loop.time() + seconds
        # One timer serves request after request: it looks when it rings whether the time of one is over.
        if self._timer is None or self._timer.when() > until:
            self._ring_at(until)
        self._transport.write(raw)

    async def ask(self, method: str, raw: bytes, ceiling: int, seconds: float) -> OutboundReply:
        """Like `begin`, for one who waits. Whoever is cancelled takes the connection along."""
        answer: asyncio.Future[OutboundReply] = self._loop.create_future()

        def done(result: OutboundReply | Exception) -> None:
            if answer.done():
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        self.begin(method, raw, ceiling, seconds, done)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._done is done:  # else the answer has come and another request may be on its way
                self.break_off()
            raise

    def break_off(self) -> None:
        """Forget the request and close; its `done` is not called."""
        self._done = None
        self.abort()

    def abort(self) -> None:
        """Close at once; a request on its way ends with PeerGone, or in the middle."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._done is None:
            self.abort()  # nobody asked: what it says cannot be told from an answer to the next request
            return
        parser = self._parser
        if parser is None:
            if len(data) <= MAX_WHOLE and self._method != "HEAD":
                reply = read_whole(data, self._ceiling)
                if reply is not None:
                    self._finish(reply, keep=True)
                    return
            parser = self._parser = ReplyParser(self._method, self._ceiling)
        try:
            reply = parser.feed(data)
        except MalformedReply as error:
            self._finish(error, keep=False)
            return
        if reply is not None:
            self._finish(reply, keep=parser.keep)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self.abort()
        self._pool.lost(self)
        if self._done is None:
            return
        parser = self._parser
        if parser is None or not parser.begun:
            self._finish(PeerGone("the connection was closed without a word"), keep=False)
            return
        try:
            self._finish(parser.end(), keep=False)
        except MalformedReply as error:
            self._finish(error, keep=False)

    def _finish(self, result: OutboundReply | Exception, *, keep: bool) -> None:
        done, self._done, self._parser = self._done, None, None
        if keep:
            self._pool.give_back(self)
        else:
            self.abort()
        if done is not None:
            done(result)

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if self._loop.time() < self._until:
            self._ring_at(self._until)
        else:
            self._finish(TimeoutError(), keep=False)


class Pool:
    """Connections by origin. The newest unused one goes first, so that a burst's others run out."""

    def __init__(self, connect: Connect, *, tls: ssl.SSLContext | None, keep_seconds: float) -> None:
        """`tls` verifies servers, None for the system's authorities; unused connections are kept so long."""
        self._connect, self._tls, self._keep = connect, tls, keep_seconds
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """Return a kept connection that still seems to be open."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        oldest = asyncio.get_running_loop().time() - self._keep
        while idle:
            found = idle.pop()
            if found.idle_since >= oldest and found.usable:
                return found
            found.abort()
        return None

    async def open(self, origin: Origin) -> Connection:
        """Return a new connection. Raises OSError, ssl.SSLError among them, or what `connect` raises."""
        loop = asyncio.get_running_loop()
        raw = await self._connect(origin)
        try:
            made = Connection(self, origin)
            if origin.tls:
                context = self._tls = self._tls or ssl.create_default_context()
                name = origin.host.removesuffix(".")
                await loop.create_connection(lambda: made, sock=raw, ssl=context, server_hostname=name)
            else:
                await loop.create_connection(lambda: made, sock=raw)
        except BaseException:  # whoever gives up, the socket is still ours
            raw.close()
            raise
        if not made.usable:
            raise PeerGone("the connection was closed at once")
        self._open.add(made)
        return made

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if it can carry one."""
        if not connection.usable:
            return
        idle = self._idle.get(connection.origin)
        if idle is None:
            idle = self._idle[connection.origin] = []
        if len(idle) >= MAX_IDLE:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._keep, self._sweep)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)

    def close(self) -> None:
        """Close every connection; the pool may be used again."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in tuple(self._open):
            connection.abort()
        self._idle.clear()

    def _sweep(self) -> None:
        """Close what was not used for long; come again while anything is kept."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._keep
        for origin, idle in tuple(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= oldest:
                    connection.abort()
            fresh = [each for each in idle if each.idle_since > oldest and each.usable]
            if fresh:
                self._idle[origin] = fresh
            else:
                del self._idle[origin]
        self._sweeping = loop.call_later(self._keep, self._sweep) if self._idle else None
