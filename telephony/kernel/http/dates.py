"""HTTP dates (RFC 9110 §5.6.7, the preferred form only): the times that clients sign and repeat."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from telephony.kernel.clock import SECOND, from_iso

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LENGTH: Final = len("Sun, 06 Nov 1994 08:49:37 GMT")


@lru_cache(maxsize=256)  # clients' dates have one second of resolution: a busy second brings one text
def parse_http_date(text: str) -> int | None:
    """Return the microseconds of `Sun, 06 Nov 1994 08:49:37 GMT`, or None when `text` is not such a date."""
    if len(text) != _LENGTH or not text.isascii() or text[3:5] != ", " or text[25:] != " GMT":
        return None
    if text[:3] not in _DAYS or text[8:12].strip() not in _MONTHS or text[7] != " " or text[11] != " ":
        return None
    numbers = (text[5:7], text[12:16], text[17:19], text[20:22], text[23:25])
    if text[16] != " " or text[19] != ":" or text[22] != ":" or not all(part.isdigit() for part in numbers):
        return None
    day, year, hour, minute, second = (int(part) for part in numbers)
    try:
        moment = datetime(year, _MONTHS.index(text[8:11]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND


def format_http_date(at: int) -> str:
    """Return the microseconds `at` as an HTTP date."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def parse_date(text: str) -> int | None:
    """Return the microseconds of an HTTP date or an ISO 8601 time with a zone; clients send either."""
    at = parse_http_date(text)
    return at if at is not None else from_iso(text)
