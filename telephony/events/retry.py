"""When a delivery is tried again, and when it is given up: decided from its numbers alone.

The schedule is Event Grid's, with jitter on top, so that what failed together does not come back together.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telephony.kernel.clock import SECOND

SCHEDULE: Final = (10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""Seconds after the first, second, … try; the last repeats. Ten tries fit in 24 h, jitter included."""

JITTER: Final = 0.2
"""The most that is added to a pause, as a share of it; nothing is ever taken off."""

AT_LEAST: Final = {400: 300, 401: 300, 403: 300, 404: 300, 408: 120, 503: 30}
"""Seconds that pass after these statuses whatever the schedule says."""

REFUSED_AT_LEAST: Final = 300
"""Seconds after a try that our own address policy refused: only people change that."""

HOPELESS: Final = frozenset({400, 413})
"""Statuses after which the same body cannot succeed."""

ACCEPTED: Final = range(200, 205)
"""Statuses that count as delivered."""

DEFAULT_ATTEMPTS: Final = 30
DEFAULT_TTL_MINUTES: Final = 1440
MAX_ATTEMPTS: Final = 30
MAX_TTL_MINUTES: Final = 1440


class DeadReason(StrEnum):
    """Why a delivery was given up. The first two are Event Grid's words."""

    ATTEMPTS = "MaxDeliveryAttemptsExceeded"
    EXPIRED = "TimeToLiveExceeded"
    REJECTED = "RequestRejected"
    UNSUBSCRIBED = "SubscriptionDeleted"


@dataclass(frozen=True, slots=True)
class Tries:
    """A delivery's numbers after a failed try. Times in microseconds UTC."""

    attempts: int
    """Tries so far, the failed one included."""
    max_attempts: int
    expires: int
    now: int


def pause_seconds(attempts: int, status: int | None, *, refused: bool = False, chance: float) -> float:
    """Return seconds until the next try after `attempts` tries.

    `status` is the HTTP status of the last one, None when there was no answer; `refused` that our policy did
    not let it out; `chance` a random number in [0, 1).
    """
    scheduled = SCHEDULE[min(attempts, len(SCHEDULE)) - 1]
    least = REFUSED_AT_LEAST if refused else AT_LEAST.get(status or 0, 0)
    return max(scheduled, least) * (1 + JITTER * chance)


def decide(
    tries: Tries, status: int | None, *, refused: bool = False, chance: float
) -> tuple[int, None] | tuple[None, DeadReason]:
    """Return when to try again (microseconds UTC), or why not at all.

    A try that would come after the event's time to live is not waited for.
    """
    if status in HOPELESS:
        return None, DeadReason.REJECTED
    if tries.attempts >= tries.max_attempts:
        return None, DeadReason.ATTEMPTS
    due = tries.now + round(pause_seconds(tries.attempts, status, refused=refused, chance=chance) * SECOND)
    return (None, DeadReason.EXPIRED) if due >= tries.expires else (due, None)
