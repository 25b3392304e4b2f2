"""Authorities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.resources.authority import host_of, normal, parse_authority, signed_spellings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "authority", "host"),
    [
        ("127.0.0.1:8443", "127.0.0.1:8443", "127.0.0.1"),
        (" Gateway.Example ", "gateway.example", "gateway.example"),
        ("gateway.example:443", "gateway.example", "gateway.example"),
        ("[::1]:8443", "[::1]:8443", "::1"),
        ("localhost", "localhost", "localhost"),
    ],
)
def test_an_authority_has_one_form(text: str, authority: str, host: str) -> None:
    assert parse_authority(text) == authority
    assert host_of(authority) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":8443",
        "a b",
        "https://x",
        "x/y",
        "x:0",
        "x:65536",
        "x:y",
        "x..y",
        "[1.2.3.4]:1",
        "[zz]:1",
        "::1",
        "x" * 300,
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_authority(text)


def test_a_host_is_tried_with_and_without_the_default_port_as_the_wire_has_it_first() -> None:
    assert signed_spellings("x.example") == ("x.example", "x.example:443")
    assert signed_spellings("x.example:443") == ("x.example:443", "x.example")
    assert signed_spellings("127.0.0.1:8443") == ("127.0.0.1:8443",)
    assert signed_spellings("[::1]") == ("[::1]", "[::1]:443")
    assert signed_spellings("[::1]:8443") == ("[::1]:8443",)


@given(st.text(max_size=30))
def test_any_text_has_a_normal_form_or_is_refused(text: str) -> None:
    normal(text)
    signed_spellings(text)
    host_of(text)
    try:
        assert parse_authority(text) == normal(text.strip())
    except InvalidRequest:
        pass
