"""Connections from their first request to the last: in pieces, several at once, idle, handed to aiohttp."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tandem.http import ServerLimits, Settings
from tandem.http.front import Front
from tandem.http.incoming import Incoming, Outgoing
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


class Slow(asyncio.Transport):
    """A transport whose other end takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.aborted = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = True


class Owner:
    """Takes note of what a front hands over."""

    draining = False

    def __init__(self) -> None:
        self.handed_over: list[bytes] = []

    def opened(self, front: Front, transport: asyncio.Transport) -> None: ...

    def closed(self, front: Front) -> None: ...

    def hand_over(self, front: Front, transport: asyncio.Transport, data: bytes) -> None:
        self.handed_over.append(data)


class Answered:
    """A front on a slow transport, and the paths that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.owner, self.wire = Owner(), Slow()
        self.front = Front(self._answer, self.owner)
        self.front.connection_made(self.wire)

    async def _answer(self, http: Incoming) -> Outgoing:
        self.asked.append(http.target)
        return Outgoing(200, {}, b"fine")

    async def settle(self) -> None:
        while self.front.task is not None:
            await self.front.task


def ask_for(path: str, body: bytes = b"", **fields: str) -> bytes:
    return request_bytes("POST", path, body, {"Host": "x", **fields})


async def test_nothing_is_done_that_came_after_the_last_request() -> None:
    one = Answered()
    one.front.data_received(ask_for("/last", Connection="close") + ask_for("/more"))
    one.front.pause_writing()
    await one.settle()
    assert one.wire.closing
    one.front.resume_writing()  # the close has sent what was left
    await one.settle()
    assert one.asked == ["/last"]


async def test_reading_goes_on_when_a_client_takes_its_answers_again() -> None:
    one = Answered()
    one.front.pause_writing()
    one.front.data_received(ask_for("/big", bytes(70_000)))
    assert not one.wire.reading
    assert one.asked == []
    one.front.resume_writing()
    await one.settle()
    assert one.asked == ["/big"]
    assert one.wire.reading


async def test_a_client_that_takes_no_answers_is_not_handed_over_with_what_it_asks() -> None:
    one = Answered()
    one.front.pause_writing()
    one.front.data_received(ask_for("/more"))
    one.front.close()
    assert one.wire.closing
    assert one.owner.handed_over == []
    one.front.resume_writing()
    await one.settle()
    assert one.asked == []


async def test_a_connection_whose_answers_nobody_reads_is_broken_off(toys: Toys, tmp_path: Path) -> None:
    async with house(toys.routes(), tmp_path, limits=ServerLimits(idle_seconds=0.1)) as home:
        factory = home.server._factory
        still, slow, idle = Slow(), Slow(), Slow()
        still.written = slow.written = b"an answer"
        for transport in (still, slow, idle):
            factory.transports[asyncio.Protocol()] = transport
        while not still.aborted:
            slow.written += b"."  # this one takes some, and is given more
            await asyncio.sleep(0.01)
        assert not slow.aborted
        assert not idle.aborted
        factory.transports.clear()


SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: 0, %d\r\n\r\n",
        b"Content-Length: +%d\r\n\r\n",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x%d\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: x%d\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, x%d\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked%d\r\n\r\n0\r\n\r\n",
        b"Content-Length: %d\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"X: y\nContent-Length: %d\r\n\r\n",
        b"X: y\rContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\x0b\r\n\r\n",
        b"Host: y%d\r\n\r\n",
    ],
)
async def test_a_request_that_two_readers_may_read_in_two_ways_ends_its_connection(
    home: House, connect: Connect, fields: bytes
) -> None:
    client = await connect(home)
    head = b"POST /health HTTP/1.1\r\nHost: x\r\n"
    refused = await client.ask(head + fields % len(SMUGGLED) + SMUGGLED)
    assert refused.status == 400
    assert await client.ended()  # what stood behind it was nobody's request


async def test_a_target_with_an_authority_of_its_own_names_no_resource(home: House, connect: Connect) -> None:
    client = await connect(home)
    raw = send(home).replace(b"POST /sms", f"POST http://{home.others_authority}/sms".encode())
    assert (await client.ask(raw)).status == 401
    doubled = send(home).replace(b"POST /sms", f"POST //{home.others_authority}/sms".encode())
    assert (await client.ask(doubled)).status == 401


async def test_a_body_that_never_ends_is_given_up(toys: Toys, tmp_path: Path, connect: Connect) -> None:
    async with house(toys.routes(), tmp_path, settings=Settings(body_seconds=0.05, tls=False)) as home:
        client = await connect(home)
        assert (await client.ask(send(home)[: -len(SMS) + 1])).status == 408
        assert await client.ended()


async def test_a_body_beyond_the_ceiling_is_refused_before_it_comes(home: House, connect: Connect) -> None:
    client = await connect(home)
    raw = send(home)[: -len(SMS)].replace(b"Content-Length: %d" % len(SMS), b"Content-Length: 999999999999")
    assert b"999999999999" in raw
    assert (await client.ask(raw)).status == 413
