"""The one way out for URLs that callers gave: webhooks now; prompts, callbacks and media sockets later.

What is connected to is exactly what was checked: a name is looked up once for a connection, every address of
the answer must be permitted, the connection goes to one of them, and each socket is made for an address that
is checked once more. Redirects are answers. There are no proxies, credentials of the environment, cookies or
decompression.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog
from aiohappyeyeballs import start_connection

from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound_addresses import (
    AddressPolicy,
    Destination,
    DestinationRefused,
    OutboundSettings,
    parse_destination,
)
from telephony.kernel.http.outbound_connections import Connection, Done, Origin, PeerGone, Pool
from telephony.kernel.http.replies import MalformedReply, OutboundReply

__all__ = ["GuardedClient", "Lookup", "Opening", "OutboundReply", "RemoteTimedOut", "RemoteUntrusted"]

log = structlog.get_logger(__name__)

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Numeric addresses of a name; raises OSError when it has none."""

LOOKUP_THREADS: Final = 32
"""Look-ups at once. A name whose servers are silent holds one thread for some ten seconds, however many
wait."""

MAX_PREPARED: Final = 4096
"""URLs whose checked form is remembered."""

STAGGER_SECONDS: Final = 0.25
"""How long the first address may take until the next one is tried beside it (RFC 8305 §8)."""

USER_AGENT: Final = "Tandem-Gateway"

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods whose request without a body says no length (RFC 9110 §8.6)."""

_REFUSED: Final = "The URL leads to an address or port that is not permitted (see outbound.allow)."

_AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class RemoteTimedOut(RemoteUnavailable):
    """The other side did not answer in time."""

    metric = "remote_timed_out"


class RemoteUntrusted(RemoteUnavailable):
    """The other side's certificate does not prove that it is who the URL names."""

    metric = "remote_untrusted"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A URL made of nothing but what was checked, as requests to it begin."""

    origin: Origin
    shown: str
    fields: str
    """The fields that every request to it has, with what goes before them on the line of the request."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A request up to what differs from one to the next: `GuardedClient.opening` makes it, many use it."""

    method: str
    origin: Origin
    shown: str
    head: bytes
    """The request's line and its fields so far; paths of webhooks hold tokens, so it is never shown."""

    def __repr__(self) -> str:
        return f"Opening({self.method} {self.shown})"


class GuardedClient:
    """An HTTP client that cannot be led inside.

    `lookup` resolves names (the system's resolver), `tls` verifies servers (the system's authorities). Use as
    `async with`, or call `close`.
    """

    def __init__(
        self, settings: OutboundSettings, *, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._policy = AddressPolicy(settings)
        self._resolver = _CheckedResolver(self._policy, lookup)
        self._prepared: dict[str, _Prepared] = {}
        self._pool = Pool(self._connected, tls=tls, keep_seconds=settings.keepalive_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. The client may be used again afterwards."""
        self._pool.close()
        await self._resolver.close()

    def check(self, url: str) -> None:
        """Refuse what can be refused without a look-up. Raises DestinationRefused."""
        self._prepare(url)

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - bounds the whole exchange, on the connection itself
        *,
        repeatable: bool = False,
    ) -> OutboundReply:
        """Send one request and return the answer, a redirect included.

        `timeout` is in seconds for the whole exchange. `repeatable` says that the request may arrive twice:
        then it is sent once more when a kept connection turns out to have been closed by the other side.
        Raises DestinationRefused, RemoteTimedOut, RemoteUntrusted, RemoteUnavailable.
        """
        length = () if body is None and method in _BODILESS else (f"Content-Length: {len(body or b'')}",)
        opening = self._opening(method, url, headers, length)
        return await self.exchange(
            opening, b"\r\n" + body if body else b"\r\n", timeout, repeatable=repeatable
        )

    def opening(self, method: str, url: str, headers: Mapping[str, str]) -> Opening:
        """Return how requests to `url` with these fields begin.

        Raises DestinationRefused, and ValueError for a field that would be more than one line.
        """
        return self._opening(method, url, headers, ())

    async def exchange(
        self,
        opening: Opening,
        rest: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - see `request`
        *,
        repeatable: bool = False,
    ) -> OutboundReply:
        """Like `request`: `rest` is the other fields, a line each, Content-Length too, an empty line, a body.

        Whoever makes `rest` sees to it that nothing in it ends a line that should not.
        """
        seconds = self._settings.total_seconds if timeout is None else timeout
        raw = opening.head + rest
        try:
            kept = self._pool.take(opening.origin)
            if kept is None:
                return await self._anew(opening, raw, seconds)
            try:
                return await kept.ask(opening.method, raw, self._settings.reply_bytes, seconds)
            except PeerGone:  # it was closed while it was not used, perhaps just now
                if not repeatable:
                    raise
                return await self._anew(opening, raw, seconds)
        except (OSError, MalformedReply) as error:
            raise self.blame(opening, error) from None

    def begin(self, opening: Opening, rest: bytes, timeout: float, done: Done) -> Connection | None:
        """Do the same without a task, on a connection that is open already; None when there is none.

        `done` is called once, later, with the answer or with what `blame` explains, PeerGone above all: then
        the request may be sent once more by `exchange`. Not so when the connection is told to `break_off`.
        """
        kept = self._pool.take(opening.origin)
        if kept is not None:
            kept.begin(opening.method, opening.head + rest, self._settings.reply_bytes, timeout, done)
        return kept

    def blame(self, opening: Opening, error: Exception) -> RemoteUnavailable:
        """Return the error of ours for one that a request ended with, the other side's fault all."""
        if isinstance(error, TimeoutError):
            return RemoteTimedOut("The other side did not answer in time.")
        if isinstance(error, ssl.SSLError):
            log.info("outbound.untrusted", origin=opening.shown, error=type(error).__name__)
            return RemoteUntrusted("The other side's certificate cannot be trusted.")
        if isinstance(error, MalformedReply):
            return RemoteUnavailable(f"The other side's answer is not HTTP: {error}.")
        return RemoteUnavailable(f"The other side cannot be reached: {type(error).__name__}.")

    async def _anew(self, opening: Opening, raw: bytes, seconds: float) -> OutboundReply:
        """Send a request on a connection of its own."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with asyncio.timeout(min(seconds, self._settings.connect_seconds)):
            connection = await self._pool.open(opening.origin)
        return await connection.ask(opening.method, raw, self._settings.reply_bytes, until - loop.time())

    def _opening(
        self, method: str, url: str, headers: Mapping[str, str] | None, more: Sequence[str]
    ) -> Opening:
        prepared = self._prepared.get(url) or self._prepare(url)
        lines = [f"{name}: {value}" for name, value in headers.items()] if headers else []
        lines += (*more, "")
        fields = "\r\n".join(lines)
        if fields.count("\n") != len(lines) - 1 or fields.count("\r") != len(lines) - 1 or "\0" in fields:
            raise ValueError("a header field must be one line")
        head = f"{method}{prepared.fields}{fields}".encode()
        return Opening(method, prepared.origin, prepared.shown, head)

    def _prepare(self, url: str) -> _Prepared:
        """Return what requests to `url` are made of: nothing but what was checked."""
        destination = parse_destination(url)
        if destination.literal and not self._policy.permits(destination.host, destination.port):
            raise DestinationRefused(_REFUSED)
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.clear()
        prepared = self._prepared[url] = _prepared(destination)
        return prepared

    async def _connected(self, origin: Origin) -> socket.socket:
        """Return a socket that is connected to one of the origin's checked addresses."""
        addresses: Sequence[str] = (origin.host,)
        if not is_numeric(origin.host):
            addresses = await self._resolver.resolve(origin.host, origin.port)
        infos = [_info(address, origin.port) for address in addresses]
        return await start_connection(
            infos, happy_eyeballs_delay=STAGGER_SECONDS, socket_factory=self._socket
        )

    def _socket(self, info: _AddrInfo) -> socket.socket:
        """Make the socket for one address: the last moment to refuse it."""
        family, kind, protocol, _, address = info
        if not self._policy.permits(address[0], address[1]):
            raise DestinationRefused(_REFUSED)
        return socket.socket(family, kind, protocol)


def _prepared(destination: Destination) -> _Prepared:
    authority = destination.origin.partition("://")[2]
    target = f"{destination.path}?{destination.query}" if destination.query else destination.path
    return _Prepared(
        Origin(destination.scheme == "https", destination.host, destination.port),
        destination.origin,
        f" {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\n",
    )


def is_numeric(host: str) -> bool:
    """Tell whether a checked host is an address already: of those that are not, none ends in a number."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _info(address: str, port: int) -> _AddrInfo:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


class _CheckedResolver:
    """Looks a name up once for whoever waits, and refuses it whole when one address is not permitted."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup | None) -> None:
        self._policy = policy
        self._lookup = lookup or self._system
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return a name's addresses. Raises DestinationRefused, or OSError when it has none."""
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = asyncio.ensure_future(self._look_up(host))
            task.add_done_callback(lambda done: self._forget(host, done))
        # Shielded: others wait for the same answer.
        addresses = await asyncio.shield(task)
        for address in addresses:
            if not self._policy.permits(address, port):
                log.warning("outbound.refused", host=host, resolved=address, port=port)
                raise DestinationRefused(_REFUSED)
        return addresses

    async def close(self) -> None:
        """Give the threads back; one that is in a look-up ends by itself."""
        for task in tuple(self._running.values()):
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _look_up(self, host: str) -> Sequence[str]:
        addresses = await self._lookup(host)
        if not addresses:
            raise OSError("the name has no address")
        return addresses

    def _forget(self, host: str, task: "asyncio.Task[Sequence[str]]") -> None:
        del self._running[host]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more

    async def _system(self, host: str) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        return await asyncio.get_running_loop().run_in_executor(self._threads, _getaddrinfo, host)


def _getaddrinfo(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is empty or too long
        raise OSError("the name cannot be looked up") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
