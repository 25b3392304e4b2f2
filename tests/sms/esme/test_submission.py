"""What a submit_sm asks for, without a socket."""

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from sms.esme.account import AccountSettings
from sms.esme.submission import Refused, Submission, read_submission, status_of
from sms.message import Outbound
from sms.outgoing import Outgoing, submit_sm
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.pdu import SubmitSm
from sms.text import Concat, decode
from sms.ways import NoRoute
from telephony.kernel.clock import HOUR
from telephony.kernel.errors import (
    InvalidRequest,
    LimitForbids,
    LimitReached,
    TandemError,
    Unauthorized,
    Unavailable,
)
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.clock import START
from tests.support.esmes import submit
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.unit

UDHI = int(EsmClass.UDHI)


def asked(body: bytes = b"Hello", account: AccountSettings | None = None, **fields: Any) -> Submission:
    return read_submission(submit(body, **fields), account or AccountSettings(), START)


def test_numbers_come_in_every_usual_form() -> None:
    assert (asked().sender, asked().to) == (NUMBER, PEER)
    plain = asked(dest_addr_ton=0, dest_addr_npi=0, destination_addr=f"00{PEER[1:]}")
    assert plain.to == PEER
    assert asked(source_addr_ton=5, source_addr="Tandem").sender == "Tandem"


def test_the_text_is_read_by_its_alphabet() -> None:
    assert asked("Grüße".encode("utf-16-be"), data_coding=8).body == "Grüße"
    assert asked(b"Gr\x7e\x1ee", data_coding=0).body == "Grüße"
    latin = AccountSettings(data_coding_default="latin1")
    assert asked("Grüße".encode("latin-1"), latin).body == "Grüße"


def test_a_long_text_may_stand_in_message_payload() -> None:
    long = b"x" * 400
    found = asked(b"", tlvs=((int(Tag.MESSAGE_PAYLOAD), long),))
    assert (found.body, found.concat) == ("x" * 400, None)


def test_parts_are_known_by_header_and_by_parameters() -> None:
    by_header = asked(b"\x05\x00\x03\x07\x02\x01Hi", esm_class=UDHI)
    assert (by_header.body, by_header.concat) == ("Hi", Concat(7, 2, 1))
    sar = ((int(Tag.SAR_MSG_REF_NUM), b"\x01\x2c"), (int(Tag.SAR_TOTAL_SEGMENTS), b"\2"))
    by_parameters = asked(b"Hi", tlvs=(*sar, (int(Tag.SAR_SEGMENT_SEQNUM), b"\2")))
    assert by_parameters.concat is not None
    assert (by_parameters.concat.reference, by_parameters.concat.number) == (300, 2)


@pytest.mark.parametrize("header", [b"\x05\x00\x03\x07\x02\x01", b"\x06\x08\x04\x01\x07\x02\x01"])
def test_a_part_leaves_as_it_came(header: bytes) -> None:
    body = b"x" * (153 if len(header) == 6 else 152)
    found = asked(header + body, esm_class=UDHI)
    message = Outbound(
        ResourceId(bytes(16)),
        InteractionId(new_id(START)),
        NUMBER,
        PEER,
        found.body,
        START,
        0,
        concat=found.concat,
    )
    outgoing = Outgoing()
    outgoing.add(message)
    pdu = submit_sm(outgoing.take())
    assert outgoing.ready == 0
    assert (pdu.short_message, pdu.esm_class) == (header + body, UDHI)
    assert decode(pdu.short_message, pdu.data_coding, True).concat == found.concat


def test_a_part_that_fits_into_none_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        asked(b"\x05\x00\x03\x07\x02\x01" + b"x" * 154, esm_class=UDHI)
    assert caught.value.command_status == CommandStatus.ESME_RINVMSGLEN


def test_times_are_kept() -> None:
    found = asked(validity_period="000000010000000R")
    assert (found.not_before, found.validity_seconds) == (None, 3600)
    later = asked(schedule_delivery_time="000000010000000R", validity_period="000000030000000R")
    assert (later.not_before, later.validity_seconds) == (START + HOUR, 7200)
    assert asked(schedule_delivery_time="200101000000000+").not_before is None  # the past is now
    assert asked(priority_flag=2).priority == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused(CommandStatus.ESME_RINVSCHED, ""), CommandStatus.ESME_RINVSCHED),
        (Unauthorized("", target="from"), CommandStatus.ESME_RINVSRCADR),
        (InvalidRequest("", target="smsRecipients"), CommandStatus.ESME_RINVDSTADR),
        (InvalidRequest("", target="from"), CommandStatus.ESME_RINVSRCADR),
        (InvalidRequest("", target="message"), CommandStatus.ESME_RINVMSGLEN),
        (InvalidRequest(""), CommandStatus.ESME_RSUBMITFAIL),
        (LimitReached("", limit="sms.max_backlog", retry_after=1), CommandStatus.ESME_RMSGQFUL),
        (Unavailable(""), CommandStatus.ESME_RSYSERR),
        (TandemError(""), CommandStatus.ESME_RSYSERR),
    ],
)
def test_every_error_has_a_status(error: TandemError, status: int) -> None:
    assert status_of(error) == status


OCTET = st.integers(0, 255)
SUBMITS = st.builds(
    submit,
    st.binary(max_size=160),
    esm_class=st.sampled_from((0, 3, UDHI)) | OCTET,
    data_coding=st.sampled_from((0, 3, 8)) | OCTET,
    source_addr=st.text(max_size=20),
    source_addr_ton=OCTET,
    destination_addr=st.from_regex(r"[+0-9]{1,20}", fullmatch=True),
    dest_addr_ton=st.sampled_from((0, 1)) | OCTET,
    validity_period=st.just("") | st.from_regex(r"[0-9]{15}[+\-R]", fullmatch=True),
    schedule_delivery_time=st.just("") | st.from_regex(r"[0-9]{15}[+\-R]", fullmatch=True),
    tlvs=st.lists(st.tuples(st.sampled_from(list(Tag)), st.binary(max_size=9)), max_size=3).map(tuple),
)


@settings(max_examples=200)
@given(SUBMITS)
def test_any_submit_sm_is_a_submission_or_refused(pdu: SubmitSm) -> None:
    try:
        found = read_submission(pdu, AccountSettings(), START)
    except Refused as error:
        event(f"refused with {error.command_status}")
    else:
        assert found.body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (
            LimitReached("fast", limit="messages_per_second", retry_after=1.0),
            CommandStatus.ESME_RTHROTTLED,
        ),
        (LimitReached("full", limit="sms.max_backlog", retry_after=1.0), CommandStatus.ESME_RMSGQFUL),
        (LimitForbids("there", limit="countries"), CommandStatus.ESME_RINVDSTADR),
        (LimitForbids("dear", limit="price_per_message"), CommandStatus.ESME_RINVDSTADR),
        (LimitForbids("spent", limit="daily_budget"), CommandStatus.ESME_RSUBMITFAIL),
        (NoRoute("nowhere"), CommandStatus.ESME_RINVDSTADR),
    ],
)
def test_a_limit_has_the_status_that_clients_act_on(error: TandemError, status: int) -> None:
    assert status_of(error) == status
