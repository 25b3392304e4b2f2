"""Numbers and ranges of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.numbers.ranges import MAX_RANGE, BadNumber, numbers_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "count", "last"),
    [
        ("+12065550100", 1, "+12065550100"),
        ("+12065550100-0199", 100, "+12065550199"),
        ("+12065550100-12065550101", 2, "+12065550101"),
        ("+12065550100-+12065550102", 3, "+12065550102"),
        ("+442079460000-9999", MAX_RANGE, "+442079469999"),
        ("12345", 1, "12345"),
        ("98000-98009", 10, "98009"),
        ("98000-9", 10, "98009"),
    ],
)
def test_a_text_means_numbers(text: str, count: int, last: str) -> None:
    found = numbers_in(text)
    assert (len(found), found[-1]) == (count, last)
    assert len({len(number) for number in found}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "12",
        "+0123456789",
        "+1206555010O",
        "+12065550100-",
        "-0199",
        "+12065550100-0099",
        "+12065550100-120655501000",
        "+12065550100-+442079460000",
        "+12065550000-60000",
        "+1206555０１００",
        "+12065550100 ",
        "+12065550100-0199-0200",
    ],
)
def test_what_is_neither_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(BadNumber, match=r"\w"):
        numbers_in(text)


@given(st.text(alphabet="+-0123456789 ()", max_size=40))
def test_any_text_ends_in_numbers_or_in_the_error(text: str) -> None:
    try:
        found = numbers_in(text)
    except BadNumber:
        return
    assert 1 <= len(found) <= MAX_RANGE
    assert found[0].startswith(text.partition("-")[0])
