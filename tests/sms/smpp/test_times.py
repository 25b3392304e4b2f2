"""Times as SMPP writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.smpp.times import MAX_RELATIVE, absolute_time, parse_time, relative_time
from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND, from_iso
from tests.support.clock import START

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("260102030405600+", "2026-01-02T03:04:05.6+00:00"),
        ("260102030405004+", "2026-01-02T02:04:05+00:00"),  # 4 quarters ahead of UTC
        ("260102030405004-", "2026-01-02T04:04:05+00:00"),
        ("280229235959900+", "2028-02-29T23:59:59.9+00:00"),
    ],
)
def test_an_absolute_time_has_an_offset_in_quarters(text: str, expected: str) -> None:
    assert parse_time(text, START) == from_iso(expected)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("000000000100000R", MINUTE),
        ("000001020304000R", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND),
        ("000000000000000R", 0),
    ],
)
def test_a_relative_time_counts_from_now(text: str, after: int) -> None:
    assert parse_time(text, START) == START + after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "260102030405",
        "260102030405600*",
        "260230000000000+",
        "260102250000000+",
        "260102030405049+",  # 49 quarters
        "26010203040560a+",
        "٢60102030405600+",
        "260102030405600+0",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text, START) is None


@given(st.text(max_size=17) | st.from_regex(r"[0-9]{15}[+\-R]", fullmatch=True))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = parse_time(text, START)
    assert found is None or isinstance(found, int)


@given(st.integers(0, 36_500 * DAY // SECOND))
def test_an_absolute_time_says_the_second(seconds: int) -> None:
    at = (946_684_800 + seconds) * SECOND  # from 2000 on
    assert parse_time(absolute_time(at + 999_999), START) == at


@given(st.integers(-DAY, 2 * MAX_RELATIVE))
def test_a_relative_time_is_never_longer_than_it_should_be_nor_none(duration: int) -> None:
    found = parse_time(relative_time(duration), START)
    assert found is not None
    expected = max(SECOND, min(duration, MAX_RELATIVE) // SECOND * SECOND)
    assert found - START == expected


def test_relative_times_are_spelled_in_days_and_less() -> None:
    assert relative_time(90 * MINUTE) == "000000013000000R"
    assert relative_time(31 * DAY) == "000031000000000R"
    assert absolute_time(START) == "260101000000000+"
