"""Header fields by a trunk's rules."""

import pytest
from msgspec.structs import replace

from carriers.model.sip import SipHeaders
from sip.legs.headers import called_of, caller_of, contact_of, fields_of, passes, realm_of, sender_of
from sip.legs.trunks import TrunkFacts
from sip.workers.messages import Header
from telephony.calling.ports import Dialled, Trunk

pytestmark = pytest.mark.unit

FACTS = TrunkFacts("carrier", "voice", "carrier.test")
CALL = Dialled("leg", Trunk("carrier", "voice"), "+493099999", "+14255550100", "Desk")


def names(call: Dialled, **rules: str) -> list[str]:
    facts = replace(FACTS, headers=SipHeaders(**rules))  # type: ignore[arg-type]
    return [field.name for field in fields_of(call, facts, "tandem.test")]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"caller": "from"}, []),
        ({"caller": "pai"}, ["P-Asserted-Identity"]),
        ({"caller": "ppi"}, ["P-Preferred-Identity"]),
    ],
)
def test_our_number_stands_where_the_trunk_wants_it(rules: dict[str, str], expected: list[str]) -> None:
    assert names(CALL, **rules) == expected


@pytest.mark.parametrize(
    ("privacy", "shown", "asked"),
    [("header", True, True), ("anonymous-from", False, False), ("both", False, True)],
)
def test_a_caller_who_hides_is_hidden_in_the_trunks_way(privacy: str, shown: bool, asked: bool) -> None:
    call = replace(CALL, privacy=True)
    facts = replace(FACTS, headers=SipHeaders(privacy=privacy))  # type: ignore[arg-type]
    assert ("+14255550100" in sender_of(call, facts, "tandem.test")) is shown
    assert "Desk" not in sender_of(call, facts, "tandem.test")
    assert ("Privacy" in names(call, privacy=privacy)) is asked


def test_what_the_plane_says_of_a_call_that_is_passed_on_passes() -> None:
    call = replace(CALL, headers=(("Diversion", "<tel:+49301>;reason=unconditional"), ("Identity", "e30.s")))
    assert names(call) == ["P-Asserted-Identity", "Diversion", "Identity"]


@pytest.mark.parametrize(
    "name", ["Via", "v", "Route", "X-Tandem-Edge", "x-tandem-to", "Contact", "m", "CSeq", "Bad Name", ""]
)
def test_who_dials_cannot_write_what_is_not_theirs(name: str) -> None:
    assert not passes(name, "value")


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\x00", "a" * 8193])
def test_values_that_would_break_out_do_not_pass(value: str) -> None:
    assert passes("X-Mine", "value")
    assert not passes("X-Mine", value)


def test_a_display_name_cannot_break_out() -> None:
    sender = sender_of(replace(CALL, display='a" <sip:evil@x>\r\nVia: x'), FACTS, "tandem.test")
    assert sender == '"a\\" <sip:evil@x>Via: x" <sip:+14255550100@tandem.test>'


@pytest.mark.parametrize(
    ("fields", "caller"),
    [
        ([], "+442071234567"),
        ([Header("P-Asserted-Identity", '"X" <sip:+4930@x;user=phone>')], "+4930"),
        ([Header("P-Asserted-Identity", "<tel:+49-30;phone-context=x>")], "+4930"),
        ([Header("P-Asserted-Identity", "garbage <")], "+442071234567"),
        ([Header("P-Asserted-Identity", "<sip:+4930@x>"), Header("Privacy", "id;critical")], ""),
        ([Header("Privacy", "none")], "+442071234567"),
    ],
)
def test_who_calls_is_read_where_the_trunk_says_it(fields: list[Header], caller: str) -> None:
    assert caller_of(fields, "<sip:+442071234567@x>;tag=1", FACTS) == caller


def test_an_anonymous_caller_is_nobody() -> None:
    assert caller_of([], '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1', FACTS) == ""
    assert caller_of([], "<sip:Anonymous@carrier.test>;tag=1", FACTS) == ""


@pytest.mark.parametrize(
    ("uri", "to", "called"),
    [
        ("sip:+49(30)123-45;isub=1@x", "<sip:a@x>", "+493012345"),
        ("sip:10.0.0.1:5060", "<sip:+4930@x>", "+4930"),
        ("sip:sales@x", "<sip:+4930@x>", "sales"),
        ("%%%", "%%%", ""),
    ],
)
def test_whom_a_call_is_for_is_its_uris_user(uri: str, to: str, called: str) -> None:
    assert called_of(uri, to) == called


def test_a_redirection_without_a_readable_contact_says_nothing() -> None:
    assert contact_of([Header("Contact", "*")]) == ""
    assert contact_of([Header("Contact", "*"), Header("Contact", "<sip:+4930@y>;q=1")]) == "sip:+4930@y"


def test_a_challenge_that_md5_answers_is_found() -> None:
    sha = Header("WWW-Authenticate", 'Digest realm="a", nonce="n", algorithm=SHA-256')
    md5 = Header("WWW-Authenticate", 'Digest realm="b", nonce="n"')
    assert realm_of([sha]) == ""
    assert realm_of([sha, md5]) == "b"
