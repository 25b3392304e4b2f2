"""The GSM 7 bit default alphabet against the standard's table and an independent implementation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.text import gsm0338
from tests.support.promises import Report

pytestmark = [pytest.mark.unit, pytest.mark.promise("R20")]

CHARACTERS = [c for septet, c in enumerate(gsm0338.DEFAULT) if septet != gsm0338.ESCAPE]
EXTENDED = list(gsm0338.EXTENSION.values())
ALPHABET = CHARACTERS + EXTENDED

# 3GPP TS 23.038 §6.2.1, as the Unicode Consortium lists it (GSM0338.TXT): every septet that is not ASCII's
NOT_ASCII = {
    0x00: 0x40, 0x01: 0xA3, 0x02: 0x24, 0x03: 0xA5, 0x04: 0xE8, 0x05: 0xE9, 0x06: 0xF9, 0x07: 0xEC,
    0x08: 0xF2, 0x09: 0xC7, 0x0B: 0xD8, 0x0C: 0xF8, 0x0E: 0xC5, 0x0F: 0xE5, 0x10: 0x394, 0x11: 0x5F,
    0x12: 0x3A6, 0x13: 0x393, 0x14: 0x39B, 0x15: 0x3A9, 0x16: 0x3A0, 0x17: 0x3A8, 0x18: 0x3A3, 0x19: 0x398,
    0x1A: 0x39E, 0x1C: 0xC6, 0x1D: 0xE6, 0x1E: 0xDF, 0x1F: 0xC9, 0x24: 0xA4, 0x40: 0xA1, 0x5B: 0xC4,
    0x5C: 0xD6, 0x5D: 0xD1, 0x5E: 0xDC, 0x5F: 0xA7, 0x60: 0xBF, 0x7B: 0xE4, 0x7C: 0xF6, 0x7D: 0xF1,
    0x7E: 0xFC, 0x7F: 0xE0,
}  # fmt: skip


def test_every_septet_means_what_the_standard_says() -> None:
    expected = [chr(NOT_ASCII.get(septet, septet)) for septet in range(128)]
    assert list(gsm0338.DEFAULT) == expected


def test_every_code_point_and_every_extension_goes_there_and_back(promise: Report) -> None:
    assert len(set(ALPHABET)) == 127 + 10
    for character in ALPHABET:
        septets = gsm0338.encode(character)
        assert septets is not None
        assert len(septets) == (2 if character in EXTENDED else 1)
        assert gsm0338.decode(septets) == character
    promise(characters=len(ALPHABET), lost=0)


def test_every_other_code_point_has_no_septets() -> None:
    for code in set(range(0x11000)) - {ord(character) for character in ALPHABET}:
        assert gsm0338.encode(chr(code)) is None, hex(code)


@pytest.mark.parametrize("text", ["", "@", "Straße 5€", "ΔΦΓ[]", "a" * 1000 + "€", "\x1b"])
def test_a_mixed_text_goes_there_and_back_or_not_at_all(text: str) -> None:
    septets = gsm0338.encode(text)
    assert septets is None or gsm0338.decode(septets) == text
    assert (septets is None) == ("\x1b" in text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=ALPHABET, max_size=200))
def test_any_text_of_the_alphabet_goes_there_and_back(text: str) -> None:
    septets = gsm0338.encode(text)
    assert septets is not None
    assert gsm0338.decode(septets) == text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_a_text(septets: bytes) -> None:
    text = gsm0338.decode(septets)
    assert len(text) >= (len(septets) + 1) // 2
    text.encode()  # no half surrogate pairs


@pytest.mark.parametrize(
    ("septets", "text"),
    [
        (b"a\x1bAb", "aAb"),  # no such extension: the main table's character
        (b"a\x1b\x00b", "a@b"),
        (b"a\x1b", "a "),  # nothing after the escape
        (b"\x1b\x1bb", " b"),  # a table that is not defined yet
        (b"\x1b\x1b\x1b\x65", " €"),
        (b"\x1b\xc3", "\ufffd"),
        (b"\x80\xff", "\ufffd\ufffd"),
        (b"\x1b\x0a\n", "\f\n"),
    ],
)
def test_septets_that_no_table_has_are_shown_as_the_standard_says(septets: bytes, text: str) -> None:
    assert gsm0338.decode(septets) == text
