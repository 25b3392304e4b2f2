"""Signatures cover the id, the time and the raw body, and hold for five minutes (R26)."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.events.signing import (
    SignatureRefused,
    key_of,
    new_secret,
    sign,
    signature_headers,
    signature_lines,
    verify,
)
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.secret import Secret

pytestmark = [pytest.mark.unit, pytest.mark.promise("R26")]

SECRET = Secret("whsec_" + base64.b64encode(bytes(range(32))).decode())
NOW = 1_767_225_600


def headers(body: bytes = b"{}", at: int = NOW) -> dict[str, str]:
    return signature_headers((key_of(SECRET),), "id", at, body)


def test_a_signature_is_what_the_specification_says() -> None:
    digest = hmac.new(bytes(range(32)), b'id.1767225600.{"a":1}', hashlib.sha256).digest()
    assert sign((key_of(SECRET),), "id", NOW, b'{"a":1}') == "v1," + base64.b64encode(digest).decode()


@given(st.binary(max_size=200), st.integers(0, 2**33), st.binary(min_size=24, max_size=64))
@settings(max_examples=50)
def test_what_is_signed_verifies_and_nothing_else_does(body: bytes, at: int, key: bytes) -> None:
    secret = Secret("whsec_" + base64.b64encode(key).decode())
    signed = signature_headers((key,), "id", at, body)
    verify(secret, signed, body, now=at * SECOND)
    for headers_, body_ in (
        (signed, body + b" "),
        (signed | {"webhook-id": "other"}, body),
        (signed | {"webhook-timestamp": str(at + 1)}, body),
        (signed | {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}, body),
        (signed | {"webhook-signature": signed["webhook-signature"].replace("v1", "v2")}, body),
    ):
        with pytest.raises(SignatureRefused):
            verify(secret, headers_, body_, now=at * SECOND)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_message_is_good_within_five_minutes(seconds: int) -> None:
    verify(SECRET, headers(), b"{}", now=(NOW + seconds) * SECOND)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_message_outside_the_window_is_refused(seconds: int) -> None:
    with pytest.raises(SignatureRefused):
        verify(SECRET, headers(), b"{}", now=(NOW + seconds) * SECOND)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_one_of_the_headers_is_refused(missing: str) -> None:
    given = headers()
    del given[missing]
    with pytest.raises(SignatureRefused):
        verify(SECRET, given, b"{}", now=NOW * SECOND)


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "9" * 400, "\u0661"])
def test_a_time_that_is_no_number_is_refused(timestamp: str) -> None:
    with pytest.raises(SignatureRefused):
        verify(SECRET, headers() | {"webhook-timestamp": timestamp}, b"{}", now=NOW * SECOND)


def test_while_a_secret_is_changed_either_verifies() -> None:
    other = new_secret()
    both = signature_headers((key_of(other), key_of(SECRET)), "id", NOW, b"{}")
    verify(SECRET, both, b"{}", now=NOW * SECOND)
    verify(other, both, b"{}", now=NOW * SECOND)


@given(st.binary(max_size=5000), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=128))
@settings(max_examples=30)
def test_the_lines_of_a_request_are_the_same_headers(body: bytes, identifier: str) -> None:
    keys = (bytes(32), bytes(range(24)))
    lines = signature_lines(keys, identifier, NOW, body).decode().split("\r\n")
    assert lines.pop() == ""
    assert dict(line.split(": ", 1) for line in lines) == signature_headers(keys, identifier, NOW, body)


@pytest.mark.parametrize("identifier", ["a\r\nX-Evil: 1", "a\n", "\0", "caf\u00e9", "\x7f"])
def test_an_id_that_is_no_header_makes_no_lines(identifier: str) -> None:
    with pytest.raises(ValueError, match="header"):
        signature_lines((bytes(32),), identifier, NOW, b"")


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!", "whsec_" + "A" * 8, base64.b64encode(bytes(32)).decode()]
)
def test_a_secret_that_is_none_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        key_of(Secret(text))
    assert not text.removeprefix("whsec_") or text not in refusal.value.message


def test_new_secrets_differ_and_hide_themselves() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(key_of(first)) == 32
    assert first.reveal() not in repr(first)
