"""Numbers: E.164 exactly, short codes, alphanumeric senders, and what logs may show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.e164 import is_alphanumeric_sender, is_short_code, parse_e164, shorten

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("number", ["+14255550123", "+1234567", "+123456789012345"])
def test_a_number_in_e164_is_itself(number: str) -> None:
    assert parse_e164(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "14255550123",
        "0014255550123",
        "+0425555012",
        "+123456",
        "+1234567890123456",
        "+1 425 555 0123",
        "+1425555012a",
        " +14255550123",
        "+14255550123\n",
        "+١٤٢٥٥٥٥٠١٢٣",
        "+１４２５５５５０１２３",
        "tel:+14255550123",
    ],
)
def test_nothing_else_is_guessed_or_repaired(text: str) -> None:
    assert parse_e164(text) is None


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_none(text: str) -> None:
    parsed = parse_e164(text)
    assert parsed is None or (parsed == text and parsed[1:].isascii() and parsed[1:].isdigit())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("112", True),
        ("12345678", True),
        ("12", False),
        ("123456789", False),
        ("12a45", False),
        ("١١٢", False),
    ],
)
def test_a_short_code_is_three_to_eight_digits(text: str, expected: bool) -> None:
    assert is_short_code(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tandem", True),
        ("A", True),
        ("Shop 24&7_+-'", False),
        ("Shop 24&7", True),
        ("12345", False),
        ("", False),
        ("ElevenChars", True),
        ("TwelveChars!", False),
        ("Grüße", False),
        ("New\nLine", False),
    ],
)
def test_an_alphanumeric_sender_has_up_to_eleven_characters_and_a_letter(text: str, expected: bool) -> None:
    assert is_alphanumeric_sender(text) is expected


def test_logs_see_only_the_ends_of_a_number() -> None:
    assert shorten("+14255550123") == "+1425*****23"
    assert shorten("12345") == "12345"


@given(st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z"))
def test_a_shortened_number_keeps_its_length_and_hides_the_middle(number: str) -> None:
    short = shorten(number)
    assert len(short) == len(number)
    assert len(number) < 9 or short[5:-2] == "*" * (len(number) - 7)
