"""The one way out for URLs that callers gave: webhooks now; prompts, callbacks and media sockets later.

What is connected to is exactly what was checked: a name is looked up once for a connection, every address of
the answer must be permitted, the connection goes to one of them, and each socket is made for an address that
is checked once more. aiohttp asks no resolver for numeric hosts; these are checked before, and again at the
socket. Redirects are answers. Proxies and credentials of the environment, cookies, decompression: off.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound_addresses import (
    AddressPolicy,
    DestinationRefused,
    OutboundSettings,
    parse_destination,
)

log = structlog.get_logger(__name__)

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Numeric addresses of a name; raises OSError when it has none."""

LOOKUP_THREADS: Final = 32
"""Look-ups at once. A name whose servers are silent holds one thread for some ten seconds, however many
wait."""

MAX_PREPARED: Final = 4096
"""URLs whose checked form is remembered."""

USER_AGENT: Final = "Tandem-Gateway"

_REFUSED: Final = "The URL leads to an address or port that is not permitted (see outbound.allow)."

_AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class RemoteTimedOut(RemoteUnavailable):
    """The other side did not answer in time."""

    metric = "remote_timed_out"


class RemoteUntrusted(RemoteUnavailable):
    """The other side's certificate does not prove that it is who the URL names."""

    metric = "remote_untrusted"


@dataclass(frozen=True, slots=True)
class OutboundReply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Look-ups ignore case."""
    body: bytes
    """As sent, never decompressed; at most `OutboundSettings.reply_bytes`."""
    truncated: bool = False
    """Whether the body was longer."""


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
        self._tls = tls
        self._resolver = _CheckedResolver(self._policy, lookup)
        self._prepared: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. The client may be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None
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
        timeout: float | None = None,  # noqa: ASYNC109 - handed to the library, which bounds the whole exchange
        *,
        repeatable: bool = False,
    ) -> OutboundReply:
        """Send one request and return the answer, a redirect included.

        `timeout` is in seconds for the whole exchange. `repeatable` says that the request may arrive twice:
        then it is sent once more when a kept connection turns out to have been closed by the other side.
        Raises DestinationRefused, RemoteTimedOut, RemoteUntrusted, RemoteUnavailable.
        """
        target = self._prepared.get(url) or self._prepare(url)
        limit = self._timeout_of(self._settings.total_seconds if timeout is None else timeout)
        try:
            try:
                return await self._exchange(method, target, headers, body, limit)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A kept connection dies with either; one that could not be made is a ClientConnectorError.
                if not repeatable or isinstance(error, aiohttp.ClientConnectorError):
                    raise
                return await self._exchange(method, target, headers, body, limit)
        except TimeoutError:
            raise RemoteTimedOut("The other side did not answer in time.") from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            log.info("outbound.untrusted", origin=str(target.origin()), error=type(error).__name__)
            raise RemoteUntrusted("The other side's certificate cannot be trusted.") from None
        except aiohttp.InvalidURL:
            raise DestinationRefused("The URL cannot be read.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise RemoteUnavailable(f"The other side cannot be reached: {type(error).__name__}.") from None

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        limit: aiohttp.ClientTimeout,
    ) -> OutboundReply:
        session = self._session or self._open()
        async with session.request(
            method, url, headers=headers, data=body, timeout=limit, allow_redirects=False
        ) as response:
            ceiling = self._settings.reply_bytes
            content = response.content
            read = b""
            while not content.at_eof():
                chunk = await content.read(ceiling + 1 - len(read))
                read = read + chunk if read else chunk
                if len(read) > ceiling:
                    response.close()  # the rest of an endless body is not waited for
                    return OutboundReply(response.status, response.headers, read[:ceiling], truncated=True)
            return OutboundReply(response.status, response.headers, read)

    def _prepare(self, url: str) -> URL:
        """Return the URL to use for `url`, made of nothing but what was checked."""
        destination = parse_destination(url)
        if destination.literal and not self._policy.permits(destination.host, destination.port):
            raise DestinationRefused(_REFUSED)
        target = URL(destination.url, encoded=True)
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.clear()
        self._prepared[url] = target
        return target

    def _timeout_of(self, seconds: float) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(seconds)
        if found is None:
            connect = min(seconds, self._settings.connect_seconds)
            found = self._timeouts[seconds] = aiohttp.ClientTimeout(total=seconds, connect=connect)
        return found

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,  # a remembered answer would be used without its check
            ssl=True if self._tls is None else self._tls,
            limit=0,  # callers bound what they do at once; in one queue for all the slow would hold the quick
            keepalive_timeout=self._settings.keepalive_seconds,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )
        return self._session

    def _socket(self, info: _AddrInfo) -> socket.socket:
        """Make the socket for one address: the last moment to refuse it."""
        family, kind, protocol, _, address = info
        if not self._policy.permits(address[0], address[1]):
            raise DestinationRefused(_REFUSED)
        return socket.socket(family, kind, protocol)


class _CheckedResolver(AbstractResolver):
    """Looks a name up once for whoever waits, and refuses it whole when one address is not permitted."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup | None) -> None:
        self._policy = policy
        self._lookup = lookup or self._system
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See `AbstractResolver.resolve`. Raises DestinationRefused."""
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
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

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
