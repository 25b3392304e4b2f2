"""schedule_delivery_time and validity_period (SMPP 3.4 §7.1.1): `YYMMDDhhmmsstnnp`."""

import re
from datetime import UTC, datetime
from typing import Final

from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND

_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([+\-R])", re.ASCII)

MONTH: Final = 30 * DAY
YEAR: Final = 365 * DAY
"""Of relative times, which §7.1.1.2 leaves open."""

QUARTER: Final = 15 * MINUTE
"""The unit of the offset from UTC."""

MAX_QUARTERS: Final = 48
"""§7.1.1.1."""


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
