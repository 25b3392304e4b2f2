"""SIP and tel URIs and the addresses they stand in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire.address import parse_address
from sip.wire.errors import Malformed, UriTooLong
from sip.wire.uri import Uri, parse_uri

pytestmark = pytest.mark.wire


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:desk@example.org", Uri("sip", "desk", "example.org")),
        ("SIPS:desk@[2001:db8::1]:5061", Uri("sips", "desk", "[2001:db8::1]", 5061)),
        ("sip:a%40b@example.org;lr;x=1", Uri("sip", "a@b", "example.org", None, {"lr": None, "x": "1"})),
        ("sip:desk:word@h", Uri("sip", "desk", "h", password="word")),
        ("sip:h?Subject=x", Uri("sip", host="h", headers="Subject=x")),
        ("tel:+4930123;phone-context=+49", Uri("tel", "+4930123", parameters={"phone-context": "+49"})),
    ],
)
def test_a_uri_is_read_and_written(text: str, uri: Uri) -> None:
    assert parse_uri(text) == uri
    assert parse_uri(str(uri)) == uri


@pytest.mark.parametrize(
    "text",
    [
        "desk@example.org",
        "http://example.org",
        "sip:",
        "sip:@example.org",
        "sip:desk@",
        "sip:desk@exa mple.org",
        "sip:desk@h:0",
        "sip:desk@h:99999",
        "sip:desk@h:5x",
        "sip:d%4@h",
        "sip:desk@h;;",
        "sip:desk@h;a;a",
        "sip:desk@-h",
        "tel:",
        "sip:desk@[2001:db8::1]x",
    ],
)
def test_what_is_no_uri_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_uri(text)


def test_a_uri_beyond_the_ceiling_says_so() -> None:
    with pytest.raises(UriTooLong):
        parse_uri("sip:" + "x" * 300 + "@h", 256)


def test_parameters_without_brackets_are_the_fields() -> None:
    address = parse_address("sip:desk@h;tag=x")
    assert (address.tag, address.uri.parameters) == ("x", {})
    address = parse_address('"A \\"b\\"" <sip:desk@h;lr>;tag=x;q="a;b"')
    assert (address.name, address.tag, address.parameters["q"]) == ('A "b"', "x", "a;b")
    assert parse_address(str(address)) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        address = parse_address(text)
    except Malformed:
        return
    assert parse_address(str(address)).uri == address.uri
