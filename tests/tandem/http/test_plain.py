"""The listener without TLS: the same application, the same proofs, on this machine alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tandem.http import Server, ServerLimits, serve_plain
from tandem.http.server import BACKLOG
from telephony.kernel.http.plain import PlainAddress
from telephony.kernel.http.signature import sign
from telephony.resources.verbs import AddAuthorities
from tests.support.http import Answer, House, ask_raw, house, read_answer, request_bytes
from tests.support.node import free_ports
from tests.support.toys import Toys

pytestmark = pytest.mark.wire

TARGET = "/sms?api-version=2021-03-07"
SMS = b'{"from":"+1","smsRecipients":[{"to":"+2"}],"message":"hello"}'


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(Toys().routes(), tmp_path) as home:
        yield home


def signed(home: House, host: str) -> bytes:
    """Return a request that the first resource's client signed for `host`."""
    headers: Mapping[str, str] = sign(
        "POST", TARGET, host=host, body=SMS, key=home.one.keys.primary, now=home.clock.now()
    )
    fields = {"Host": host, "Content-Type": "application/json", "Connection": "close", **headers}
    return request_bytes("POST", TARGET, SMS, fields)


async def listening(home: House, address: PlainAddress) -> Server:
    return await serve_plain(home.application, address, limits=ServerLimits())


async def over_socket(path: Path, raw: bytes) -> Answer:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(raw)
        return await asyncio.wait_for(read_answer(reader), 10)
    finally:
        writer.close()


async def test_a_proxy_that_keeps_the_host_is_answered(home: House) -> None:
    server = await listening(home, PlainAddress("127.0.0.1", 0))
    try:
        assert (await ask_raw(server.port, signed(home, home.authority))).status == 202
    finally:
        await server.drain(1.0)


async def test_its_own_address_is_an_authority_only_when_it_is_made_one(home: House) -> None:
    server = await listening(home, PlainAddress("127.0.0.1", 0))
    own = f"127.0.0.1:{server.port}"
    try:
        assert (await ask_raw(server.port, signed(home, own))).status == 401
        await home.store.write(AddAuthorities(home.one.id, [own], home.clock.now()))
        await home.directory.refresh()
        assert (await ask_raw(server.port, signed(home, own))).status == 202
    finally:
        await server.drain(1.0)


async def test_nobody_is_let_in_without_a_signature(home: House) -> None:
    server = await listening(home, PlainAddress("127.0.0.1", 0))
    try:
        bare = request_bytes("POST", TARGET, SMS, {"Host": home.authority, "Connection": "close"})
        assert (await ask_raw(server.port, bare)).status == 401
    finally:
        await server.drain(1.0)


async def test_a_unix_socket_serves_the_same(home: House, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    server = await listening(home, PlainAddress(path=str(path)))
    try:
        assert server.addresses == []
        assert (await over_socket(path, signed(home, home.authority))).status == 202
    finally:
        await server.drain(1.0)


async def test_a_socket_left_by_an_earlier_life_is_replaced(home: House, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    loop = asyncio.get_running_loop()
    earlier = await loop.create_unix_server(asyncio.Protocol, path, backlog=BACKLOG)
    earlier.close()
    server = await listening(home, PlainAddress(path=str(path)))
    try:
        assert (await over_socket(path, signed(home, home.authority))).status == 202
    finally:
        await server.drain(1.0)


async def test_a_port_that_is_taken_is_an_error(home: House) -> None:
    (port,) = free_ports(1)
    server = await listening(home, PlainAddress("127.0.0.1", port))
    try:
        with pytest.raises(OSError, match="address already in use"):
            await listening(home, PlainAddress("127.0.0.1", port))
    finally:
        await server.drain(1.0)
