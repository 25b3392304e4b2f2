"""A gateway's memory and queues over many messages, as many at a time as it takes and more.

Small here; `make promises` sends half a million.
"""

import asyncio
import base64
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign
from tests.support.load import TARGET
from tests.support.node import Node, node
from tests.support.promises import Report
from tests.support.receiver import Received, Receiver, agree
from tests.support.scale import scale

pytestmark = [pytest.mark.soak, pytest.mark.promise("Memory")]

MESSAGES = scale(4_000, 500_000)
BATCH = 100
CLIENTS = 12
REPORTED_EVERY = 10
"""Of so many requests one wants delivery reports."""
MOST_WAITING, MOST_IN_MEMORY = scale((1_000, 300), (30_000, 5_000))
WARM = scale(2_000, 100_000)
"""Messages until every cache is full."""
EVERY_SECONDS = scale(0.25, 10.0)
GROWTH = scale(0.25, 0.10)
"""How much more memory it may have at the end than when it was warm: pages of the allocator are not returned
in order."""
PATIENCE_SECONDS = scale(60.0, 1800.0)

WAITING, IN_MEMORY = "tandem_messages_waiting", "tandem_messages_in_memory"


class Samples:
    """What was seen of a gateway while it worked."""

    def __init__(self, running: Node) -> None:
        self._node = running
        self._pid = running.children()["gateway"]
        self.memory: list[tuple[int, float]] = []
        """Messages delivered by then, and megabytes."""
        self.waiting = 0.0
        self.in_memory = 0.0

    def look(self) -> int:
        """Take a sample; return how many messages are delivered."""
        metrics = self._node.metrics()
        self.waiting = max(self.waiting, *(value for name, value in metrics.items() if WAITING in name))
        self.in_memory = max(self.in_memory, *(value for name, value in metrics.items() if IN_MEMORY in name))
        done = self._node.carrier_counts()["answered"]
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        self.memory.append((done, pages * os.sysconf("SC_PAGE_SIZE") / 1e6))
        return done

    def megabytes_at(self, messages: int) -> float:
        """Return the memory when so many messages were delivered."""
        return next((size for done, size in self.memory if done >= messages), self.memory[-1][1])


class Flood:
    """Clients that send as fast as the gateway lets them, and come back when it says so."""

    def __init__(self, running: Node, count: int) -> None:
        self._node = running
        self._numbers = itertools.count()
        self._requests = count // BATCH
        self._key = base64.b64decode(running.connection_string.rpartition("accesskey=")[2])
        self._sender = running.number
        self.accepted: list[str] = []
        self.wanted: set[str] = set()
        """Those whose delivery reports are to come."""
        self.answers: Counter[int] = Counter()

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while (number := next(self._numbers)) < self._requests:
            report = number % REPORTED_EVERY == 0
            body = {
                "from": self._sender,
                "smsRecipients": [{"to": f"+1206556{index:04d}"} for index in range(BATCH)],
                "message": f"message {number}",
                "smsSendOptions": {"enableDeliveryReport": report},
            }
            items = await self._until_accepted(session, json.dumps(body).encode())
            assert all(item["successful"] for item in items), items
            found = [str(item["messageId"]) for item in items]
            self.accepted += found
            if report:
                self.wanted.update(found)

    async def _until_accepted(self, session: aiohttp.ClientSession, body: bytes) -> list[dict[str, Any]]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            host = self._node.authority
            headers = sign("POST", TARGET, host=host, body=body, key=self._key, now=SystemClock().now())
            async with session.post(
                f"https://{host}{TARGET}",
                data=body,
                headers={**headers, "Content-Type": "application/json"},
                ssl=self._node.tls,
            ) as answer:
                self.answers[answer.status] += 1
                told = await answer.json()
                if answer.status == 202:
                    return list(told["value"])
                assert answer.status == 429, (answer.status, told)
                pause = float(answer.headers["Retry-After"])
            assert time.monotonic() < until
            await asyncio.sleep(pause)


@asynccontextmanager
async def reports() -> AsyncIterator[tuple[Receiver, set[str]]]:
    """Run an endpoint that keeps nothing but whose delivery reports came."""
    told: set[str] = set()

    async def answer(one: Received) -> web.StreamResponse:
        receiver.received.clear()
        agreed = agree(one)
        if agreed is not None:
            return agreed
        told.update(event["data"]["messageId"] for event in one.json)
        return web.Response()

    async with Receiver(answer) as receiver:
        yield receiver, told


async def test_memory_and_queues_do_not_grow_with_the_messages(tmp_path: Path, promise: Report) -> None:
    async with reports() as (hook, told):
        settings = (
            "log.level=warning",
            "http.rate=1000000",
            "simulated.journal=",
            f"simulated.max_pending={MESSAGES + 1}",  # a carrier that forgets receipts is another test
            f"sms.max_backlog={MOST_WAITING}",
            f"sms.max_in_memory={MOST_IN_MEMORY}",
            f'outbound.allow=["127.0.0.1:{hook.port}"]',
        )
        with node(tmp_path / "var", *settings) as running:
            path = f"/admin/resources/{running.resource()}/subscriptions"
            await asyncio.to_thread(running.admin, path, "POST", {"name": "all", "url": hook.url})
            samples, flood = Samples(running), Flood(running, MESSAGES)
            begun = time.monotonic()
            before = running.carrier_counts()["answered"]
            sending = asyncio.create_task(flood.run())
            samples.look()
            while not sending.done() or samples.memory[-1][0] < before + MESSAGES:
                await asyncio.wait([asyncio.create_task(asyncio.sleep(EVERY_SECONDS))])
                if sending.done():
                    sending.result()
                await asyncio.to_thread(samples.look)
                assert time.monotonic() - begun < PATIENCE_SECONDS, (samples.memory[-1], flood.answers)
                assert not running.carrier_counts()["dropped"], "the carrier forgot receipts"
            seconds = time.monotonic() - begun
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not flood.wanted <= told:
                    await asyncio.sleep(0.1)
            samples.look()
            dropped = running.carrier_counts()["dropped"]
    warm, last = samples.megabytes_at(WARM), samples.memory[-1][1]
    steps = {
        f"MB after {count:,}": round(samples.megabytes_at(count))
        for count in range(WARM, MESSAGES + 1, max(WARM, MESSAGES // 5))
    }
    promise(
        messages=len(flood.accepted),
        seconds=seconds,
        answers_429=flood.answers[429],
        most_waiting=int(samples.waiting),
        most_in_memory=int(samples.in_memory),
        reports=len(flood.wanted),
        MB_at_start=round(samples.memory[0][1]),
        **steps,
        MB_at_the_end=round(last),
    )
    assert len(set(flood.accepted)) == MESSAGES
    assert dropped == 0
    assert flood.answers[429] > 0, "it never had more than it may have waiting"
    assert samples.waiting <= MOST_WAITING + CLIENTS * BATCH
    assert samples.in_memory <= 2 * MOST_IN_MEMORY + 1000
    assert last <= warm * (1 + GROWTH), samples.memory
