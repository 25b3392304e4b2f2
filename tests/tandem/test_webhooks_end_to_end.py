"""Events of a whole node, at endpoints that subscribed from the command line, in both forms."""

import asyncio
from pathlib import Path

import pytest

from telephony.events.signing import verify
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.node import node
from tests.support.receiver import Received, Receiver
from tests.tandem.test_node import command

pytestmark = pytest.mark.wire

ANSWERING, UNDELIVERABLE = "+12065550107", "+12065550101"


async def _wait_for(receiver: Receiver, count: int) -> list[Received]:
    async with asyncio.timeout(30):
        while len(receiver.notifications) < count:
            await asyncio.sleep(0.01)
    return receiver.notifications


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_a_report_and_an_inbound_message_reach_a_subscriber(tmp_path: Path, schema: str) -> None:
    async with Receiver() as receiver:
        with node(tmp_path / "var", f'outbound.allow=["127.0.0.1:{receiver.port}"]') as running:
            running.wait_for_output("Tandem is ready")
            said = await asyncio.to_thread(
                command, running, "subscription", "add", receiver.url, "--name", "mine", "--schema", schema
            )
            secret = Secret(said.split("secret:")[1].strip())
            for number in (ANSWERING, UNDELIVERABLE):
                await asyncio.to_thread(
                    command, running, "sms", "send", number, "-m", "Are you there?", "--tag", "asked"
                )
            events = await _wait_for(receiver, 3)
            own = running.number
            listed = await asyncio.to_thread(command, running, "subscription", "list")
    assert "mine" in listed
    assert "active" in listed
    for event in events:
        verify(secret, event.headers, event.body, now=SystemClock().now())
    shown = [event.json[0] if schema == "eventgrid" else event.json for event in events]
    by_type = {one["eventType" if schema == "eventgrid" else "type"].rpartition(".")[2]: one for one in shown}
    assert set(by_type) == {"SMSReceived", "SMSDeliveryReportReceived"}
    received = by_type["SMSReceived"]
    assert received["subject"] == f"/phonenumber/{own[1:]}"
    assert received["data"]["message"] == "echo: Are you there?"
    assert (received["data"]["from"], received["data"]["to"]) == (ANSWERING, own)
    reports = {one["data"]["to"]: one["data"] for one in shown if "deliveryStatus" in one["data"]}
    assert reports[ANSWERING]["deliveryStatus"] == "Delivered"
    assert reports[ANSWERING]["deliveryAttempts"][0]["segmentsSucceeded"] == 1
    assert reports[ANSWERING]["tag"] == "asked"
    assert reports[UNDELIVERABLE]["deliveryStatus"] == "Failed"
    assert "UNDELIV" in reports[UNDELIVERABLE]["deliveryStatusDetails"]


async def test_a_private_endpoint_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        with node(tmp_path / "var") as running:
            said = await asyncio.to_thread(
                lambda: command(running, "subscription", "add", receiver.url, "--name", "mine", status=1)
            )
    assert "outbound.allow" in said
    assert receiver.received == []
