"""The HTTP application on a free port, with resources that only it knows, and requests made by hand."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from tandem.http import Application, Server, ServerLimits, Settings, serve
from tandem.http.authentication import UserVerifier, no_users
from telephony.kernel.clock import Clock, SystemClock
from telephony.kernel.http.route import Role, Route
from telephony.kernel.http.signature import sign
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store, metadata
from telephony.resources.access_key import connection_string
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys
from telephony.resources.verbs import AddAdminKey, AddAuthorities, Created, CreateResource

MASTER = MasterKeys([bytes(range(32))])


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass(slots=True)
class House:
    """A running application with two resources and one administrator."""

    server: Server
    application: Application
    directory: Directory
    store: Store
    registry: CollectorRegistry
    one: Created
    other: Created
    admin: Secret
    clock: Clock
    authority: str = ""
    others_authority: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def connection_string(self) -> str:
        return connection_string(self.authority, self.one.keys.primary).reveal()

    async def ask(
        self, method: str, target: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request without any authentication but what `headers` has."""
        return await ask(self.server.port, method, target, body, {"Host": self.authority, **(headers or {})})

    async def signed(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: bytes | None = None,
        authority: str | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = "application/json",
    ) -> Answer:
        """Send a request signed by the first resource's primary key, unless said otherwise."""
        host = authority or self.authority
        signed = sign(
            method, target, host=host, body=body, key=key or self.one.keys.primary, now=self.clock.now()
        )
        kind = {"Content-Type": content_type} if content_type and body else {}
        return await ask(
            self.server.port, method, target, body, {"Host": host, **kind, **signed, **(headers or {})}
        )


@asynccontextmanager
async def house(
    routes: Iterable[Route],
    directory: Path,
    *,
    tls: ssl.SSLContext | None = None,
    clock: Clock | None = None,
    users: UserVerifier = no_users,
    settings: Settings | None = None,
    limits: ServerLimits | None = None,
) -> AsyncIterator[House]:
    """Run the application with `routes` on a free port of 127.0.0.1; the database lies in `directory`."""
    clock = clock or SystemClock()
    store = Store(f"sqlite:///{directory / 'house.db'}")
    metadata.create_all(store.engine)
    store.start()
    try:
        one = await store.write(CreateResource("one", ["one.test"], MASTER, clock.now()))
        other = await store.write(CreateResource("other", ["other.test"], MASTER, clock.now()))
        admin = await store.write(AddAdminKey("root", Role.OWNER, clock.now()))
        known = await Directory(store, MASTER).start()
        registry = CollectorRegistry()
        settings = settings or Settings(tls=tls is not None)
        application = Application(
            routes, known, clock=clock, users=users, settings=settings, registry=registry
        )
        server = await serve(application, host="127.0.0.1", port=0, ssl_context=tls, limits=limits)
        result = House(server, application, known, store, registry, one, other, admin.key, clock)
        result.authority = f"127.0.0.1:{server.port}"
        result.others_authority = f"localhost:{server.port}"
        await store.write(AddAuthorities(one.id, [result.authority], clock.now()))
        await store.write(AddAuthorities(other.id, [result.others_authority], clock.now()))
        await known.refresh()
        try:
            yield result
        finally:
            await server.drain(1.0)
            await known.stop()
    finally:
        await asyncio.to_thread(store.stop)


def request_bytes(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a request exactly as told: no header is added but the body's length."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


async def ask(port: int, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one request over a connection of its own and return the answer; `target` goes out as it is."""
    return await ask_raw(port, request_bytes(method, target, body, {**headers, "Connection": "close"}))


async def ask_raw(port: int, raw: bytes) -> Answer:
    """Send bytes and return the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        return await asyncio.wait_for(read_answer(reader), 10)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer. Raises IncompleteReadError when the connection ends before it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.split("\r\n")
    headers = {}
    for line in lines:
        name, mark, value = line.partition(":")
        if mark:
            headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(status_line.split()[1]), headers, body)
