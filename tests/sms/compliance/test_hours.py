"""When texts may arrive."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.compliance.hours import Hours, next_allowed
from telephony.kernel.clock import DAY, MINUTE, SECOND

pytestmark = pytest.mark.unit

DAYTIME = "08:00-21:00"
BERLIN, NEW_YORK, HONOLULU = "Europe/Berlin", "America/New_York", "Pacific/Honolulu"


def at(text: str, zone: str = "UTC") -> int:
    """Return a local time in microseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-05-04T08:00", None),
        ("2026-05-04T20:59", None),
        ("2026-05-04T21:00", "2026-05-05T08:00"),
        ("2026-05-04T00:00", "2026-05-04T08:00"),
        ("2026-05-04T07:59", "2026-05-04T08:00"),
        ("2026-03-29T01:59", "2026-03-29T08:00"),  # the night in which clocks go forward
        ("2026-10-25T02:30", "2026-10-25T08:00"),  # and back
    ],
)
def test_hours_are_the_recipients(local: str, expected: str | None) -> None:
    now = at(local, BERLIN)
    assert next_allowed(DAYTIME, [BERLIN], now) == (None if expected is None else at(expected, BERLIN))


def test_hours_may_go_on_past_midnight() -> None:
    assert next_allowed("20:00-06:00", [BERLIN], at("2026-05-04T23:00", BERLIN)) is None
    assert next_allowed("20:00-06:00", [BERLIN], at("2026-05-04T05:59", BERLIN)) is None
    noon = at("2026-05-04T12:00", BERLIN)
    assert next_allowed("20:00-06:00", [BERLIN], noon) == at("2026-05-04T20:00", BERLIN)


def test_a_day_may_last_until_midnight() -> None:
    assert next_allowed("08:00-24:00", [BERLIN], at("2026-05-04T23:59", BERLIN)) is None
    midnight = at("2026-05-05T00:00", BERLIN)
    assert next_allowed("08:00-24:00", [BERLIN], midnight) == at("2026-05-05T08:00", BERLIN)


def test_with_several_zones_it_has_to_be_the_hours_in_all_of_them() -> None:
    zones = [NEW_YORK, HONOLULU]
    morning = at("2026-05-04T09:00", NEW_YORK)  # 03:00 in Honolulu
    assert next_allowed(DAYTIME, zones, morning) == at("2026-05-04T08:00", HONOLULU)
    assert next_allowed(DAYTIME, zones, at("2026-05-04T15:00", NEW_YORK)) is None


def test_zones_too_far_apart_get_the_hours_of_most_of_them() -> None:
    zones = ["Europe/London", "Europe/Lisbon", "Pacific/Auckland"]
    now = at("2026-05-04T03:00", "Europe/London")
    assert next_allowed("09:00-17:00", zones, now) == at("2026-05-04T09:00", "Europe/London")


@pytest.mark.parametrize("zones", [[], ["Etc/Unknown"], ["../etc/passwd"]])
def test_without_a_zone_it_is_utc(zones: list[str]) -> None:
    assert next_allowed(DAYTIME, zones, at("2026-05-04T12:00")) is None
    assert next_allowed(DAYTIME, zones, at("2026-05-04T22:00")) == at("2026-05-05T08:00")


@given(
    now=st.integers(at("2026-01-01T00:00"), at("2027-12-31T00:00")),
    zones=st.lists(
        st.sampled_from([BERLIN, NEW_YORK, HONOLULU, "Asia/Kolkata", "Australia/Lord_Howe"]), min_size=1
    ),
)
def test_the_time_it_names_is_later_within_two_days_and_in_the_hours_of_one_zone_at_least(
    now: int, zones: list[str]
) -> None:
    later = next_allowed(DAYTIME, zones, now)
    window = Hours(DAYTIME)

    def allowed(moment: int, zone: str) -> bool:
        local = datetime.fromtimestamp(moment // SECOND, ZoneInfo(zone))
        return window.allow(local.hour * 60 + local.minute)

    if later is None:
        assert all(allowed(now, zone) for zone in zones)
    else:
        assert now - MINUTE < later < now + 2 * DAY
        assert any(allowed(later, zone) for zone in zones)
