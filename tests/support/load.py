"""Clients that send messages through a node at a rate, whatever happens to it, and what became of them."""

import asyncio
import base64
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from uuid import uuid4

import aiohttp

from carriers.simulated.journal import digest_of, read
from sms.outgoing import encoded
from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign
from tests.support.node import Node

TARGET = "/sms?api-version=2021-03-07"

RECIPIENT = "+12065551000"
"""Of every message of a load; the simulated carrier delivers it at once."""

SENT = ("submitted", "delivered", "failed", "expired", "unreported")
"""States of a message that is not ours to send any more. A killed supervisor takes the simulated carrier
along, and with it receipts that it still owed."""

PATIENCE_SECONDS = 90.0
"""How long a client repeats a request."""

LONG_EVERY = 20
"""Every so many texts have two parts."""


@dataclass
class Load:
    """A load of `count` messages, `rate` a second; what falls behind is made up for."""

    node: Node
    count: int
    rate: float
    clients: int = 16
    others: tuple[Node, ...] = ()
    """Where a client turns next when a node does not answer; half of the clients begin there."""
    report: bool = False
    """Whether to ask for delivery reports."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Message id by text."""
    answers: Counter[int] = field(default_factory=Counter)
    """Answers by status; 0 for a connection that broke or was refused."""
    refused: list[tuple[aiohttp.typedefs.LooseHeaders, Any]] = field(default_factory=list)
    """Headers and body of every answer 503."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Send in a task, which ends with the `with` block at the latest."""
        task = asyncio.create_task(self.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """Send until all are accepted; a request that failed is repeated with its repeatability id."""
        began = time.monotonic()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for number in range(self.clients):
                turns = itertools.cycle((self.node, *self.others))
                for _ in range(number % (1 + len(self.others))):
                    next(turns)
                group.create_task(self._client(session, turns, began))

    async def _client(self, session: aiohttp.ClientSession, turns: Iterator[Node], began: float) -> None:
        node = next(turns)
        while (number := next(self._numbers)) < self.count:
            await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
            text = f"message {number:06d}"
            if number % LONG_EVERY == 0:  # the number in both parts: no two parts of a load are alike
                text += f"{' and so on' * 14}, that was {number:06d}"
            node, self.accepted[text] = await self._until_accepted(session, node, turns, text)

    async def _until_accepted(
        self, session: aiohttp.ClientSession, node: Node, turns: Iterator[Node], text: str
    ) -> tuple[Node, str]:
        """Return the node that accepted it, and the message's id."""
        recipient = {
            "to": RECIPIENT,
            "repeatabilityRequestId": str(uuid4()),
            "repeatabilityFirstSent": formatdate(usegmt=True),
        }
        body = {
            "from": self.node.number,
            "smsRecipients": [recipient],
            "message": text,
            "smsSendOptions": {"enableDeliveryReport": self.report},
        }
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await post(session, node, body)
            self.answers[answer.status] += 1
            if answer.status == 202:
                item = answer.body["value"][0]
                assert item["successful"], item
                return node, str(item["messageId"])
            assert answer.status in (0, 503), answer
            if answer.status == 503:
                self.refused.append((answer.headers, answer.body))
            assert time.monotonic() < until, f"{answer} for {PATIENCE_SECONDS} s\n{node.output[-5000:]}"
            await asyncio.sleep(0.05)
            node = next(turns)


@dataclass(frozen=True)
class Posted:
    """What a request came to; status 0 for a connection that broke or was refused."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


async def post(session: aiohttp.ClientSession, node: Node, body: object) -> Posted:
    """Send a request of the first resource's."""
    raw = json.dumps(body).encode()
    key = base64.b64decode(node.connection_string.rpartition("accesskey=")[2])
    headers = sign("POST", TARGET, host=node.authority, body=raw, key=key, now=SystemClock().now())
    try:
        async with session.post(
            f"https://{node.authority}{TARGET}",
            data=raw,
            headers={**headers, "Content-Type": "application/json"},
            ssl=node.tls,
        ) as answer:
            return Posted(answer.status, dict(answer.headers), await answer.json())
    except aiohttp.ClientError:
        return Posted(0)


@dataclass(frozen=True)
class Outcome:
    """What became of a load, by the carrier's own journal."""

    accepted: int
    lost: int
    """Messages of which a part never reached the carrier."""
    duplicates: int
    """Parts that reached it more than once, each time beyond the first."""
    unmarked: int
    """Messages with such a part whose timeline does not say so."""
    foreign: int
    """Parts that reached it and that nobody was told were accepted."""
    states: Counter[str]


def outcome_of(load: Load, *, seconds: float = 120.0) -> Outcome:
    """Wait until no message of a load is left to send, and compare with the carrier's journal."""
    states = _ended(load.node, load.accepted.values(), seconds)
    taken = Counter(
        entry.digest
        for entry in read(load.node.journal)
        if entry.kind == "submit" and entry.destination == RECIPIENT[1:]
    )
    parts = {text: [digest_of(body) for body in encoded(text).bodies] for text in load.accepted}
    again = [text for text, digests in parts.items() if any(taken[digest] > 1 for digest in digests)]
    known = {digest for digests in parts.values() for digest in digests}
    return Outcome(
        accepted=len(load.accepted),
        lost=sum(any(not taken[digest] for digest in digests) for digests in parts.values()),
        duplicates=sum(taken[digest] - 1 for digest in known if taken[digest]),
        unmarked=sum(not _marked(load.node, load.accepted[text]) for text in again),
        foreign=sum(count for digest, count in taken.items() if digest not in known),
        states=Counter(states.values()),
    )


def _marked(node: Node, message_id: str) -> bool:
    return "part.sent-again" in [entry["kind"] for entry in node.message(message_id)["timeline"]]


def _ended(node: Node, identifiers: Iterable[str], seconds: float) -> dict[str, str]:
    """Return every message's state once none is left to send."""
    wanted = set(identifiers)
    until = time.monotonic() + seconds
    while True:
        found = node.messages()
        states = {one["messageId"]: one["state"] for one in found if one["messageId"] in wanted}
        if len(states) == len(wanted) and all(state in SENT for state in states.values()):
            return states
        assert time.monotonic() < until, Counter(states.values())
        time.sleep(0.1)
