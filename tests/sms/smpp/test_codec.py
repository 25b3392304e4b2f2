"""The codec: what goes in comes out, what does not fit is refused, nothing is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sms.smpp.codec import HEADER, MAX_PDU, decode, encode
from sms.smpp.constants import CommandId, CommandStatus, Tag, status_text
from sms.smpp.decoder import table_pdu
from sms.smpp.encoder import table_body
from sms.smpp.errors import FieldError, FramingError, PduError
from sms.smpp.layout import LAYOUTS, RESPONSES, Body, Field, Kind
from sms.smpp.pdu import (
    BindTransceiver,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    Outbind,
    Pdu,
    SubmitSm,
    SubmitSmResp,
    tlv,
)
from tests.support.smpp import SAMPLES, SUBMIT, any_pdu, may_say_error

pytestmark = pytest.mark.unit

TEXTS = [
    pytest.param(layout.kind, field, id=f"{layout.kind.__name__}-{field.name}")
    for layout in LAYOUTS.values()
    for field in layout.fields
    if field.kind in (Kind.TEXT, Kind.TIME)
]


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_every_pdu_comes_back_as_it_went(sample: Pdu) -> None:
    frame = decode(encode(sample, 0x7FFFFFFF))
    assert (frame.pdu, frame.sequence, frame.status) == (sample, 0x7FFFFFFF, 0)
    assert type(frame.pdu) is type(sample)


def test_there_is_a_sample_of_every_pdu() -> None:
    assert {sample.command_id for sample in SAMPLES.values()} == set(LAYOUTS)
    assert set(CommandId) - set(LAYOUTS) == {CommandId.SUBMIT_MULTI}


@given(any_pdu(), st.integers(0, 0xFFFFFFFF))
@settings(max_examples=300, deadline=None)
def test_any_pdu_comes_back_as_it_went(sample: Pdu, sequence: int) -> None:
    frame = decode(encode(sample, sequence))
    assert (frame.pdu, frame.sequence) == (sample, sequence)


@given(any_pdu())
@settings(max_examples=200, deadline=None)
def test_the_quick_way_and_the_table_agree(sample: Pdu) -> None:
    octets = encode(sample, 7)
    assert octets[HEADER:] == table_body(sample)
    assert table_pdu(octets, sample.command_id, 0, 7) == sample


def test_octets_memoryviews_and_bytearrays_are_all_taken() -> None:
    octets = encode(SUBMIT, 1)
    assert decode(bytearray(octets)) == decode(memoryview(octets)) == decode(octets)


def test_an_error_without_an_id_goes_without_a_body_and_one_with_an_id_keeps_it() -> None:
    assert len(encode(SubmitSmResp(), 1, CommandStatus.ESME_RTHROTTLED)) == HEADER
    octets = encode(SubmitSmResp("kept"), 1, CommandStatus.ESME_RTHROTTLED)
    assert decode(octets).pdu == SubmitSmResp("kept")


@pytest.mark.parametrize("sample", [s for s in SAMPLES.values() if may_say_error(s)], ids=str)
def test_a_response_that_says_an_error_may_come_without_its_body(sample: Pdu) -> None:
    empty = type(sample)()
    frame = decode(encode(empty, 5, CommandStatus.ESME_RSYSERR))
    assert (frame.pdu, frame.status) == (empty, CommandStatus.ESME_RSYSERR)


def test_a_success_without_its_body_is_refused_but_for_deliver_sm_resp() -> None:
    header = bytes.fromhex("00000010 80000004 00000000 00000001")
    with pytest.raises(PduError) as caught:
        decode(header)
    assert caught.value.command_status == CommandStatus.ESME_RINVCMDLEN
    assert decode(bytes.fromhex("00000010 80000005 00000000 00000001")).pdu == DeliverSmResp()
    assert LAYOUTS[CommandId.DELIVER_SM_RESP].body is Body.MAY_BE_EMPTY


@pytest.mark.parametrize(("kind", "field"), TEXTS)
def test_a_text_that_is_too_long_is_refused_and_never_cut(kind: type[Pdu], field: Field) -> None:
    longest = replace(kind(), **{field.name: "9" * field.ceiling})
    octets = encode(longest, 1)
    assert decode(octets).pdu == longest
    with pytest.raises(FieldError) as ours:
        encode(replace(kind(), **{field.name: "9" * (field.ceiling + 1)}), 1)
    assert ours.value.target == field.name
    assert ours.value.command_status == field.status
    body = octets[HEADER:].replace(b"9" * field.ceiling, b"9" * (field.ceiling + 1))
    too_long = (HEADER + len(body)).to_bytes(4, "big") + octets[4:HEADER] + body
    with pytest.raises(PduError) as theirs:
        decode(too_long + b"")
    assert theirs.value.command_status == field.status
    assert theirs.value.sequence == 1


@pytest.mark.parametrize(("kind", "field"), TEXTS)
def test_a_nul_or_a_character_outside_latin_1_is_refused(kind: type[Pdu], field: Field) -> None:
    rest = "9" * (field.ceiling - 1)
    for bad in ("\0", "€"):
        with pytest.raises(FieldError, match=field.name):
            encode(replace(kind(), **{field.name: bad + rest}), 1)


def test_a_destination_of_21_digits_is_an_error_both_ways() -> None:
    digits = "123456789012345678901"
    with pytest.raises(FieldError) as ours:
        encode(replace(SUBMIT, destination_addr=digits), 1)
    assert ours.value.command_status == CommandStatus.ESME_RINVDSTADR
    octets = encode(replace(SUBMIT, destination_addr=digits[:20]), 1).replace(
        digits[:20].encode(), digits.encode()
    )
    with pytest.raises(PduError) as theirs:
        decode(len(octets).to_bytes(4, "big") + octets[4:])
    assert theirs.value.command_status == CommandStatus.ESME_RINVDSTADR


@pytest.mark.parametrize("length", [0, 1, 254])
def test_short_message_has_0_to_254_octets(length: int) -> None:
    sample = replace(SUBMIT, short_message=b"x" * length)
    assert decode(encode(sample, 1)).pdu == sample


def test_a_short_message_of_255_octets_is_refused() -> None:
    with pytest.raises(FieldError) as caught:
        encode(replace(SUBMIT, short_message=b"x" * 255), 1)
    assert caught.value.command_status == CommandStatus.ESME_RINVMSGLEN


@pytest.mark.parametrize("value", [-1, 256, 1 << 40])
def test_an_integer_that_is_no_octet_is_refused(value: int) -> None:
    with pytest.raises(FieldError, match="data_coding"):
        encode(replace(SUBMIT, data_coding=value), 1)


@pytest.mark.parametrize(
    "tlvs",
    [
        ((Tag.MESSAGE_STATE, b"\x02\x02"),),
        ((Tag.SAR_MSG_REF_NUM, b"\x02"),),
        ((0x10000, b""),),
        ((-1, b""),),
        ((0x1400, b"x" * 0x10000),),
    ],
)
def test_an_optional_parameter_that_cannot_be_is_refused(tlvs: tuple[tuple[int, bytes], ...]) -> None:
    with pytest.raises(FieldError) as caught:
        encode(replace(SUBMIT, tlvs=tlvs), 1)
    assert caught.value.command_status == CommandStatus.ESME_RINVPARLEN


def test_a_pdu_may_have_64_kilobytes_and_not_one_octet_more() -> None:
    room = MAX_PDU - len(encode(SUBMIT, 1)) - 4
    whole = replace(SUBMIT, tlvs=((Tag.MESSAGE_PAYLOAD, b"x" * room),))
    octets = encode(whole, 1)
    assert len(octets) == MAX_PDU
    assert decode(octets).pdu == whole
    with pytest.raises(FieldError) as caught:
        encode(replace(SUBMIT, tlvs=((Tag.MESSAGE_PAYLOAD, b"x" * (room + 1)),)), 1)
    assert caught.value.command_status == CommandStatus.ESME_RINVCMDLEN
    with pytest.raises(FramingError):
        decode((MAX_PDU + 1).to_bytes(4, "big") + octets[4:] + b"x")


@pytest.mark.parametrize(("sequence", "status"), [(-1, 0), (1 << 32, 0), (1, -1), (1, 1 << 32)])
def test_a_header_field_beyond_32_bits_is_refused(sequence: int, status: int) -> None:
    with pytest.raises(FieldError):
        encode(EnquireLink(), sequence, status)


def test_optional_parameters_keep_order_duplicates_and_unknown_tags() -> None:
    tlvs = ((0x1501, b"a"), (Tag.MESSAGE_STATE, b"\x02"), (0x1501, b"b"), (0xFFFF, b""))
    frame = decode(encode(DeliverSm(tlvs=tlvs), 1))
    assert isinstance(frame.pdu, DeliverSm)
    assert frame.pdu.tlvs == tlvs
    assert tlv(frame.pdu.tlvs, 0x1501) == b"a"
    assert tlv(frame.pdu.tlvs, 0x1502) is None


def test_a_password_is_not_printed() -> None:
    assert "secret" not in repr(BindTransceiver("tandem", "secret08"))
    assert "secret" not in repr(Outbind("tandem", "secret08"))


def test_a_status_is_told_in_words() -> None:
    assert status_text(0x58) == "ESME_RTHROTTLED (throttled: more than the allowed rate)"
    assert status_text(0x411) == "0x00000411 (the peer's own)"


def test_every_request_but_two_has_a_response() -> None:
    requests = {command for command in CommandId if not command & 0x80000000}
    assert requests - set(RESPONSES) == {CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION}


def test_a_submit_sm_with_defaults_is_the_shortest() -> None:
    assert len(encode(SubmitSm(), 1)) == HEADER + 17
