"""What an interaction costs by its rate: exact integers of 10⁻⁶ units. Pure.

The rules, which docs/how-to/usage-and-limits.md tells users:
- A call's length is billed as the first increment, then as many whole further ones as it takes; what is
  begun counts. A call that was not answered costs nothing, not even its set-up fee.
- Its price is set-up fee + billed seconds × price a minute / 60, rounded up to 10⁻⁶ units once, at the end.
- A message's is set-up fee + segments × price a segment, which needs no rounding.
- Neither is below the rate's minimum.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from telephony.kernel.clock import SECOND

FOREVER: Final = 2**62
"""The end of what has none: microseconds UTC, later than any clock."""

MAX_INCREMENT: Final = 3600
"""Seconds; the longest that carriers bill by is a minute or three."""

MINUTE_SECONDS: Final = 60


class Kind(StrEnum):
    """What a rate is for; `interactions.kind` of a message is `sms`, of a call `call`."""

    VOICE = "voice"
    SMS = "sms"
    SMS_IN = "sms-in"
    """A text that comes in; its prefix is that of the resource's number."""


class Rate(Struct, frozen=True, array_like=True, gc=False):
    """One line of a rate sheet. Amounts are in 10⁻⁶ units of the sheet's currency."""

    line: int
    """Where it stood in the file."""
    kind: Kind
    prefix: str
    """Digits of E.164 without the plus; empty: every number."""
    price: int
    """A minute of a call, a segment of a message."""
    setup: int = 0
    minimum: int = 0
    first: int = 1
    """Seconds of a call's first increment."""
    next: int = 1
    """Seconds of each further one."""
    since: int = 0
    """First moment at which it is in force: microseconds UTC."""
    until: int = FOREVER
    """First moment at which it is not any more."""
    destination: str = ""
    """What people call it."""


def billed_seconds(microseconds: int, first: int, following: int) -> int:
    """Return the seconds that a call of some length is billed by increments of `first`, then `following`."""
    if microseconds <= 0:
        return 0
    rest = microseconds - first * SECOND
    if rest <= 0:
        return first
    return first + -(-rest // (following * SECOND)) * following


def price_of_call(rate: Rate, microseconds: int) -> int:
    """Return what an answered call of some length costs; 0 for one of no length: it was not answered."""
    seconds = billed_seconds(microseconds, rate.first, rate.next)
    if seconds == 0:
        return 0
    return max(rate.minimum, rate.setup - (-rate.price * seconds // MINUTE_SECONDS))


def price_of_message(rate: Rate, segments: int) -> int:
    """Return what a message of some segments costs; 0 for none."""
    if segments <= 0:
        return 0
    return max(rate.minimum, rate.setup + rate.price * segments)
