"""What a carrier wants in every submit_sm of a link."""

import pytest
from msgspec.structs import replace

from carriers.model.smpp import SmppLink
from sms.smpp.pdu import SubmitSm
from sms.smpp.terms import Terms
from telephony.kernel.errors import ConfigurationError
from tests.support.smpp import SUBMIT

pytestmark = pytest.mark.unit


def terms(service_type: str = "", **tlvs: str) -> Terms:
    link = SmppLink(
        host="smsc",
        system_id="me",
        service_type=service_type,
        tlvs={f"0x{tag.removeprefix('t')}": value for tag, value in tlvs.items()},
    )
    return Terms(link, key="carriers.c.smpp.l")


def test_a_link_without_any_changes_nothing() -> None:
    plain = terms()
    assert not plain.any
    assert plain.applied(SUBMIT) == SUBMIT


def test_registration_fields_are_added_to_every_message() -> None:
    registered = terms("CMT", t1400="text:1101456", t1401="0a0b")
    assert registered.any
    assert registered.applied(SUBMIT) == replace(
        SUBMIT, service_type="CMT", tlvs=((0x1400, b"1101456"), (0x1401, b"\n\x0b"))
    )


def test_what_a_message_says_itself_stays() -> None:
    own = replace(SUBMIT, service_type="OTP", tlvs=((0x1400, b"own"), (0x0204, b"\0\1")))
    applied = terms("CMT", t1400="00", t1402="01").applied(own)
    assert applied.service_type == "OTP"
    assert applied.tlvs == ((0x1400, b"own"), (0x0204, b"\0\1"), (0x1402, b"\1"))


def test_a_parameter_that_smpp_has_no_room_for_is_told_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"carriers\.c\.smpp\.l\.optional parameter 0x0204"):
        terms(t0204="00")


def test_any_message_goes_with_them() -> None:
    assert terms(t1400="").applied(SubmitSm()).tlvs == ((0x1400, b""),)
