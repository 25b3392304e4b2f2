"""Kannel as a customer of a node: application, Kannel, our SMPP server, our link, the carrier, and back."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.kannel import Kannel, calls_of
from tests.support.node import Node, free_ports
from tests.support.receiver import Receiver

pytestmark = pytest.mark.peer

TEMPLATE = Path(__file__).with_name("kannel.conf")
SYSTEM_ID = "kannel"


class Chain:
    """A node, Kannel bound to its SMPP server, and an endpoint for what Kannel tells."""

    def __init__(self, node: Node, kannel: Kannel, sink: Receiver) -> None:
        self.node, self.kannel, self.sink = node, kannel, sink

    async def send(self, destination: str, text: str, **fields: str) -> None:
        """Send a text through Kannel and ask for a callback at its end."""
        callback = f"http://127.0.0.1:{self.sink.port}/receipt?state=%d&to=%p&reason=%A"
        asked = {"source": self.node.number, "destination": destination, "text": text, "dlr_url": callback}
        answer = await asyncio.to_thread(lambda: self.kannel.send(**asked, **fields))
        assert answer.startswith("0: Accepted"), answer

    async def told(self, kind: str, count: int = 1) -> list[dict[str, str]]:
        """Wait for Kannel's calls of a kind, and return the fields of each."""
        return await calls_of(self.sink, kind, count)

    async def handset_sends(self, text: str) -> None:
        """Let somebody send a text to the node's number."""
        body = {"from": "+12065550199", "to": self.node.number, "text": text}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.node.control_port}/inbound",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    (port,) = free_ports(1)
    node = Node(tmp_path / "node", "smpp_server.enabled=true", f"smpp_server.port={port}")
    try:
        await asyncio.to_thread(node.start)
        made = await asyncio.to_thread(
            node.admin,
            f"/admin/resources/{await asyncio.to_thread(node.resource)}/smppAccounts",
            "POST",
            {"systemId": SYSTEM_ID, "addresses": ["127.0.0.1"], "inbound": True},
        )
        async with Receiver() as sink:
            kannel = Kannel(
                TEMPLATE,
                tmp_path / "kannel",
                smsc_port=port,
                system_id=SYSTEM_ID,
                password=made["password"],
                sink_port=sink.port,
            )
            try:
                await asyncio.to_thread(kannel.start)
                yield Chain(node, kannel, sink)
            finally:
                await asyncio.to_thread(kannel.stop)
    finally:
        await asyncio.to_thread(node.stop)


async def test_a_text_goes_through_both_gateways_and_its_receipt_and_an_answer_come_back(
    chain: Chain,
) -> None:
    text = ("Grüße über zwei Gateways, in mehreren Teilen: Ωμέγα. " * 4).strip()
    await chain.send("+12065550100", "short")
    await chain.send("+12065550101", "nobody is there")
    await chain.send("+12065551234", text, coding="2", charset="UTF-8")
    receipts = {each["to"]: each["state"] for each in await chain.told("receipt", 3)}
    assert receipts == {"+12065550100": "1", "+12065550101": "2", "+12065551234": "1"}
    await chain.handset_sends("Hello Kannel, €")
    (inbound,) = await chain.told("mo")
    assert (inbound["from"], inbound["to"]) == ("+12065550199", chain.node.number)
    assert inbound["text"] == "Hello Kannel, €"
    messages = await asyncio.to_thread(chain.node.messages)
    ours = [one for one in messages if one["to"] == "+12065550100" and one["from"] == chain.node.number]
    view = await asyncio.to_thread(chain.node.message, ours[0]["messageId"])
    assert view["timeline"][0]["source"] == f"smpp:{SYSTEM_ID}"
    assert view["message"]["state"] == "delivered"
