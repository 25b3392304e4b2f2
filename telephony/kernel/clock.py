"""Time, handed to whatever needs it: integer microseconds since the epoch, UTC."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where time comes from; tests hand in one that they move by hand."""

    def now(self) -> int:
        """Return microseconds since the epoch, UTC: what is written down."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards: what intervals are measured with."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """See `Clock.now`."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


def to_iso(at: int) -> str:
    """Return ISO 8601 in UTC with six digits, as every ACS client can parse (`%f` refuses seven)."""
    seconds, microseconds = divmod(at, SECOND)
    return f"{_to_the_second(seconds)}.{microseconds:06d}+00:00"


@lru_cache(maxsize=64)  # each message has several times, nearly all of this second
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def from_iso(text: str) -> int | None:
    """Return microseconds of an ISO 8601 time with a zone, or None when `text` is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    passed = moment - _EPOCH  # `timestamp()` is a float, which rounds up to the next second one day
    return passed.days * DAY + passed.seconds * SECOND + passed.microseconds
