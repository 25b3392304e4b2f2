"""When texts may arrive: hours of the day in the recipient's own time. Pure but for the zones' data."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sms.compliance.settings import parse_hours
from telephony.kernel.clock import MINUTE, SECOND

DAYS_AHEAD: Final = 3
"""Days looked at: every zone's hours begin within two, also the day a clock is changed."""


class Hours:
    """The hours of one country."""

    def __init__(self, hours: str) -> None:
        self.begin, self.end = parse_hours(hours)

    def allow(self, minute: int) -> bool:
        """Tell whether a minute of the day lies in them; hours may go on past midnight."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@lru_cache(maxsize=4096)
def _next_allowed(hours: str, zones: tuple[str, ...], minute: int) -> int | None:
    """Answer for every number of the same zones within a minute (since the epoch)."""
    window = Hours(hours)
    known = [zone for name in zones if (zone := _zone(name)) is not None] or [ZoneInfo("UTC")]
    now = datetime.fromtimestamp(minute * 60, UTC)
    if all(_allows(window, zone, now) for zone in known):
        return None
    best, most = now, -1
    for at in sorted({start for zone in known for start in _starts(window, zone, now)}):
        fits = sum(_allows(window, zone, at) for zone in known)
        if fits > most:
            best, most = at, fits
        if fits == len(known):
            break
    return round(best.timestamp()) * SECOND


def next_allowed(hours: str, zones: Sequence[str], now: int) -> int | None:
    """Return when a text may arrive (microseconds UTC), or None when it may now.

    With several zones it has to be the hours in all of them; where they are too far apart for that, the first
    time counts that is in the hours of the most. What is no zone does not count, and without any it is UTC.
    """
    return _next_allowed(hours, tuple(zones), now // MINUTE)


def _allows(window: Hours, zone: ZoneInfo, at: datetime) -> bool:
    local = at.astimezone(zone)
    return window.allow(local.hour * 60 + local.minute)


def _starts(window: Hours, zone: ZoneInfo, now: datetime) -> list[datetime]:
    """Return when the hours begin on the next days, later than now."""
    today = now.astimezone(zone).date()
    begin = time(window.begin // 60, window.begin % 60)
    days = (today + timedelta(days=day) for day in range(DAYS_AHEAD))
    found = (datetime.combine(day, begin, zone).astimezone(UTC) for day in days)
    return [start for start in found if start > now]


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
