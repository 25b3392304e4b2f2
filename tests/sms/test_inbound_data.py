"""Inbound messages that are no text, or have more in their header than long texts need."""

import base64
import json
from typing import Any

import pytest

from sms.esme.notes import TextNote, text_notes
from sms.message import from_wire_id
from sms.smpp.pdu import DeliverSm
from sms.store.inbound import SweepParts
from sms.store.queries import MessageView, Search
from sms.text import Envelope
from telephony.kernel.clock import DAY
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import FakeLink, Plane, Subscribers, Wanting, plane, text

pytestmark = pytest.mark.wire

PORTS = bytes.fromhex("0605040b8423f0")
OCTETS = bytes(range(256))


@pytest.fixture
async def on(store: Store) -> Plane:
    return await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))


async def deliver(on: Plane, *pdus: DeliverSm) -> None:
    link, inlet = FakeLink(), on.inlet()
    for sequence, pdu in enumerate(pdus):
        inlet.delivered(link, pdu, sequence)
    await inlet.flush()
    assert [status for _, status in link.answers] == [0] * len(pdus)


def events(on: Plane) -> list[dict[str, Any]]:
    """Return the data of every event made."""
    return [json.loads(delivery.payload)[0]["data"] for delivery in on.deliveries]


def octets_of(event: dict[str, Any]) -> bytes:
    assert event["message"] == ""
    return base64.b64decode(event["tandem"]["data"])


async def view(on: Plane) -> MessageView:
    (found,) = await on.store.read(Search(resource=on.resource, direction="inbound"))
    identifier = from_wire_id(found.message_id)
    assert identifier is not None
    return await on.view(identifier)


def part(number: int, total: int, body: bytes, header: bytes = PORTS[1:], **fields: Any) -> DeliverSm:
    elements = bytes((0, 3, 7, total, number)) + header
    return text(bytes((len(elements),)) + elements + body, esm_class=0x40, **({"data_coding": 4} | fields))


@pytest.mark.parametrize("data_coding", [4, 2, 0x14, 0xF5, 0xF6, 9])
async def test_octets_reach_the_application_whole_whatever_says_that_they_are_octets(
    on: Plane, data_coding: int
) -> None:
    await deliver(on, text(OCTETS[:140], data_coding=data_coding))
    (event,) = events(on)
    assert octets_of(event) == OCTETS[:140]
    assert event["tandem"] == {
        "data": base64.b64encode(OCTETS[:140]).decode(),
        "dataCoding": data_coding,
    }
    assert (await view(on)).text == OCTETS[:140].hex()


async def test_ports_protocol_and_header_come_with_them(on: Plane) -> None:
    await deliver(on, text(PORTS + b"\x01", esm_class=0x40, data_coding=0xF5, protocol_id=0x3F))
    (event,) = events(on)
    assert event["tandem"] == {
        "data": "AQ==",
        "udh": base64.b64encode(PORTS).decode(),
        "ports": {"destination": 2948, "source": 9200},
        "dataCoding": 0xF5,
        "protocolId": 0x3F,
    }
    told = (await view(on)).message.tandem
    assert told is not None
    assert (told.udh, told.data) == (PORTS, None)  # the octets are the text there


async def test_a_text_to_a_port_keeps_its_ports(on: Plane) -> None:
    await deliver(on, text(PORTS + b"Hello", esm_class=0x40))
    (event,) = events(on)
    assert event["message"] == "Hello"
    assert event["tandem"]["ports"] == {"destination": 2948, "source": 9200}
    assert "data" not in event["tandem"]


async def test_a_mere_text_has_nothing_of_the_kind(on: Plane) -> None:
    await deliver(
        on,
        text(b"Hi"),
        text(bytes.fromhex("050003010101") + b"one of one", esm_class=0x40),
        text("Привет".encode("utf-16-be"), data_coding=8),
        part(1, 2, b"Hello ", b"", data_coding=0),
        part(2, 2, b"you", b"", data_coding=0),
    )
    assert [event["message"] for event in events(on)] == ["Hi", "one of one", "Привет", "Hello you"]
    assert all("tandem" not in event for event in events(on))


async def test_long_octets_are_joined_in_order_across_a_restart(on: Plane) -> None:
    await deliver(on, part(2, 2, OCTETS[128:]))
    assert events(on) == []
    await deliver(on, part(1, 2, OCTETS[:128]))  # another inlet: nothing is kept in memory
    (event,) = events(on)
    assert octets_of(event) == OCTETS
    assert event["segmentCount"] == 2
    assert event["tandem"]["udh"] == base64.b64encode(PORTS).decode()
    assert event["tandem"]["ports"]["destination"] == 2948


async def test_a_text_with_octets_among_its_parts_loses_neither(on: Plane) -> None:
    await deliver(
        on,
        part(1, 3, b"Hello", b"", data_coding=0),
        part(3, 3, b"you", b"", data_coding=0),
        part(2, 3, b"\xff\x00", b"", data_coding=4),
    )
    (event,) = events(on)
    assert event["message"] == "Hello[…]you"
    assert event["tandem"] == {"data": base64.b64encode(b"Hello\xff\x00you").decode(), "dataCoding": 4}
    assert event["segmentCount"] == 3
    assert (await view(on)).text == b"Hello\xff\x00you".hex()


async def test_octets_that_did_not_all_come_say_which_parts_are_missing(on: Plane) -> None:
    await deliver(on, part(1, 4, b"\x01"), part(3, 4, b"\x03"))
    on.clock.advance(601)
    now = on.clock.now()
    job = SweepParts(on.finisher(), now, now + DAY, on.settings.reassembly)
    finisher, _ = await on.store.write(job)
    on.ended(finisher)
    (event,) = events(on)
    assert octets_of(event) == b"\x01\x03"
    assert event["tandem"]["missingParts"] == [2, 4]
    told = (await view(on)).message.tandem
    assert told is not None
    assert told.missing_parts == (2, 4)


async def test_a_header_that_is_not_well_formed_is_handed_on_as_it_came(on: Plane) -> None:
    await deliver(on, text(bytes.fromhex("03050401") + b"\x01\x02", esm_class=0x40, data_coding=4))
    (event,) = events(on)
    assert octets_of(event) == b"\x01\x02"
    assert base64.b64decode(event["tandem"]["udh"]) == bytes.fromhex("03050401")
    assert "ports" not in event["tandem"]


def test_an_smpp_account_gets_octets_as_octets() -> None:
    envelope = Envelope(header=PORTS, data_coding=0xF5)
    assert text_notes(b"\x01\x80", "+1", "+2", 7, envelope) == [
        TextNote("+1", "+2", 0xF5, True, PORTS + b"\x01\x80")
    ]
