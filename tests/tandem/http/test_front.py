"""Connections from their first request to the last: in pieces, several at once, idle, handed to aiohttp."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tandem.http import ServerLimits
from tandem.http.server import _Connection
from telephony.kernel.http.signature import sign
from tests.support.http import Answer, House, house, read_answer, request_bytes
from tests.support.toys import Toys

pytestmark = pytest.mark.wire

V = "?api-version=2021-03-07"
SMS = b'{"from":"+1","smsRecipients":[{"to":"+2"}],"message":"hello"}'
HEALTH = request_bytes("GET", "/health", b"", {"Host": "x"})
CHUNKED = b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.fixture
def toys() -> Toys:
    return Toys()


@pytest.fixture
async def home(toys: Toys, tmp_path: Path) -> AsyncIterator[House]:
    async with house(toys.routes(), tmp_path) as home:
        yield home


Connect = Callable[[House], Awaitable["Client"]]


def send(home: House) -> bytes:
    """Return a signed request on a connection that goes on."""
    headers = sign(
        "POST", "/sms" + V, host=home.authority, body=SMS, key=home.one.keys.primary, now=home.clock.now()
    )
    fields = {"Host": home.authority, "Content-Type": "application/json", **headers}
    return request_bytes("POST", "/sms" + V, SMS, fields)


def wait(home: House) -> bytes:
    """Return a signed request whose answer waits for the test."""
    headers = sign(
        "GET", "/wait" + V, host=home.authority, body=b"", key=home.one.keys.primary, now=home.clock.now()
    )
    return request_bytes("GET", "/wait" + V, b"", {"Host": home.authority, **headers})


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> Answer:
        return await asyncio.wait_for(read_answer(self.reader), 5)

    async def ask(self, raw: bytes) -> Answer:
        self.writer.write(raw)
        return await self.answer()

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give connections to a house, and close them."""
    made: list[Client] = []

    async def connecting(home: House) -> Client:
        made.append(Client(*await asyncio.open_connection("127.0.0.1", home.server.port)))
        return made[-1]

    yield connecting
    for client in made:
        client.writer.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()


def handed_over(home: House) -> int:
    """Return how many connections are aiohttp's."""
    return sum(isinstance(one, _Connection) for one in home.server._factory.transports)


async def test_a_connection_carries_one_request_after_the_other(home: House, connect: Connect) -> None:
    client = await connect(home)
    for _ in range(3):
        assert (await client.ask(send(home))).status == 202
        assert (await client.ask(HEALTH)).body == b"fine\n"
    assert handed_over(home) == 0


async def test_a_head_and_its_body_may_come_one_after_the_other(home: House, connect: Connect) -> None:
    client = await connect(home)
    raw = send(home)
    client.writer.write(raw[: -len(SMS)])
    await client.writer.drain()
    while not any(front._data for front in home.server._factory.fronts):
        await asyncio.sleep(0)
    assert (await client.ask(SMS)).status == 202
    assert handed_over(home) == 0


async def test_requests_sent_at_once_are_answered_in_their_order(home: House, connect: Connect) -> None:
    client = await connect(home)
    client.writer.write(HEALTH + send(home) + HEALTH + CHUNKED + HEALTH + send(home))
    assert [(await client.answer()).status for _ in range(6)] == [200, 202, 200, 405, 200, 202]


async def test_whatever_is_not_simple_goes_on_with_aiohttp(home: House, connect: Connect) -> None:
    client = await connect(home)
    assert (await client.ask(HEALTH)).status == 200
    assert (await client.ask(CHUNKED)).status == 405
    assert handed_over(home) == 1
    assert home.server.connections == 1
    assert (await client.ask(send(home))).status == 202


async def test_what_comes_ahead_of_an_answer_waits_its_turn(
    home: House, connect: Connect, toys: Toys
) -> None:
    client = await connect(home)
    client.writer.write(wait(home) + HEALTH)
    await asyncio.wait_for(toys.entered.wait(), 5)
    client.writer.write(HEALTH)
    toys.leave.set()
    assert [(await client.answer()).body == b"fine\n" for _ in range(3)] == [False, True, True]


async def test_too_much_ahead_of_an_answer_is_not_read(home: House, connect: Connect, toys: Toys) -> None:
    client = await connect(home)
    client.writer.write(wait(home))
    await asyncio.wait_for(toys.entered.wait(), 5)
    (front,) = home.server._factory.fronts
    many = HEALTH * 3000
    client.writer.write(many)
    while len(front._data) < 64 * 1024:
        await asyncio.sleep(0)
    toys.leave.set()
    assert (await client.answer()).status == 200
    for _ in range(3000):
        assert (await client.answer()).body == b"fine\n"


async def test_the_last_request_of_a_connection_ends_it(home: House, connect: Connect) -> None:
    client = await connect(home)
    answer = await client.ask(request_bytes("GET", "/health", b"", {"Host": "x", "Connection": "close"}))
    assert answer.headers["connection"] == "close"
    assert await client.ended()
    assert home.server.connections == 0


async def test_a_client_that_went_away_does_not_break_off_what_it_asked_for(
    home: House, connect: Connect, toys: Toys
) -> None:
    client = await connect(home)
    client.writer.write(wait(home))
    await asyncio.wait_for(toys.entered.wait(), 5)
    (front,) = home.server._factory.fronts
    client.writer.close()
    while home.server.connections:
        await asyncio.sleep(0)
    assert front.task is not None
    toys.leave.set()
    await asyncio.wait_for(front.task, 5)
    assert home.registry.get_sample_value("tandem_http_requests_in_flight") == 0


async def test_a_silent_connection_is_closed(toys: Toys, tmp_path: Path, connect: Connect) -> None:
    async with house(toys.routes(), tmp_path, limits=ServerLimits(idle_seconds=0.04)) as home:
        never, once, half = [await connect(home) for _ in range(3)]
        assert (await once.ask(HEALTH)).status == 200
        half.writer.write(HEALTH[:20])
        assert await never.ended()
        assert await once.ended()
        assert await half.ended()
        assert home.server.connections == 0


async def test_a_drain_answers_what_runs_and_ends_the_rest(home: House, connect: Connect, toys: Toys) -> None:
    idle, busy, half = [await connect(home) for _ in range(3)]
    half.writer.write(HEALTH[:20])
    busy.writer.write(wait(home))
    await asyncio.wait_for(toys.entered.wait(), 5)
    draining = asyncio.create_task(home.server.drain(5))
    assert await idle.ended()
    toys.leave.set()
    answer = await busy.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    await asyncio.wait_for(draining, 5)
    assert await half.ended()
    assert home.server.connections == 0


async def test_a_drain_does_not_wait_for_ever(home: House, connect: Connect, toys: Toys) -> None:
    client = await connect(home)
    client.writer.write(wait(home))
    await asyncio.wait_for(toys.entered.wait(), 5)
    await asyncio.wait_for(home.server.drain(0.05), 5)
    assert await client.ended()
    assert home.registry.get_sample_value("tandem_http_requests_in_flight") == 0
