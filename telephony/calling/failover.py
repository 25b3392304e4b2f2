"""Whether the next trunk is tried after one failed (R8). Pure.

Only before anybody was called (any 18x), and only for what says that this way does not work, never for what
the callee or its network said about the number.
"""

from enum import Enum
from typing import Final

MOST_ATTEMPTS: Final = 3
"""Trunks that one call tries."""

NO_RESPONSE_SECONDS: Final = 4.0
"""Without even a 100 by then a trunk counts as dead for this call; Timer B would keep people waiting 32 s."""

RETRIED: Final = frozenset({408, 500, 502, 503, 504})
"""Statuses after which another trunk may do."""

NEVER: Final = frozenset({403, 404, 480, 484, 486, 487, 600, 603, 604, 607, 608})
"""Statuses that are the callee's answer; no trunk's list can name them."""


class Fault(Enum):
    """What a trunk can do beside answering with a status."""

    SILENT = "no response"  # nothing at all within NO_RESPONSE_SECONDS
    TRANSPORT = "transport error"  # refused, unreachable, TLS failed
    DOWN = "down"  # known to be before it was asked (R9)


def tries_next(
    outcome: int | Fault,
    *,
    rang: bool,
    attempts: int,
    codecs_differ: bool = False,
    extended: frozenset[int] = frozenset(),
    cancelled: bool = False,
) -> bool:
    """Tell whether the next trunk is tried after `outcome` of the one before.

    `rang`: a 18x came. `attempts`: trunks tried so far, this one included. `codecs_differ`: the next one is
    offered other codecs. `extended`: statuses that this trunk's operator added by name.
    """
    if cancelled or rang or attempts >= MOST_ATTEMPTS:
        return False
    if isinstance(outcome, Fault):
        return True
    if outcome in NEVER or outcome < 400:
        return False
    return outcome in RETRIED or outcome in extended or (outcome == 488 and codecs_differ)


def why_not(
    outcome: int | Fault, *, rang: bool, attempts: int, codecs_differ: bool = False, cancelled: bool = False
) -> str:
    """Return why no further trunk is tried, in words, for the timeline."""
    if cancelled:
        return "the caller has hung up"
    if rang:
        return "somebody was being called already"
    if attempts >= MOST_ATTEMPTS:
        return f"{MOST_ATTEMPTS} trunks were tried"
    if outcome == 488 and not codecs_differ:
        return "the next trunk takes the same codecs"
    return f"{outcome} is an answer, not a fault of the trunk"
