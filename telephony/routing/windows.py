"""When a rule is in force: days, times of day and calendars, by the wall clock of a time zone. Pure.

A window is asked about a moment, never about a wall time, so a changed clock leaves nothing undecided: an
hour that comes twice counts twice, one that is left out is nobody's. A window that goes on past midnight
belongs to the day on which it began.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from telephony.kernel.clock import MINUTE
from telephony.kernel.errors import InvalidRequest

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

TimeOfDay = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]

MAX_WINDOWS: Final = 50
"""Windows of one rule."""

Calendars = Mapping[str, frozenset[date]]
"""Dates by the name that windows call them by: `holidays`."""


class Window(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """A time in which a rule is in force."""

    days: Annotated[tuple[Day, ...], Meta(max_length=7)] = ()
    """Days of the week on which it begins; none: every day."""
    begin: TimeOfDay = "00:00"
    """Its first minute."""
    end: TimeOfDay = "24:00"
    """The minute in which it is over. Not later than `begin`: that of the next day."""
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    """Time zone of all this: `Europe/Berlin`."""
    first: date | None = None
    """The first date."""
    last: date | None = None
    """The last date, itself included."""
    on: Annotated[str, Meta(max_length=64)] = ""
    """The calendar that has the dates on which it begins; empty: any date."""
    off: Annotated[str, Meta(max_length=64)] = ""
    """The calendar of dates on which it does not begin."""


class Opening:
    """A window, ready to be asked."""

    __slots__ = ("_begin", "_days", "_end", "_first", "_last", "_off", "_on", "_zone")

    def __init__(self, window: Window, calendars: Calendars, target: str = "windows") -> None:
        """Raises InvalidRequest, naming the field, for a zone or calendar that is not there."""
        zone = _zone(window.zone)
        if zone is None:
            raise InvalidRequest(
                f"{target}.zone: There is no time zone {window.zone!r}.", target=f"{target}.zone"
            )
        if window.first is not None and window.last is not None and window.last < window.first:
            raise InvalidRequest(f"{target}.last: It is before first.", target=f"{target}.last")
        if window.begin == "24:00":
            raise InvalidRequest(f"{target}.begin: A day begins at 00:00.", target=f"{target}.begin")
        self._zone: Final = zone
        self._begin: Final = _minute(window.begin)
        self._end: Final = _minute(window.end)
        self._days: Final = frozenset(DAYS.index(day) for day in window.days) or frozenset(range(7))
        self._first, self._last = window.first or date.min, window.last or date.max
        self._on = _calendar(window.on, calendars, f"{target}.on")
        self._off = _calendar(window.off, calendars, f"{target}.off") or frozenset()

    def is_open(self, at: int) -> bool:
        """Tell whether a moment (microseconds UTC) lies in it."""
        local = datetime.fromtimestamp(at // MINUTE * 60, UTC).astimezone(self._zone)
        minute, today = local.hour * 60 + local.minute, local.date()
        if self._begin < self._end:
            return self._begin <= minute < self._end and self._begins_on(today)
        if minute >= self._begin:
            return self._begins_on(today)
        return minute < self._end and self._begins_on(today - timedelta(days=1))

    @property
    def is_ever_open(self) -> bool:
        """Whether there is a date on which it begins."""
        if self._on is None:
            return (self._last - self._first).days >= 7 or any(
                self._begins_on(self._first + timedelta(days=each))
                for each in range((self._last - self._first).days + 1)
            )
        return any(self._begins_on(each) for each in self._on)

    def _begins_on(self, day: date) -> bool:
        return (
            day.weekday() in self._days
            and self._first <= day <= self._last
            and day not in self._off
            and (self._on is None or day in self._on)
        )


class Openings:
    """The windows of one rule: in force while any is open. Remembers its answer for the minute."""

    __slots__ = ("_answer", "_openings")

    def __init__(self, windows: tuple[Window, ...], calendars: Calendars, target: str = "windows") -> None:
        """Raises InvalidRequest as `Opening` does."""
        self._openings: Final = tuple(
            Opening(window, calendars, f"{target}[{place}]") for place, window in enumerate(windows)
        )
        self._answer: tuple[int, bool] = (-1, False)

    def is_open(self, at: int) -> bool:
        """Tell whether a moment (microseconds UTC) lies in one of them; no windows at all are always open."""
        minute = at // MINUTE
        known, answer = self._answer
        if known != minute:
            answer = not self._openings or any(each.is_open(at) for each in self._openings)
            self._answer = (minute, answer)  # one assignment: another thread sees it whole
        return answer

    @property
    def is_ever_open(self) -> bool:
        """Whether there is a date on which one of them begins."""
        return not self._openings or any(each.is_ever_open for each in self._openings)


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _calendar(name: str, calendars: Calendars, target: str) -> frozenset[date] | None:
    if not name:
        return None
    found = calendars.get(name)
    if found is None:
        raise InvalidRequest(f"{target}: There is no calendar {name!r}.", target=target)
    return found


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is a folder of zones
        return None
