"""Time: the machine's clock, the tests' clock, and ISO 8601 both ways."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND, Clock, SystemClock, from_iso, to_iso
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.unit


def test_the_units_are_microseconds() -> None:
    assert (SECOND, MINUTE, HOUR, DAY) == (10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6)


def test_the_machines_clock_tells_microseconds_since_the_epoch() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.now() <= time.time_ns() // 1000
    assert clock.monotonic() <= clock.monotonic()


def test_the_tests_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    moving: Clock = clock
    assert (moving.now(), moving.monotonic()) == (moving.now(), moving.monotonic())
    mono = moving.monotonic()
    clock.advance(1.5)
    assert moving.now() == START + 1_500_000
    assert moving.monotonic() == mono + 1.5


def test_a_time_is_written_with_six_digits_in_utc() -> None:
    assert to_iso(START) == "2026-01-01T00:00:00.000000+00:00"
    assert to_iso(START + 7) == "2026-01-01T00:00:00.000007+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T02:00:00+02:00",
        "2025-12-31T19:00:00.000000-05:00",
        "20260101T000000Z",
    ],
)
def test_every_zone_is_understood(text: str) -> None:
    assert from_iso(text) == START


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01"]
)
def test_a_time_without_zone_or_sense_is_none(text: str) -> None:
    assert from_iso(text) is None


@given(st.integers(0, 253_402_300_799_999_999))
def test_a_time_comes_back_to_the_microsecond(at: int) -> None:
    assert from_iso(to_iso(at)) == at
