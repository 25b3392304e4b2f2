"""Connections that are kept: when they are used again, and when they are not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound import GuardedClient, RemoteTimedOut
from telephony.kernel.http.outbound_addresses import OutboundSettings

pytestmark = pytest.mark.wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that does whatever `talk` does on each connection, counted from 1."""

    def __init__(self) -> None:
        self.talk: Talk = answering
        self.connections = 0
        self.port = 0
        self.closed = asyncio.Event()
        """Set whenever a connection has ended."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()
            self.closed.set()


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = listening.sockets[0].getsockname()[1]
    yield found
    listening.close()
    await listening.wait_closed()


def client_of(server: Server, **settings: float) -> GuardedClient:
    return GuardedClient(OutboundSettings(allow=(f"127.0.0.1:{server.port}",), **settings))  # type: ignore[arg-type]


async def test_requests_one_after_the_other_share_a_connection(server: Server) -> None:
    async with client_of(server) as client:
        for _ in range(3):
            assert (await client.request("GET", server.url)).body == b"ok"
    assert server.connections == 1


async def test_requests_at_once_have_a_connection_each_and_leave_them_for_later(server: Server) -> None:
    async with client_of(server) as client:
        for _ in range(3):
            await asyncio.gather(*(client.request("GET", server.url) for _ in range(5)))
    assert server.connections == 5


async def test_a_connection_that_was_unused_for_long_is_closed(server: Server) -> None:
    async with client_of(server, keepalive_seconds=0.02) as client:
        await client.request("GET", server.url)
        await asyncio.wait_for(server.closed.wait(), 5)
        await client.request("GET", server.url)
    assert server.connections == 2


async def test_a_connection_on_which_more_comes_than_was_asked_for_is_not_used_again(server: Server) -> None:
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + OK)
        await reader.read()

    server.talk = chatty
    async with client_of(server) as client:
        await client.request("GET", server.url)
        await client.request("GET", server.url)
    assert server.connections == 2


async def test_a_connection_that_breaks_in_an_answer_is_no_reason_to_send_again(server: Server) -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if server.connections == 1:
            writer.write(OK)
            await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:20])

    server.talk = breaking
    async with client_of(server) as client:
        await client.request("POST", server.url, {}, b"")
        with pytest.raises(RemoteUnavailable, match="in the middle"):
            await client.request("POST", server.url, {}, b"", repeatable=True)
    assert server.connections == 1


async def test_what_must_not_arrive_twice_is_not_sent_again(server: Server) -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")  # and closes without a word

    server.talk = closing
    async with client_of(server) as client:
        await client.request("POST", server.url, {}, b"")
        with pytest.raises(RemoteUnavailable, match="PeerGone"):
            await client.request("POST", server.url, {}, b"")
    assert server.connections == 1


async def test_a_late_answer_is_never_taken_for_the_next_request_s(server: Server) -> None:
    late = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if server.connections == 1:
            await late.wait()
            writer.write(OK.replace(b"ok", b"no"))
        else:
            writer.write(OK)
        await reader.read()

    server.talk = slow
    async with client_of(server) as client:
        with pytest.raises(RemoteTimedOut):
            await client.request("GET", server.url, timeout=0.02)
        late.set()
        assert (await client.request("GET", server.url)).body == b"ok"


async def test_whoever_gives_up_takes_the_connection_along(server: Server) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    server.talk = silent
    async with client_of(server) as client:
        request = asyncio.create_task(client.request("GET", server.url))
        await asyncio.wait_for(asked.wait(), 5)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asyncio.wait_for(server.closed.wait(), 5)


async def test_a_client_that_closes_ends_what_is_on_the_wire(server: Server) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    server.talk = silent
    client = client_of(server)
    request = asyncio.create_task(client.request("GET", server.url))
    await asyncio.wait_for(asked.wait(), 5)
    await client.close()
    with pytest.raises(RemoteUnavailable):
        await request


@pytest.mark.parametrize("field", [{"X-A": "b\r\nX-C: d"}, {"X-A\n": "b"}, {"X-A": "b\0"}])
async def test_a_field_of_more_than_one_line_is_not_sent(server: Server, field: dict[str, str]) -> None:
    async with client_of(server) as client:
        with pytest.raises(ValueError, match="one line"):
            await client.request("POST", server.url, field, b"")
    assert server.connections == 0
