"""Events of a whole node, at endpoints that subscribed from the command line, in both forms."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from azure.communication.phonenumbers import PhoneNumberCapabilities, PhoneNumbersClient
from azure.communication.sms import SmsClient

from telephony.events.signing import verify
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.azure_numbers import QUICK
from tests.support.node import Node, node
from tests.support.receiver import Received, Receiver
from tests.tandem.test_node import command

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

TEXTS = PhoneNumberCapabilities(calling="none", sms="inbound+outbound")
ANSWERING, UNDELIVERABLE = "+12065550107", "+12065550101"

Place = tuple[Node, dict[str, Receiver]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A node, and an endpoint for each form that it may call."""
    async with Receiver() as eventgrid, Receiver() as cloudevents:
        allowed = f'["127.0.0.1:{eventgrid.port}", "127.0.0.1:{cloudevents.port}"]'
        with node(tmp_path_factory.mktemp("node"), f"outbound.allow={allowed}") as running:
            await asyncio.to_thread(running.wait_for_output, "Tandem is ready")
            yield running, {"eventgrid": eventgrid, "cloudevents": cloudevents}


async def _wait_for(receiver: Receiver, count: int) -> list[Received]:
    async with asyncio.timeout(30):
        while len(receiver.notifications) < count:
            await asyncio.sleep(0.01)
    return receiver.notifications


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_a_report_and_an_inbound_message_reach_a_subscriber(place: Place, schema: str) -> None:
    running, receivers = place
    receiver = receivers[schema]
    said = await asyncio.to_thread(
        command, running, "subscription", "add", receiver.url, "--name", schema, "--schema", schema
    )
    secret = Secret(said.split("secret:")[1].strip())
    for number in (ANSWERING, UNDELIVERABLE):
        await asyncio.to_thread(
            command, running, "sms", "send", number, "-m", "Are you there?", "--tag", "asked"
        )
    events = await _wait_for(receiver, 3)
    own = running.number
    listed = await asyncio.to_thread(command, running, "subscription", "list")
    assert schema in listed
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


def _buy_and_send(running: Node) -> str:
    client = PhoneNumbersClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca)
    )
    found = client.begin_search_available_phone_numbers(
        "US", "geographic", "application", TEXTS, area_code="212", **QUICK
    ).result()
    client.begin_purchase_phone_numbers(found.search_id, **QUICK).result()
    (number,) = found.phone_numbers
    sms = SmsClient.from_connection_string(running.connection_string, connection_verify=str(running.ca))
    (sent,) = sms.send(from_=number, to=ANSWERING, message="Who is it?", enable_delivery_report=True)
    assert sent.successful
    return str(number)


async def test_a_number_that_was_just_bought_gets_its_report_and_its_answer(place: Place) -> None:
    running, receivers = place
    receiver = receivers["eventgrid"]
    await asyncio.to_thread(command, running, "subscription", "add", receiver.url, "--name", "bought")
    number = await asyncio.to_thread(_buy_and_send, running)
    async with asyncio.timeout(30):
        while len(found := _about(receiver, number)) < 2:
            await asyncio.sleep(0.01)
    assert found["SMSDeliveryReportReceived"]["deliveryStatus"] == "Delivered"
    assert found["SMSReceived"]["message"] == "echo: Who is it?"


def _about(receiver: Receiver, number: str) -> dict[str, Any]:
    """Return what was told of a number, by the kind of event."""
    told = [each.json[0] for each in receiver.notifications]
    return {
        one["eventType"].rpartition(".")[2]: one["data"]
        for one in told
        if number in (one["data"].get("from"), one["data"].get("to"))
    }


async def test_a_private_endpoint_is_refused_unless_it_is_allowed(place: Place) -> None:
    running, _ = place
    async with Receiver() as receiver:
        said = await asyncio.to_thread(
            lambda: command(running, "subscription", "add", receiver.url, "--name", "private", status=1)
        )
    assert "outbound.allow" in said
    assert receiver.received == []
