"""When a rule is in force: days, nights, calendars, and the days on which a clock is changed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from telephony.kernel.errors import InvalidRequest
from telephony.routing.rules import RouteSet
from telephony.routing.windows import Openings, Window
from tests.support.routing import CALENDARS, is_open, moments, windows

pytestmark = pytest.mark.unit

DATES = {name: frozenset(dates) for name, dates in CALENDARS.items()}


def micros(text: str) -> int:
    """Return a moment, UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def opens(text: str, **window: Any) -> bool:
    return Openings((Window(**window),), DATES).is_open(micros(text))


@settings(max_examples=400, deadline=None)
@given(windows, moments)
def test_a_window_is_open_when_walking_back_to_its_beginning_says_so(window: Window, at: int) -> None:
    rules = RouteSet(calendars=CALENDARS)
    assert Openings((window,), DATES).is_open(at) == is_open(window, rules, at)


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    night: dict[str, Any] = {"days": ("fri",), "begin": "22:00", "end": "06:00"}
    assert opens("2026-11-20T22:00", **night)
    assert opens("2026-11-21T05:59", **night)
    assert not opens("2026-11-21T06:00", **night)
    assert not opens("2026-11-20T05:00", **night)
    assert not opens("2026-11-21T23:00", **night)


def test_the_last_minute_of_a_window_is_the_one_before_its_end() -> None:
    assert opens("2026-11-20T17:59:59", begin="08:00", end="18:00")
    assert not opens("2026-11-20T18:00", begin="08:00", end="18:00")
    assert opens("2026-11-20T23:59:59")


def test_an_hour_that_comes_twice_counts_twice_and_one_that_is_left_out_never() -> None:
    berlin: dict[str, Any] = {"zone": "Europe/Berlin", "begin": "02:00", "end": "03:00"}
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight of a day with 25 hours
    minutes = [start + timedelta(minutes=each) for each in range(25 * 60)]
    openings = Openings((Window(**berlin),), DATES)
    assert sum(openings.is_open(round(each.timestamp()) * 1_000_000) for each in minutes) == 120
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)  # midnight of a day with 23 hours
    minutes = [start + timedelta(minutes=each) for each in range(23 * 60)]
    assert sum(openings.is_open(round(each.timestamp()) * 1_000_000) for each in minutes) == 0


def test_a_night_over_a_change_of_the_clock_is_an_hour_longer_or_shorter() -> None:
    openings = Openings((Window(zone="Europe/Berlin", begin="22:00", end="06:00"),), DATES)

    def hours(begin: datetime) -> float:
        return (
            sum(
                openings.is_open(round((begin + timedelta(minutes=each)).timestamp()) * 1_000_000)
                for each in range(24 * 60)
            )
            / 60
        )

    assert hours(datetime(2026, 10, 24, 12, tzinfo=UTC)) == 9
    assert hours(datetime(2026, 3, 28, 12, tzinfo=UTC)) == 7
    assert hours(datetime(2026, 6, 28, 12, tzinfo=UTC)) == 8


def test_calendars_and_dates_say_on_which_days_it_begins() -> None:
    assert opens("2026-12-25T12:00", on="holidays")
    assert not opens("2026-12-24T12:00", on="holidays")
    assert not opens("2026-12-25T12:00", off="holidays")
    assert opens("2026-12-26T05:00", on="holidays", begin="22:00", end="06:00")
    assert opens("2026-12-24T12:00", first=date(2026, 12, 24), last=date(2026, 12, 24))
    assert not opens("2026-12-25T00:00", first=date(2026, 12, 24), last=date(2026, 12, 24))


def test_no_windows_are_always_open_and_of_several_one_suffices() -> None:
    assert Openings((), DATES).is_open(0)
    two = Openings((Window(days=("mon",)), Window(begin="08:00", end="09:00")), DATES)
    assert two.is_open(micros("2026-11-23T20:00"))
    assert two.is_open(micros("2026-11-24T08:30"))
    assert not two.is_open(micros("2026-11-24T09:30"))


@pytest.mark.parametrize(
    ("window", "place"),
    [
        (Window(zone="Mars/Olympus"), "windows[0].zone"),
        (Window(zone="Europe"), "windows[0].zone"),
        (Window(zone="../etc/passwd"), "windows[0].zone"),
        (Window(on="nowhere"), "windows[0].on"),
        (Window(off="nowhere"), "windows[0].off"),
        (Window(begin="24:00"), "windows[0].begin"),
        (Window(first=date(2026, 2, 1), last=date(2026, 1, 1)), "windows[0].last"),
    ],
)
def test_what_is_not_there_is_refused_at_its_place(window: Window, place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Openings((window,), DATES)
    assert refused.value.target == place


@pytest.mark.parametrize(
    ("window", "ever"),
    [
        (Window(), True),
        (Window(on="holidays"), True),
        (Window(on="holidays", days=("mon",)), False),
        (Window(on="holidays", off="holidays"), False),
        (Window(first=date(2026, 11, 23), last=date(2026, 11, 24), days=("wed",)), False),
        (Window(first=date(2026, 11, 23), last=date(2026, 11, 25), days=("wed",)), True),
        (Window(first=date(2026, 11, 23), days=("wed",)), True),
    ],
)
def test_a_window_that_never_opens_is_known(window: Window, ever: bool) -> None:
    assert Openings((window,), DATES).is_ever_open is ever
