"""Connections to other people's servers, kept for the next request: one request on each at a time.

Where they may lead is not decided here: whoever opens a pool hands over how to get a connected socket.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Final, NamedTuple, cast

from telephony.kernel.http.replies import MalformedReply, OutboundReply, ReplyParser

MAX_IDLE: Final = 64
"""Connections to one origin that are kept unused; more were opened in a burst."""

Connect = Callable[["Origin"], Awaitable[socket]]
"""Returns a connected socket to an origin; raises OSError, or whatever refuses it."""


class Origin(NamedTuple):
    """What a connection leads to; one connection serves every URL of it."""

    tls: bool
    host: str
    """A name, or a numeric address without brackets."""
    port: int


class PeerGone(ConnectionError):
    """The other side closed the connection before it said anything."""


class Connection(asyncio.Protocol):
    """One connection, with at most one request on its way."""

    __slots__ = ("_answer", "_parser", "_transport", "idle_since", "used")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[OutboundReply] | None = None
        self._parser: ReplyParser | None = None
        self.used = False
        """Whether it has carried a request already: then its closing may have crossed ours."""
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    async def ask(self, method: str, raw: bytes, ceiling: int, seconds: float) -> OutboundReply:
        """Send a request and return the answer, at most `ceiling` bytes of its body, within `seconds`.

        Raises PeerGone, MalformedReply, TimeoutError. Whoever is cancelled takes the connection along.
        """
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[OutboundReply] = loop.create_future()
        self._answer = answer
        self._parser = ReplyParser(method, ceiling)
        timer = loop.call_later(seconds, self._late)
        self._transport.write(raw)
        try:
            return await answer
        finally:
            timer.cancel()
            self._answer = None
            if not self._keeps():
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        answer = self._answer
        if answer is None or answer.done() or self._parser is None:
            self.abort()  # nobody asked: what it says cannot be told from an answer to the next request
            return
        try:
            reply = self._parser.feed(data)
        except MalformedReply as error:
            answer.set_exception(error)
            return
        self.used = True
        if reply is not None:
            answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        answer, parser = self._answer, self._parser
        if answer is None or answer.done() or parser is None:
            return
        if not parser.begun:
            answer.set_exception(PeerGone("the connection was closed without a word"))
            return
        try:
            answer.set_result(parser.end())
        except MalformedReply as error:
            answer.set_exception(error)

    def _late(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TimeoutError())

    def _keeps(self) -> bool:
        return self._parser is not None and self._parser.keep


class Pool:
    """Connections by origin. The newest unused one goes first, so that a burst's others run out."""

    def __init__(self, connect: Connect, *, tls: ssl.SSLContext | None, keep_seconds: float) -> None:
        """`tls` verifies servers, None for the system's authorities; unused connections are kept so long."""
        self._connect, self._tls, self._keep = connect, tls, keep_seconds
        self._idle: dict[Origin, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """Return a kept connection that still seems to be open."""
        idle = self._idle.get(origin)
        now = asyncio.get_running_loop().time()
        while idle:
            found = idle.pop()
            if found.usable and now - found.idle_since <= self._keep:
                self._busy.add(found)
                return found
            found.abort()
        return None

    async def open(self, origin: Origin) -> Connection:
        """Return a new connection. Raises OSError, ssl.SSLError among them, or what `connect` raises."""
        loop = asyncio.get_running_loop()
        raw = await self._connect(origin)
        try:
            if origin.tls:
                context = self._tls = self._tls or ssl.create_default_context()
                name = origin.host.removesuffix(".")
                _, made = await loop.create_connection(
                    Connection, sock=raw, ssl=context, server_hostname=name
                )
            else:
                _, made = await loop.create_connection(Connection, sock=raw)
        except BaseException:  # whoever gives up, the socket is still ours
            raw.close()
            raise
        self._busy.add(made)
        return made

    def give_back(self, connection: Connection, origin: Origin) -> None:
        """Keep a connection for the next request, if it can carry one."""
        self._busy.discard(connection)
        if not connection.usable:
            return
        idle = self._idle.setdefault(origin, [])
        if len(idle) >= MAX_IDLE:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._keep, self._sweep)

    def close(self) -> None:
        """Close every connection; the pool may be used again."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in (*self._busy, *(each for idle in self._idle.values() for each in idle)):
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
