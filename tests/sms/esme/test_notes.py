"""What accounts are told, as it is kept and as it is sent."""

import pytest

from sms.esme.account import AccountSettings
from sms.esme.notes import (
    Note,
    ReceiptNote,
    TextNote,
    decode_note,
    deliver_sm,
    encode_note,
    text_notes,
    wants_receipt,
)
from sms.receipts import read_receipt
from sms.states import MessageState
from sms.text import decode
from tests.support.clock import START
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.unit

ID = bytes(range(16))
ENDS = (
    MessageState.DELIVERED,
    MessageState.FAILED,
    MessageState.EXPIRED,
    MessageState.UNREPORTED,
    MessageState.CANCELLED,
)


def receipt(state: MessageState, error: str = "") -> ReceiptNote:
    return ReceiptNote(ID, NUMBER, PEER, state.value, error, START, START + 60_000_000)


@pytest.mark.parametrize(
    "note", [receipt(MessageState.FAILED, "001"), TextNote(NUMBER, PEER, 8, True, b"\0\xff")]
)
def test_a_note_is_kept_whole(note: Note) -> None:
    assert decode_note(encode_note(note)) == note


@pytest.mark.parametrize("state", ENDS)
def test_every_end_has_a_receipt_that_can_be_read(state: MessageState) -> None:
    pdu = deliver_sm(receipt(state), AccountSettings())
    by_text = read_receipt(deliver_sm(receipt(state), AccountSettings(receipt_tlvs=False)), pdu.short_message)
    by_tlvs = read_receipt(deliver_sm(receipt(state), AccountSettings(receipt_text=False)), b"")
    assert by_text is not None
    assert by_tlvs is not None
    assert (by_text.remote_id, by_text.state) == (by_tlvs.remote_id, by_tlvs.state)
    assert (by_text.state == "delivered") is (state is MessageState.DELIVERED)


def test_a_receipt_stands_as_appendix_b_has_it() -> None:
    pdu = deliver_sm(receipt(MessageState.FAILED, "001"), AccountSettings(ids="hex"))
    assert pdu.short_message == (
        b"id:000102030405060708090a0b0c0d0e0f sub:001 dlvrd:000 submit date:2601010000 done date:2601010001 "
        b"stat:UNDELIV err:001 text:"
    )
    assert (pdu.esm_class, pdu.source_addr, pdu.destination_addr) == (0x04, PEER[1:], NUMBER[1:])


@pytest.mark.parametrize(
    ("asked", "delivered", "failed"), [(0, False, False), (1, True, True), (2, False, True)]
)
def test_receipts_are_for_those_who_asked(asked: int, delivered: bool, failed: bool) -> None:
    assert wants_receipt(asked, MessageState.DELIVERED) is delivered
    assert wants_receipt(asked, MessageState.FAILED) is failed


def test_a_long_text_comes_in_parts_that_join() -> None:
    text = "Grüße 🎉 " * 30
    notes = text_notes(text, NUMBER, PEER, 7)
    pdus = [deliver_sm(note, AccountSettings()) for note in notes]
    parts = [decode(pdu.short_message, pdu.data_coding, True) for pdu in pdus]
    assert len(parts) > 1
    assert all(part.concat is not None and part.concat.total == len(parts) for part in parts)
    assert b"".join(part.body for part in parts).decode("utf-16-be") == text
