"""Inbound payloads of every data_coding, well-formed or not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.text import Alphabet, alphabet_of, decode
from sms.text.alphabet import Default

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("payload", "data_coding", "default", "text"),
    [
        (b"\x00 caf\x05", 0, "gsm", "@ café"),
        (b"caf\xe9 @", 0, "latin1", "café @"),
        (b"cafe @", 0, "ascii", "cafe @"),
        (b"caf\xe9", 1, "gsm", "caf\ufffd"),
        (b"caf\xe9", 3, "gsm", "café"),
        (b"\x04\x16\x04\x43\x04\x3a", 8, "gsm", "Жук"),
        (b"\xd8\x3d\xde\x00", 8, "gsm", "\N{GRINNING FACE}"),
        ("Жук".encode("iso8859-5"), 6, "gsm", "Жук"),
        ("שלום".encode("iso8859-8"), 7, "gsm", "שלום"),
        ("こんにちは".encode("iso2022_jp"), 10, "gsm", "こんにちは"),
        ("안녕".encode("euc_kr"), 14, "gsm", "안녕"),
        (b"\x00", 0xF1, "latin1", "@"),  # flash class, GSM whatever the carrier's default is
        (b"\x00", 0x10, "latin1", "@"),
        (b"\x04\x16", 0x18, "gsm", "Ж"),
        (b"\x04\x16", 0xE0, "gsm", "Ж"),
        (b"\x00", 0xC8, "gsm", "@"),
    ],
)
def test_a_payload_is_read_in_its_alphabet(
    payload: bytes, data_coding: int, default: Default, text: str
) -> None:
    decoded = decode(payload, data_coding, False, default)
    assert decoded.text == text
    assert decoded.body == payload
    assert decoded.concat is None


@pytest.mark.parametrize("data_coding", [2, 4, 5, 9, 11, 13, 15, 0x14, 0x20, 0x80, 0xF4, 0xF5])
def test_octets_that_are_no_text_stay_octets(data_coding: int) -> None:
    decoded = decode(b"\x01\x02\xff", data_coding, False)
    assert (decoded.alphabet, decoded.text, decoded.body) == (Alphabet.BINARY, "", b"\x01\x02\xff")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x04", "\ufffd"),
        (b"\x04\x16\x04", "Ж\ufffd"),
        (b"\xd8\x3d", "\ufffd"),
        (b"\xde\x00\x00a", "\ufffda"),
    ],
)
def test_broken_ucs2_is_read_as_far_as_it_goes(payload: bytes, text: str) -> None:
    assert decode(payload, 8, False).text == text


def test_a_header_is_split_off_only_when_esm_class_says_so() -> None:
    payload = bytes.fromhex("050003070201") + b"hi"
    assert decode(payload, 0, True).text == "hi"
    assert decode(payload, 0, False).text == "é@¥ì$£hi"


def test_a_header_that_lies_about_its_length_costs_no_text() -> None:
    decoded = decode(b"\x20hi", 0, True)
    assert (decoded.text, decoded.concat, decoded.header.raw) == (" hi", None, b"")


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=160), st.integers(0, 255), st.booleans(), st.sampled_from(["gsm", "latin1", "ascii"])
)
def test_every_payload_says_something(payload: bytes, data_coding: int, udhi: bool, default: Default) -> None:
    decoded = decode(payload, data_coding, udhi, default)
    assert decoded.alphabet is alphabet_of(data_coding, default)
    assert decoded.header.raw + decoded.body == payload
    decoded.text.encode()  # no half surrogate pair gets through
