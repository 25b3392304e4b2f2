"""Receipts as SMPP 3.4 appendix B spells them, and what handsets send."""

import pytest

from carriers.simulated.catalogue import PROFILES
from carriers.simulated.deliveries import (
    VENDOR,
    Delivery,
    ReceiptWriter,
    as_data_sm,
    concat_of,
    from_handset,
    payload_of,
    wants_receipt,
)
from carriers.simulated.outcomes import End
from sms.smpp.constants import Tag
from sms.smpp.pdu import DeliverSm, SubmitSm, tlv
from sms.text import Concat, sar, segment, udh
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


def receipt(
    submitted: SubmitSm, number: int, end: End, submitted_at: int, done_at: int, profile: str = "plain"
) -> Delivery:
    return ReceiptWriter(PROFILES[profile]).final(submitted, number, end, submitted_at, done_at)


def handset(text: str, profile: str = "plain", reference: int = 5) -> tuple[Delivery, ...]:
    parts = segment(text, reference & 0xFF)
    return from_handset(parts, (1, 1, "1"), (1, 1, "2"), "id", PROFILES[profile], reference)


def test_a_receipt_has_the_text_and_the_parameters_of_appendix_b() -> None:
    delivery = receipt(SUBMITTED, 0x1F3, End.DELIVERED, START, START + MINUTE)
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
    pdu = receipt(SUBMITTED, 1, end, START, START).pdu
    assert words in pdu.short_message
    assert (Tag.MESSAGE_STATE, bytes((state,))) in pdu.tlvs


def test_a_receipt_repeats_neither_a_header_nor_another_alphabet() -> None:
    part = segment("a" * 161, 1)[0]
    concatenated = SubmitSm(esm_class=0x40, short_message=part.payload)
    assert receipt(concatenated, 1, End.DELIVERED, 0, 0).pdu.short_message.endswith(b"text:" + b"a" * 20)
    cyrillic = SubmitSm(data_coding=8, short_message=b"\x04\x16")
    assert receipt(cyrillic, 1, End.DELIVERED, 0, 0).pdu.short_message.endswith(b"text:")


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
    first = handset("я" * 71)[0].pdu
    assert (first.esm_class, first.data_coding, first.source_addr, first.destination_addr) == (
        0x40,
        8,
        "1",
        "2",
    )
    whole = handset("hi")[0].pdu
    assert (whole.esm_class, whole.data_coding, whole.short_message) == (0, 0, b"hi")


@pytest.mark.parametrize(
    ("profile", "response", "in_text", "in_tlv"),
    [
        ("plain", "abc1", "abc1", "abc1"),
        ("receipt-ids-decimal", "abc1", "43969", "43969"),
        ("receipt-ids-hex", "43969", "abc1", "abc1"),
        ("receipt-ids-padded", "43969", "00000000000000043969", "00000000000000043969"),
        ("receipt-ids-stripped", "00000000000000043969", "43969", "43969"),
        ("receipt-ids-upper", "abc1", "ABC1", "ABC1"),
        ("receipt-ids-lower", "ABC1", "abc1", "abc1"),
        ("receipt-ids-hex-padded", "43969", "0000000000000000ABC1", "0000000000000000ABC1"),
        (
            "receipt-ids-decimal-padded",
            "0000000000000000abc1",
            "00000000000000043969",
            "00000000000000043969",
        ),
        ("receipt-ids-text-decimal", "abc1", "43969", "abc1"),
    ],
)
def test_an_id_is_spelled_as_the_profile_says(profile: str, response: str, in_text: str, in_tlv: str) -> None:
    delivery = receipt(SUBMITTED, 0xABC1, End.DELIVERED, START, START, profile)
    assert delivery.message_id == response
    assert delivery.pdu.short_message.startswith(b"id:" + in_text.encode() + b" sub:")
    assert tlv(delivery.pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == in_tlv.encode() + b"\0"


def test_a_receipt_has_text_parameters_and_type_as_the_profile_says() -> None:
    text_only = receipt(SUBMITTED, 1, End.DELIVERED, START, START, "receipt-text-only").pdu
    assert (text_only.tlvs, text_only.short_message[:4]) == ((), b"id:1")
    tlvs_only = receipt(SUBMITTED, 1, End.DELIVERED, START, START, "receipt-tlvs-only").pdu
    assert (len(tlvs_only.tlvs), tlvs_only.short_message) == (2, b"")
    payload = receipt(SUBMITTED, 1, End.DELIVERED, START, START, "receipt-in-payload").pdu
    assert payload.short_message == b""
    assert payload_of(payload) == text_only.short_message
    assert receipt(SUBMITTED, 1, End.DELIVERED, START, START, "receipt-unflagged").pdu.esm_class == 0
    vendor = receipt(SUBMITTED, 1, End.DELIVERED, START, START, "vendor-tlvs").pdu
    assert vendor.tlvs[2:] == VENDOR


def test_an_intermediate_notification_is_of_its_own_type() -> None:
    pdu = ReceiptWriter(PROFILES["plain"]).intermediate(SUBMITTED, 1, START).pdu
    assert (pdu.esm_class, tlv(pdu.tlvs, Tag.MESSAGE_STATE)) == (0x20, b"\x01")
    assert b"stat:ENROUTE" in pdu.short_message


def test_a_long_text_comes_in_the_form_of_the_profile() -> None:
    text = "a" * 200
    sar_parts = [delivery.pdu for delivery in handset(text, "texts-sar")]
    assert [sar.read(pdu.tlvs) for pdu in sar_parts] == [
        Concat(5, 2, 1, wide=True, sar=True),
        Concat(5, 2, 2, wide=True, sar=True),
    ]
    assert b"".join(pdu.short_message for pdu in sar_parts) == text.encode()
    assert {pdu.esm_class for pdu in sar_parts} == {0}
    wide = [delivery.pdu for delivery in handset(text, "texts-16-bit", reference=0x1234)]
    assert [udh.split(pdu.short_message)[0].concat for pdu in wide] == [
        Concat(0x1234, 2, 1, wide=True),
        Concat(0x1234, 2, 2, wide=True),
    ]
    [whole] = handset(text, "texts-payload")
    assert (payload_of(whole.pdu), whole.pdu.short_message) == (text.encode(), b"")


def test_parts_come_backwards_or_twice_where_the_profile_says_so() -> None:
    plain, reverse = handset("a" * 200), handset("a" * 200, "parts-reversed")
    assert [delivery.pdu for delivery in reverse] == [delivery.pdu for delivery in plain][::-1]
    first, second = handset("hi", "texts-twice")
    assert (first.pdu, first is second) == (second.pdu, False)


def test_a_part_is_known_by_header_or_parameters() -> None:
    part = segment("a" * 161, 9)[1]
    assert concat_of(SubmitSm(esm_class=0x40, short_message=part.payload)) == Concat(9, 2, 2)
    assert concat_of(SubmitSm(short_message=part.payload)) is None
    by_tlvs = SubmitSm(tlvs=sar.write(9, 2, 1))
    assert concat_of(by_tlvs) == Concat(9, 2, 1, wide=True, sar=True)


def test_data_sm_says_the_same_as_deliver_sm() -> None:
    pdu = receipt(SUBMITTED, 1, End.DELIVERED, START, START).pdu
    data = as_data_sm(pdu)
    assert (data.esm_class, data.source_addr, tlv(data.tlvs, Tag.MESSAGE_PAYLOAD)) == (
        4,
        pdu.source_addr,
        pdu.short_message,
    )
    assert as_data_sm(handset("hi", "texts-payload")[0].pdu).tlvs == ((Tag.MESSAGE_PAYLOAD, b"hi"),)
