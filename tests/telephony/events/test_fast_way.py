"""Deliveries on connections that are open already: no task, outcomes in groups, the same promises."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from sqlalchemy import Connection, update

from telephony.events.outcomes import GATHER_SECONDS
from telephony.events.settings import EventSettings
from telephony.events.signing import verify
from telephony.events.store import deliveries
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from tests.support.receiver import Received, Receiver, agree
from tests.support.webhooks import RECEIVED, REPORTED, RESOURCE, event, plane

pytestmark = [pytest.mark.wire, pytest.mark.promise("R26")]

OK = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """Run a server that does `talk` on each connection; yields its URL."""
    talks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.append(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hook"
    finally:
        listening.close()
        await listening.wait_closed()
        await asyncio.wait_for(asyncio.gather(*talks), 5)


async def take(reader: asyncio.StreamReader) -> bytes:
    """Read one request, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return head


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    """SQLite for all; test_both_databases.py has every statement on PostgreSQL too."""
    return sqlite_store


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_the_second_delivery_is_made_as_the_first(store: Store, schema: str) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        _, secret = await node.subscribe(endpoint.url, schema=schema)
        for _ in range(3):
            await node.publish(event())
            await node.deliverer.idle()
        first, *others = endpoint.notifications
        assert len(others) == 2
        for other in others:
            verify(secret, other.headers, other.body, now=node.clock.now())
            assert other.headers.keys() == first.headers.keys()
            same = first.headers.keys() - {"webhook-id", "webhook-signature", "content-length"}
            assert all(other.headers[name] == first.headers[name] for name in same)


async def test_a_changed_secret_signs_the_next_delivery(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, old = await node.subscribe(endpoint.url)
        await node.publish(event())
        await node.deliverer.idle()
        new = await node.verbs.rotate(RESOURCE, view.id)
        await node.publish(event())
        await node.deliverer.idle()
        last = endpoint.notifications[-1]
        for secret in (old, new):
            verify(secret, last.headers, last.body, now=node.clock.now())


async def test_an_accepted_delivery_leaves_its_timeline_and_no_row(store: Store) -> None:
    async with Receiver() as endpoint, plane(store, settings=EventSettings()) as node:
        await node.subscribe(endpoint.url)
        await node.publish(*[event() for _ in range(20)])
        await node.deliverer.idle()
        endpoint.status = 500
        await node.publish(event())
        await node.deliverer.idle()
        assert await node.states() == ["waiting"]
        assert [each.kind for each in await node.timeline()] == ["webhook.delivered"] * 20 + [
            "webhook.failed"
        ]
        node.clock.advance(10)
        endpoint.status = 200
        await node.settle()
        node.clock.advance(1)
        await node.deliverer.housekeep()
        assert await node.states() == []
        assert node.deliverer.held == 0


async def test_a_row_that_another_node_took_over_is_not_removed(store: Store) -> None:
    later = NodeId(b"node-two--------")

    async def lose(received: Received) -> web.Response:
        if (answer := agree(received)) is not None:
            return answer

        def take_over(tx: Connection) -> None:
            tx.execute(update(deliveries).values(node=later, version=deliveries.c.version + 1))

        await store.write(take_over)
        return web.Response()

    async with Receiver(lose) as endpoint, plane(store, settings=EventSettings()) as node:
        await node.subscribe(endpoint.url)
        await node.publish(event())
        await node.deliverer.idle()
        assert [(row["state"], row["node"]) for row in await node.rows()] == [("pending", later)]


async def test_a_kept_connection_that_was_closed_costs_no_delivery(store: Store) -> None:
    heads = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await take(reader))
        writer.write(OK)
        await take(reader)  # and closes without a word

    async with server(hang_up) as url, plane(store) as node:
        await node.subscribe(url, schema="cloudevents")
        for _ in range(3):
            await node.publish(event())
            await node.deliverer.idle()
        assert await node.states() == ["delivered"] * 3
        assert node.deliverer.failed == 0
    assert [head.partition(b" ")[0] for head in heads] == [b"OPTIONS", *[b"POST"] * 3]


async def test_an_answer_that_is_none_is_a_failed_try(store: Store) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # the handshake, and what makes the way known
            await take(reader)
            writer.write(OK)
        await take(reader)
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await reader.read()

    async with server(talk) as url, plane(store) as node:
        await node.subscribe(url, schema="cloudevents")
        for _ in range(2):
            await node.publish(event())
            await node.deliverer.idle()
        first, second = await node.rows()
        assert (first["state"], second["state"]) == ("delivered", "waiting")
        assert "not HTTP" in str(second["last_error"])


async def test_an_endpoint_that_trickles_runs_out_of_time_and_holds_nobody_up(store: Store) -> None:
    stop = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await take(reader)
            writer.write(OK)
        await take(reader)
        for byte in OK[:-1]:
            writer.write(bytes((byte,)))
            await writer.drain()
        await stop.wait()

    settings = EventSettings(timeout_seconds=0.2, delivered_hours=1)
    async with server(trickle) as url, plane(store, settings=settings) as node:
        await node.subscribe(url, schema="cloudevents")
        for _ in range(2):
            await node.publish(event())
            await node.deliverer.idle()
        assert [(row["state"], row["last_error"]) for row in await node.rows()] == [
            ("delivered", None),
            ("waiting", "The other side did not answer in time."),
        ]
        stop.set()


async def test_an_event_whose_id_is_no_header_stops_nobody(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.publish(event())
        await node.deliverer.idle()
        await node.publish(event(identifier="a\r\nX-Evil: 1"), event(), event(identifier="\N{SNOWMAN}"))
        await node.deliverer.idle()
        assert await node.states() == ["delivered", "pending", "delivered", "pending"]
        assert not any("x-evil" in each.headers for each in endpoint.received)


async def test_many_outcomes_are_written_in_few_groups(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        groups = store.groups
        await node.publish(*[event() for _ in range(300)])
        await node.deliverer.idle()
        assert await node.states() == ["delivered"] * 300
        assert store.groups - groups < 100


async def test_an_outcome_is_written_though_another_request_hangs(store: Store) -> None:
    gate, inside = asyncio.Event(), asyncio.Event()

    async def slow(received: Received) -> web.Response:
        if (answer := agree(received)) is not None:
            return answer
        inside.set()
        await gate.wait()
        return web.Response()

    async with Receiver(slow) as hanging, Receiver() as quick, plane(store) as node:
        await node.subscribe(hanging.url, "slow", eventTypes=[REPORTED])
        await node.subscribe(quick.url, "quick", eventTypes=[RECEIVED])
        await node.publish(event(REPORTED))
        await asyncio.wait_for(inside.wait(), 5)
        for count in (1, 2, 3):
            await node.publish(event(RECEIVED))
            async with asyncio.timeout(100 * GATHER_SECONDS):
                while (await node.states()).count("delivered") < count:
                    await asyncio.sleep(0)
        assert await node.states() == ["pending", *["delivered"] * 3]
        gate.set()
        await node.deliverer.idle()
        assert await node.states() == ["delivered"] * 4


async def test_stopping_breaks_off_what_hangs_on_a_kept_connection(store: Store) -> None:
    inside, gone = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await take(reader)
            writer.write(OK)
        await take(reader)
        inside.set()
        await reader.read()
        gone.set()

    async with server(talk) as url, plane(store) as node:
        await node.subscribe(url, schema="cloudevents")
        await node.publish(event())
        await node.deliverer.idle()
        await node.publish(event())
        await asyncio.wait_for(inside.wait(), 5)
        await node.deliverer.drain(0.01)
        await node.deliverer.stop()
        await asyncio.wait_for(gone.wait(), 5)
        assert await node.states() == ["delivered", "pending"]
