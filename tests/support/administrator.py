"""Many requests of administration over one connection: a handshake each would take most of a test's time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from tests.support.http import Answer, read_answer, request_bytes
from tests.support.inside import Inside


class Ask(Protocol):
    """Sends a request with the owner's key, or another."""

    async def __call__(self, method: str, target: str, body: bytes = b"", key: str = "") -> Answer: ...


@asynccontextmanager
async def administrator(home: Inside) -> AsyncIterator[Ask]:
    """Keep a connection for the length of a `with` block."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", home.port, ssl=home.tls, server_hostname="127.0.0.1"
    )

    async def ask(method: str, target: str, body: bytes = b"", key: str = "") -> Answer:
        headers = {
            "Host": home.one.authority,
            "Authorization": f"Bearer {key or home.admin_key}",
            "Content-Type": "application/json",
        }
        writer.write(request_bytes(method, target, body, headers))
        return await asyncio.wait_for(read_answer(reader), 20)

    try:
        yield ask
    finally:
        writer.close()
