"""Frames written by hand, octet by octet from SMPP 3.4, as files with a name."""

from pathlib import Path

import pytest

from sms.smpp import pdu
from sms.smpp.codec import decode, encode
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import FramingError, PduError
from sms.smpp.pdu import Frame

pytestmark = pytest.mark.wire

FOLDER = Path(__file__).parents[2] / "wire" / "smpp"

_FROM_TANDEM = (5, 0, "Tandem", 1, 1, "14255550123")
_TO_TANDEM = (1, 1, "14255550123", 1, 1, "14255550199")
_UDH = b"\x05\x00\x03\x07\x02\x01"
_RECEIPT = (
    b"id:0000001A sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 "
    b"stat:DELIVRD err:000 text:Hello"
)

GOOD = {
    "bind_transceiver": Frame(pdu.BindTransceiver("tandem", "secret08", "SMPP", 0x34, 1, 1), 1),
    "bind_transceiver_resp": Frame(pdu.BindTransceiverResp("smsc", ((0x0210, b"\x34"),)), 1),
    "bind_transceiver_resp_refused_without_body": Frame(pdu.BindTransceiverResp(), 1, 0x0E),
    "bind_receiver_3_3": Frame(pdu.BindReceiver("old", "pw", "", 0x33), 1),
    "outbind": Frame(pdu.Outbind("smsc", "secret08"), 1),
    "enquire_link": Frame(pdu.EnquireLink(), 7),
    "enquire_link_resp": Frame(pdu.EnquireLinkResp(), 7),
    "unbind": Frame(pdu.Unbind(), 9),
    "generic_nack_unknown_command": Frame(pdu.GenericNack(), 42, 0x03),
    "submit_sm_gsm": Frame(
        pdu.SubmitSm("", *_FROM_TANDEM, registered_delivery=1, short_message=b"Hello, world"), 2
    ),
    "submit_sm_ucs2_part_1_of_2": Frame(
        pdu.SubmitSm(
            *("", *_FROM_TANDEM, 0x40),
            data_coding=8,
            short_message=_UDH + "Grüße aus dem Tal 😀".encode("utf-16-be"),
        ),
        3,
    ),
    "submit_sm_scheduled_with_validity": Frame(
        pdu.SubmitSm(
            *("CMT", *_FROM_TANDEM, 0, 0, 1, "260101120000000+", "000001000000000R", 1),
            short_message=b"Hi",
        ),
        4,
    ),
    "submit_sm_message_payload": Frame(
        pdu.SubmitSm("", *_FROM_TANDEM, registered_delivery=1, tlvs=((0x0424, b"x" * 300),)), 5
    ),
    "submit_sm_resp": Frame(pdu.SubmitSmResp("0000001A"), 2),
    "submit_sm_resp_throttled_without_body": Frame(pdu.SubmitSmResp(), 3, 0x58),
    "submit_sm_resp_queue_full_with_empty_id": Frame(pdu.SubmitSmResp(), 3, 0x14),
    "deliver_sm_receipt_text_and_tlv": Frame(
        pdu.DeliverSm(
            *("", *_TO_TANDEM, 4),
            short_message=_RECEIPT,
            tlvs=((0x001E, b"0000001A\0"), (0x0427, b"\x02")),
        ),
        77,
    ),
    "deliver_sm_vendor_tlvs_twice": Frame(
        pdu.DeliverSm(
            *("", *_TO_TANDEM),
            short_message=b"Hi",
            tlvs=((0x1501, b"10"), (0x1501, b""), (0x1501, b"11")),
        ),
        78,
    ),
    "deliver_sm_resp_without_body": Frame(pdu.DeliverSmResp(), 77),
    "data_sm_receipt": Frame(pdu.DataSm("", *_TO_TANDEM, 4, tlvs=((0x001E, b"0000001A\0"),)), 79),
    "alert_notification": Frame(pdu.AlertNotification(*_TO_TANDEM, ((0x0422, b"\x00"),)), 80),
}

BROKEN = {
    "broken_unknown_command": (CommandStatus.ESME_RINVCMDID, 12),
    "broken_submit_multi": (CommandStatus.ESME_RINVCMDID, 13),
    "broken_destination_21_digits": (CommandStatus.ESME_RINVDSTADR, 14),
    "broken_source_unterminated": (CommandStatus.ESME_RINVCMDLEN, 15),
    "broken_sm_length_lies": (CommandStatus.ESME_RINVMSGLEN, 16),
    "broken_sm_length_255": (CommandStatus.ESME_RINVMSGLEN, 17),
    "broken_tlv_length_lies": (CommandStatus.ESME_RINVOPTPARSTREAM, 18),
    "broken_tlv_header_cut": (CommandStatus.ESME_RINVOPTPARSTREAM, 19),
    "broken_tlv_message_state_of_2": (CommandStatus.ESME_RINVPARLEN, 20),
    "broken_validity_of_15": (CommandStatus.ESME_RINVEXPIRY, 21),
    "broken_enquire_link_with_body": (CommandStatus.ESME_RINVCMDLEN, 22),
    "broken_bind_password_9": (CommandStatus.ESME_RINVPASWD, 23),
}

FRAMING = ["broken_length_5", "broken_length_70000", "broken_header_cut"]

_MAY_DIFFER = {"submit_sm_resp_queue_full_with_empty_id", "deliver_sm_resp_without_body"}
"""Two spellings of one thing: we write the other one."""


def test_every_file_is_expected_to_be_something() -> None:
    assert {path.stem for path in FOLDER.glob("*.bin")} == {*GOOD, *BROKEN, *FRAMING}


@pytest.mark.parametrize("name", GOOD)
def test_a_frame_from_the_wire_reads_as_it_should(name: str) -> None:
    assert decode((FOLDER / f"{name}.bin").read_bytes()) == GOOD[name]


@pytest.mark.parametrize("name", [name for name in GOOD if name not in _MAY_DIFFER])
def test_a_frame_is_written_as_it_stands_on_the_wire(name: str) -> None:
    frame = GOOD[name]
    assert encode(frame.pdu, frame.sequence, frame.status) == (FOLDER / f"{name}.bin").read_bytes()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_is_refused_with_its_status(name: str) -> None:
    with pytest.raises(PduError) as caught:
        decode((FOLDER / f"{name}.bin").read_bytes())
    assert not isinstance(caught.value, FramingError)
    assert (caught.value.command_status, caught.value.sequence) == BROKEN[name]


@pytest.mark.parametrize("name", FRAMING)
def test_a_frame_that_cannot_be_cut_out_ends_the_stream(name: str) -> None:
    with pytest.raises(FramingError):
        decode((FOLDER / f"{name}.bin").read_bytes())
