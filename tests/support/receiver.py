"""Endpoints on the loopback: one that records what it gets, and one that must get nothing."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

Answer = Callable[["Received"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """An HTTP server on the loopback; `answer` may be changed at any time."""

    answer: Answer | None = None
    host: str = "127.0.0.1"
    status: int = 200
    """What is answered when there is no `answer`."""
    received: list[Received] = field(default_factory=list)
    port: int = 0
    tls: Any = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}/hook"

    @property
    def notifications(self) -> list[Received]:
        """What came beside handshakes."""
        return [
            each
            for each in self.received
            if each.method == "POST" and each.headers.get("aeg-event-type") != "SubscriptionValidation"
        ]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, headers, await request.read())
        self.received.append(received)
        if self.answer is not None:
            return await self.answer(received)
        return agree(received) or web.Response(status=self.status)


def agree(received: Received) -> web.Response | None:
    """Answer a handshake of either form as a willing endpoint does; None when it is none."""
    if received.method == "OPTIONS":
        origin = received.headers["webhook-request-origin"]
        return web.Response(headers={"WebHook-Allowed-Origin": origin})
    if received.headers.get("aeg-event-type") == "SubscriptionValidation":
        return web.json_response({"validationResponse": received.json[0]["data"]["validationCode"]})
    return None


class Canary:
    """Listens on the loopback, IPv4 and IPv6 on one port, and counts connections: there must be none."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        first = socket.create_server(("127.0.0.1", 0))
        self.port = first.getsockname()[1]
        self._servers = [await asyncio.start_server(self._count, sock=first)]
        if socket.has_ipv6:
            try:
                second = socket.create_server(("::1", self.port), family=socket.AF_INET6)
            except OSError:  # no IPv6 on this machine, or the port is somebody's there
                return self
            self._servers.append(await asyncio.start_server(self._count, sock=second))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _count(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()
