"""Prices, against a reference that reckons with fractions and loops."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.usage.amounts import amount_of, micros_of
from telephony.usage.rating import Kind, Rate, billed_seconds, price_of_call, price_of_message

pytestmark = pytest.mark.unit

SECOND = 1_000_000
amounts = st.integers(0, 10**9)
increments = st.sampled_from([(1, 1), (60, 60), (30, 6), (60, 1), (6, 6), (1, 60), (3600, 3600)])


def reference_seconds(microseconds: int, first: int, following: int) -> int:
    if microseconds <= 0:
        return 0
    billed = first
    while Fraction(microseconds, SECOND) > billed:
        billed += following
    return billed


@given(st.integers(-1, 4 * 3600 * SECOND), increments)
@settings(max_examples=200)
def test_seconds_are_billed_by_whole_increments(microseconds: int, steps: tuple[int, int]) -> None:
    assert billed_seconds(microseconds, *steps) == reference_seconds(microseconds, *steps)


@given(st.integers(0, 4 * 3600 * SECOND), increments, amounts, amounts, amounts)
@settings(max_examples=200)
def test_a_calls_price_is_the_fraction_rounded_up_once(
    microseconds: int, steps: tuple[int, int], price: int, setup: int, minimum: int
) -> None:
    rate = Rate(1, Kind.VOICE, "49", price, setup, minimum, *steps)
    seconds = reference_seconds(microseconds, *steps)
    expected = 0 if seconds == 0 else max(minimum, setup + ceil(Fraction(price * seconds, 60)))
    assert price_of_call(rate, microseconds) == expected


@given(st.integers(0, 300), amounts, amounts, amounts)
@settings(max_examples=100)
def test_a_messages_price_is_by_segment(segments: int, price: int, setup: int, minimum: int) -> None:
    rate = Rate(1, Kind.SMS, "49", price, setup, minimum)
    expected = 0 if segments == 0 else max(minimum, setup + sum([price] * segments))
    assert price_of_message(rate, segments) == expected


@pytest.mark.parametrize(
    ("seconds", "steps", "expected"),
    [
        (0.1, (60, 60), 60),
        (60, (60, 60), 60),
        (60.000001, (60, 60), 120),
        (30, (30, 6), 30),
        (30.1, (30, 6), 36),
        (36, (30, 6), 36),
        (59.2, (1, 1), 60),
    ],
)
def test_what_is_begun_counts(seconds: float, steps: tuple[int, int], expected: int) -> None:
    assert billed_seconds(round(seconds * SECOND), *steps) == expected


def test_what_is_free_costs_nothing_and_an_unanswered_call_neither() -> None:
    assert price_of_call(Rate(1, Kind.VOICE, "49", 0), 600 * SECOND) == 0
    assert price_of_call(Rate(1, Kind.VOICE, "49", 10, 5, 100), 0) == 0


@given(st.integers(1 - 10**15, 10**15 - 1))
@settings(max_examples=100)
def test_an_amount_reads_back_as_it_was_written(micros: int) -> None:
    text = amount_of(abs(micros))
    assert micros_of(text) == abs(micros)
    assert amount_of(micros).lstrip("-") == text


@pytest.mark.parametrize("text", ["", ".", "1,5", "-1", "1e3", "0.0000001", "1234567890", "1.2.3", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|decimals"):
        micros_of(text)
