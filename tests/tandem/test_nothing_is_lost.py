"""R18: whatever is killed, every accepted message is sent or reported failed; counted by the carrier's journal.

Small here; `make promises` runs it over 10,000 messages with a kill every 5 seconds.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from carriers.simulated.journal import digest_of, read
from tests.support.node import Node, node
from tests.support.scale import scale
from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign

pytestmark = pytest.mark.soak

MESSAGES = scale(600, 10_000)
KILLS = scale(2, 8)
SECONDS_BETWEEN = scale(0.5, 5.0)
CLIENTS = 16
WINDOW = 100

SENT = ("submitted", "delivered", "failed", "expired", "unreported")
"""States of a message that is not ours to send any more. A killed supervisor takes the simulated carrier along,
and with it receipts that it still owed."""


@dataclass
class Load:
    """What clients sent and what they were told."""

    node: Node
    accepted: dict[str, str] = field(default_factory=dict)
    """Message id by text."""
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Send until all are accepted; a request that failed is repeated with its repeatability id."""
        while (number := next(self.numbers)) < MESSAGES:
            text = f"message {number:06d}"
            body = json.dumps(
                {
                    "from": self.node.number,
                    "smsRecipients": [
                        {
                            "to": "+12065551000",
                            "repeatabilityRequestId": str(uuid4()),
                            "repeatabilityFirstSent": formatdate(usegmt=True),
                        }
                    ],
                    "message": text,
                }
            ).encode()
            self.accepted[text] = await self._until_accepted(session, body)

    async def _until_accepted(self, session: aiohttp.ClientSession, body: bytes) -> str:
        target = "/sms?api-version=2021-03-07"
        until = time.monotonic() + 60
        while True:
            headers = sign(
                "POST",
                target,
                host=self.node.authority,
                body=body,
                key=self._key(),
                now=SystemClock().now(),
            )
            try:
                async with session.post(
                    f"https://{self.node.authority}{target}",
                    data=body,
                    headers={**headers, "Content-Type": "application/json"},
                    ssl=self.node.tls,
                ) as answer:
                    if answer.status == 202:
                        item = (await answer.json())["value"][0]
                        assert item["successful"], item
                        return str(item["messageId"])
                    assert answer.status in (429, 503), await answer.text()
            except aiohttp.ClientError:
                pass  # it was killed; what it accepted is known by the repeatability id
            assert time.monotonic() < until, "the gateway did not come back"
            await asyncio.sleep(0.05)

    def _key(self) -> bytes:
        import base64

        return base64.b64decode(self.node.connection_string.rpartition("accesskey=")[2])


@pytest.mark.parametrize("victim", ["gateway", "supervisor"])
async def test_what_was_accepted_is_sent_whatever_is_killed(tmp_path: Path, victim: str) -> None:
    with node(tmp_path / "var", "log.level=warning", "http.rate=1000000") as running:
        load = Load(running)
        async with aiohttp.ClientSession() as session:
            clients = [asyncio.create_task(load.run(session)) for _ in range(CLIENTS)]
            kills = 0
            while kills < KILLS and not all(client.done() for client in clients):
                await asyncio.sleep(SECONDS_BETWEEN)
                await asyncio.to_thread(_killer(running, victim))
                kills += 1
            await asyncio.gather(*clients)
        assert kills, "all was sent before anything was killed: more messages are needed"
        ends = await asyncio.to_thread(_ends, running, load)
        taken = await asyncio.to_thread(_taken, running)
        again = [text for text in load.accepted if taken[digest_of(text.encode())] > 1]
        marked = [text for text in again if _is_marked(running, load.accepted[text])]

    assert len(load.accepted) == MESSAGES
    lost = [text for text in load.accepted if not taken[digest_of(text.encode())]]
    assert lost == []
    duplicates = sum(taken[digest_of(text.encode())] - 1 for text in again)
    assert duplicates <= kills * WINDOW
    assert marked == again, "something went out twice unmarked"
    assert sum(taken.values()) == MESSAGES + duplicates
    print(
        f"{victim}: {MESSAGES} accepted, {kills} kills, {duplicates} duplicates, all marked;",
        Counter(ends.values()),
    )


def _taken(running: Node) -> Counter[str]:
    """Return how often the carrier took each text, by its digest."""
    return Counter(
        entry.digest
        for entry in read(running.journal)
        if entry.kind == "submit" and entry.destination == "12065551000"
    )


def _is_marked(running: Node, message_id: str) -> bool:
    kinds = [entry["kind"] for entry in running.message(message_id)["timeline"]]
    return "part.sent-again" in kinds


def _killer(running: Node, victim: str) -> Callable[[], None]:
    def kill_gateway() -> None:
        running.kill("gateway")

    def kill_supervisor() -> None:
        running.kill_supervisor()
        running.start()

    return kill_supervisor if victim == "supervisor" else kill_gateway


def _ends(running: Node, load: Load) -> dict[str, str]:
    """Return every message's state once none is left to send."""
    running.wait_ready()
    wanted = set(load.accepted.values())
    until = time.monotonic() + 120
    while True:
        states = {one["messageId"]: one["state"] for one in running.messages() if one["messageId"] in wanted}
        if len(states) == len(wanted) and all(state in SENT for state in states.values()):
            return states
        assert time.monotonic() < until, Counter(states.values())
        time.sleep(0.1)


def test_a_killed_gateway_takes_requests_again_within_two_seconds(tmp_path: Path) -> None:
    with node(tmp_path / "var") as running:
        old = running.children()["gateway"]
        begun = time.monotonic()
        running.kill("gateway")
        while not (running.health().get("ready") and running.children().get("gateway") != old):
            assert time.monotonic() - begun < 30
        seconds = time.monotonic() - begun
    print(f"ready again after {seconds:.2f} s")
    assert seconds < 2.0
