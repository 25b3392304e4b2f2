"""Receipts as SMPP 3.4 appendix B spells them, and what handsets send."""

import pytest

from carriers.simulated.deliveries import from_handset, payload_of, receipt, wants_receipt
from carriers.simulated.outcomes import End
from sms.smpp.constants import Tag
from sms.smpp.pdu import DeliverSm, SubmitSm
from sms.text import segment
from telephony.kernel.clock import MINUTE
from tests.support.clock import START

pytestmark = pytest.mark.unit

SUBMITTED = SubmitSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="14255550123",
    dest_addr_ton=2,
    dest_addr_npi=8,
    destination_addr="12065550100",
    registered_delivery=1,
    short_message=b"Hello, how are you today?",
)


def test_a_receipt_has_the_text_and_the_parameters_of_appendix_b() -> None:
    delivery = receipt(SUBMITTED, "1f3", End.DELIVERED, START, START + MINUTE)
    assert delivery.pdu == DeliverSm(
        source_addr_ton=2,
        source_addr_npi=8,
        source_addr="12065550100",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="14255550123",
        esm_class=0x04,
        short_message=b"id:1f3 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
        b"stat:DELIVRD err:000 text:Hello, how are you t",
        tlvs=((Tag.RECEIPTED_MESSAGE_ID, b"1f3\0"), (Tag.MESSAGE_STATE, b"\x02")),
    )
    assert (delivery.kind, delivery.message_id, delivery.note) == ("receipt", "1f3", "DELIVRD")


@pytest.mark.parametrize(
    ("end", "words", "state"),
    [
        (End.UNDELIVERABLE, b"dlvrd:000", 5),
        (End.EXPIRED, b"stat:EXPIRED", 3),
        (End.REJECTED, b"stat:REJECTD err:008", 8),
    ],
)
def test_a_failure_is_told_in_both_forms(end: End, words: bytes, state: int) -> None:
    pdu = receipt(SUBMITTED, "1", end, START, START).pdu
    assert words in pdu.short_message
    assert (Tag.MESSAGE_STATE, bytes((state,))) in pdu.tlvs


def test_a_receipt_repeats_neither_a_header_nor_another_alphabet() -> None:
    part = segment("a" * 161, 1)[0]
    concatenated = SubmitSm(esm_class=0x40, short_message=part.payload)
    assert receipt(concatenated, "1", End.DELIVERED, 0, 0).pdu.short_message.endswith(b"text:" + b"a" * 20)
    cyrillic = SubmitSm(data_coding=8, short_message=b"\x04\x16")
    assert receipt(cyrillic, "1", End.DELIVERED, 0, 0).pdu.short_message.endswith(b"text:")


@pytest.mark.parametrize(
    ("registered_delivery", "delivered", "failed"),
    [
        (0, False, False),
        (1, True, True),
        (2, False, True),
        (3, False, False),
        (0x11, True, True),
        (0x1C, False, False),
    ],
)
def test_a_receipt_comes_when_it_was_asked_for(
    registered_delivery: int, delivered: bool, failed: bool
) -> None:
    assert wants_receipt(registered_delivery, End.DELIVERED) is delivered
    assert wants_receipt(registered_delivery, End.EXPIRED) is failed


def test_the_payload_is_found_in_either_place() -> None:
    assert payload_of(SubmitSm(short_message=b"a", tlvs=((Tag.MESSAGE_PAYLOAD, b"b"),))) == b"a"
    assert payload_of(SubmitSm(tlvs=((Tag.SAR_TOTAL_SEGMENTS, b"\x01"), (Tag.MESSAGE_PAYLOAD, b"b")))) == b"b"
    assert payload_of(SubmitSm(tlvs=((Tag.SAR_TOTAL_SEGMENTS, b"\x01"),))) == b""


def test_a_part_from_a_handset_is_marked_as_one() -> None:
    first = from_handset(segment("я" * 71, 5)[0], (1, 1, "1"), (1, 1, "2")).pdu
    assert (first.esm_class, first.data_coding, first.source_addr, first.destination_addr) == (
        0x40,
        8,
        "1",
        "2",
    )
    whole = from_handset(segment("hi", 5)[0], (1, 1, "1"), (1, 1, "2")).pdu
    assert (whole.esm_class, whole.data_coding, whole.short_message) == (0, 0, b"hi")
