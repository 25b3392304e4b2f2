"""A whole gateway inside the test's own process, with two resources side by side; no carrier answers it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from tandem.config.load import load
from tandem.first_start import FIRST_NUMBER, Keepsakes
from tandem.gateway import Gateway, gateway
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164
from telephony.kernel.http.signature import sign
from telephony.kernel.ids import ResourceId
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.resources.seal import MasterKeys
from telephony.resources.verbs import CreateResource
from tests.support.http import Answer, read_answer, request_bytes
from tests.support.node import free_ports

OTHERS_NUMBER = E164("+14255550101")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A resource as its owner knows it."""

    id: ResourceId
    authority: str
    key: bytes
    number: str


@dataclass(frozen=True, slots=True)
class Inside:
    """A running gateway and who may ask it."""

    gateway: Gateway
    data: Path
    port: int
    one: Tenant
    other: Tenant
    admin_key: str
    tls: ssl.SSLContext

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request exactly as told; Host is the first resource's unless `headers` has one."""
        sent = {"Host": self.one.authority, "Connection": "close", **(headers or {})}
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname="127.0.0.1"
        )
        try:
            writer.write(request_bytes(method, target, body, sent))
            return await asyncio.wait_for(read_answer(reader), 20)
        finally:
            writer.close()

    def signed(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        tenant: Tenant | None = None,
        now: int | None = None,
        host: str | None = None,
        key: bytes | None = None,
    ) -> dict[str, str]:
        """Return the headers of a signed request of a tenant's, the first's unless told otherwise."""
        who = tenant or self.one
        host = host or who.authority
        signature = sign(
            method, target, host=host, body=body, key=key or who.key, now=now or SystemClock().now()
        )
        return {"Host": host, "Content-Type": "application/json", **signature}

    async def sign_and_ask(
        self, method: str, target: str, body: bytes = b"", *, tenant: Tenant | None = None
    ) -> Answer:
        """Send a request of a tenant's."""
        return await self.ask(method, target, body, self.signed(method, target, body, tenant=tenant))

    async def administer(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request of administration."""
        own = {"Authorization": f"Bearer {self.admin_key}", "Content-Type": "application/json"}
        return await self.ask(method, target, body, {**own, **(headers or {})})


@asynccontextmanager
async def inside(
    folder: Path, *, lost: Callable[[], None] = lambda: None, **settings: str
) -> AsyncIterator[Inside]:
    """Run a gateway for the length of a `with` block; `settings` by dotted key with `__` for the dots.

    `lost` is called when it has to stop by itself. At a database that has resources already none is made.
    """
    port, nowhere = free_ports(2)
    one, other = f"127.0.0.1:{port}", f"localhost:{port}"
    flags = {
        "data": str(folder),
        "port": str(port),
        "authorities": f'["{one}"]',
        "simulated.port": str(nowhere),
        **{name.replace("__", "."): value for name, value in settings.items()},
    }
    configuration = load(flags=flags, environment={}).configuration
    async with gateway(configuration, lost=lost, registry=CollectorRegistry()) as running:
        if len(list(running.directory.resources)) == 1:
            now, store = SystemClock().now(), running.store
            given = configuration.master_key
            master = (
                MasterKeys.parse(given) if given else MasterKeys.from_file(configuration.master_key_path())
            )
            made = await store.write(CreateResource("other", [other], master, now))
            await store.write(AcquireNumber(OwnedNumber(made.id, OTHERS_NUMBER, "simulated"), now))
            await running.directory.refresh()
        first, second = running.directory.resources
        yield Inside(
            running,
            folder,
            port,
            Tenant(ResourceId(first.id), one, first.keys[0], FIRST_NUMBER),
            Tenant(ResourceId(second.id), other, second.keys[0], OTHERS_NUMBER),
            Keepsakes(folder).admin_key.read_text().strip(),
            ssl.create_default_context(cafile=folder / "ca.pem"),
        )
