"""schedule_delivery_time and validity_period (SMPP 3.4 §7.1.1): `YYMMDDhhmmsstnnp`."""

import re
from datetime import UTC, datetime
from typing import Final

from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND

_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([+\-R])", re.ASCII)

MONTH: Final = 30 * DAY
YEAR: Final = 365 * DAY
"""Of relative times, which §7.1.1.2 leaves open."""

MAX_RELATIVE: Final = 31 * DAY
"""The longest relative time that needs no months, about whose length SMSCs may differ."""

QUARTER: Final = 15 * MINUTE
"""The unit of the offset from UTC."""

MAX_QUARTERS: Final = 48
"""§7.1.1.1."""


def absolute_time(at: int) -> str:
    """Return a moment (microseconds UTC, in this century) in whole seconds (§7.1.1.1)."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%y%m%d%H%M%S}000+"


def relative_time(duration: int) -> str:
    """Return a duration (microseconds) in whole seconds, at least one and at most MAX_RELATIVE (§7.1.1.2)."""
    seconds = max(1, min(duration, MAX_RELATIVE) // SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"


def parse_time(text: str, now: int) -> int | None:
    """Return the moment in microseconds UTC that `text` means at `now`; None when it is no such time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    years, months, days, hours, minutes, seconds, tenths, quarters = map(int, found.groups()[:8])
    sign = found[9]
    if sign == "R":
        time = hours * HOUR + minutes * MINUTE + seconds * SECOND
        return now + years * YEAR + months * MONTH + days * DAY + time
    if quarters > MAX_QUARTERS:
        return None
    try:
        moment = datetime(2000 + years, months, days, hours, minutes, seconds, tzinfo=UTC)
    except ValueError:
        return None
    local = int(moment.timestamp()) * SECOND + tenths * SECOND // 10
    return local - quarters * QUARTER if sign == "+" else local + quarters * QUARTER
