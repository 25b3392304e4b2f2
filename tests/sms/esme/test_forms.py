"""What customers send besides plain texts: flash, octets, ports, data_sm. It leaves as they wrote it."""

from pathlib import Path
from typing import Any

import pytest

from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.pdu import DataSm, DataSmResp, DeliverSm
from telephony.kernel.clock import SystemClock
from telephony.kernel.store import Store
from tests.support.esme import bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit
from tests.support.sms import NUMBER, PEER, plane

pytestmark = pytest.mark.wire

UDHI = int(EsmClass.UDHI)
PORTS = bytes.fromhex("060504158a0000")
"""A header with the port of ringtones, 5514."""
PART = bytes.fromhex("0b0504158a00000003070201")
"""The same, and the first of two parts."""


def visit(at: Desk) -> Any:
    return bound(at.port, SYSTEM_ID, PASSWORD)


OCTETS = b"\x00\xff\x01"
WITH_PORTS = {"short_message": PORTS + OCTETS, "data_coding": 4, "esm_class": UDHI}
TEXT_WITH_PORTS = {"short_message": PORTS + b"a\0b\0", "data_coding": 8, "esm_class": UDHI}
A_PART = {"short_message": PART + OCTETS, "data_coding": 4, "esm_class": UDHI}
TO_THE_DISPLAY = ((int(Tag.DEST_ADDR_SUBUNIT), b"\x01"),)


FORMS: list[tuple[dict[str, Any], int, bytes, dict[str, str | int] | None]] = [
    ({"data_coding": 0x10}, 0x10, b"Hello", None),
    ({"data_coding": 0xF0}, 0x10, b"Hello", None),
    ({"tlvs": TO_THE_DISPLAY}, 0x10, b"Hello", None),
    ({"short_message": b"\x04\x10", "data_coding": 0x18}, 0x18, b"\x04\x10", None),
    ({"short_message": OCTETS, "data_coding": 4}, 4, OCTETS, None),
    ({"short_message": OCTETS, "data_coding": 0xF5}, 0xF5, OCTETS, None),
    (WITH_PORTS, 4, OCTETS, {"header": PORTS.hex()}),
    (A_PART, 4, OCTETS, {"header": PORTS.hex()}),
    (TEXT_WITH_PORTS, 8, b"a\0b\0", {"header": PORTS.hex()}),
    ({"protocol_id": 0x41}, 0, b"Hello", {"protocol_id": 0x41}),
]
"""What is asked for; data_coding, octets and other fields that leave."""


async def test_it_leaves_as_it_came(sqlite_store: Store, tmp_path: Path) -> None:
    allowed = SmsSettings(protocol_ids=(0x41,))
    on = await plane(sqlite_store, clock=SystemClock(), settings=allowed)
    async with desk(sqlite_store, on=on, journal=tmp_path / "journal") as at:
        await at.account()
        async with visit(at) as esme:
            assert (await esme.submit(submit(protocol_id=0x40)))[0] == CommandStatus.ESME_RSUBMITFAIL
            for fields, *_ in FORMS:  # one after the other, so that they leave in order
                assert (await esme.submit(submit(**fields)))[0] == 0
                assert b"stat:DELIVRD" in (await esme.delivery()).short_message
        left = at.submits()
        assert len(left) == len(FORMS)
        for entry, (fields, data_coding, octets, asked) in zip(left, FORMS, strict=True):
            assert (entry.data_coding, bytes.fromhex(entry.head), entry.asked) == (data_coding, octets, asked)
            tied = fields is A_PART
            assert (entry.reference, entry.number, entry.total) == ((7, 1, 2) if tied else (None, 1, 1))


TOO_MUCH: list[dict[str, Any]] = [
    {"short_message": b"", "data_coding": 4},
    {"short_message": PORTS, "data_coding": 4, "esm_class": UDHI},
    {
        "short_message": bytes(141),
        "data_coding": 4,
        "tlvs": ((0x020C, b"\0\7"), (0x020E, b"\2"), (0x020F, b"\1")),  # the first of two parts
    },
    {"short_message": PART + bytes(129), "data_coding": 4, "esm_class": UDHI},
]


async def test_octets_that_do_not_fit_are_refused(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            for fields in TOO_MUCH:
                assert await esme.submit(submit(**fields)) == (CommandStatus.ESME_RINVMSGLEN, "")


async def test_octets_without_a_header_are_cut_like_texts(sqlite_store: Store, tmp_path: Path) -> None:
    async with desk(sqlite_store, journal=tmp_path / "journal") as at:
        await at.account()
        octets = bytes(range(256)) * 2
        payload = ((int(Tag.MESSAGE_PAYLOAD), octets),)
        async with visit(at) as esme:
            status, _ = await esme.submit(submit(b"", data_coding=4, tlvs=payload))
            assert status == 0
            assert b"stat:DELIVRD" in (await esme.delivery()).short_message
        assert [(one.number, one.total) for one in at.submits()] == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_data_sm_is_answered_by_its_own_response_and_gets_its_receipt(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            pdu = DataSm(
                source_addr_ton=1,
                source_addr=NUMBER[1:],
                dest_addr_ton=1,
                destination_addr=PEER[1:],
                registered_delivery=1,
                data_coding=8,
                tlvs=((int(Tag.MESSAGE_PAYLOAD), "Привет".encode("utf-16-be")),),
            )
            sequence = esme.send(pdu)
            frame = await esme.next()
            assert (frame.sequence, frame.status) == (sequence, 0)
            assert isinstance(frame.pdu, DataSmResp)
            receipt = await esme.delivery()
            assert receipt.short_message.startswith(b"id:" + frame.pdu.message_id.encode())
            esme.send(DataSm(source_addr=NUMBER[1:], destination_addr="12"), 9)
            frame = await esme.next()
            assert (type(frame.pdu), frame.status) == (DataSmResp, CommandStatus.ESME_RINVDSTADR)
        (one,) = await at.sent()
        assert (await at.view(one)).text == "Привет"


async def test_octets_from_a_handset_reach_the_accounts_as_they_are(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account(inbound=True)
        await at.account("their-smsc", kind="carrier", carrier="carrier")
        async with visit(at) as esme, bound(at.port, "their-smsc", PASSWORD) as carrier:
            carrier.send(
                DeliverSm(
                    source_addr_ton=1,
                    source_addr=PEER[1:],
                    dest_addr_ton=1,
                    destination_addr=NUMBER[1:],
                    esm_class=UDHI,
                    data_coding=4,
                    short_message=PORTS + b"\x00\xff\x01",
                )
            )
            pdu = await esme.delivery()
            assert (pdu.esm_class, pdu.data_coding) == (UDHI, 4)
            assert pdu.short_message == PORTS + b"\x00\xff\x01"
