"""The life of a number in the inventory, and of what holds numbers for somebody.

No transition stands anywhere else.
"""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class NumberState(Enum):
    """Where a number is. The values stand in the store."""

    FREE = "free"  # anybody may have it
    RESERVED = "reserved"  # held for one resource by a search or a reservation, until a time
    OWNED = "owned"  # a resource's
    RELEASED = "released"  # nobody's yet: callers of its last owner shall not reach the next


class NumberEvent(Enum):
    """What can happen to a number."""

    RESERVE = "reserve"  # a search found it, or a reservation took it
    LAPSE = "lapse"  # the time of the hold ran out
    GIVE_BACK = "give back"  # the holder does not want it
    BUY = "buy"  # the holder bought it
    ASSIGN = "assign"  # the operator gave it to a resource
    RELEASE = "release"  # its owner does not want it any more
    RECOVER = "recover"  # the quarantine is over


class HoldState(Enum):
    """Where a hold is: a search's result or a reservation. The values stand in the store."""

    ACTIVE = "active"  # its numbers are held until its time
    COMPLETED = "completed"  # bought
    EXPIRED = "expired"  # its time ran out
    CANCELLED = "cancelled"  # given back


class HoldEvent(Enum):
    """What can happen to a hold."""

    CHANGE = "change"  # numbers come and go, and its time begins anew
    PURCHASE = "purchase"
    EXPIRE = "expire"
    CANCEL = "cancel"


_N, _E = NumberState, NumberEvent

NUMBER: Final = Machine(
    "number",
    _N.FREE,
    {
        (_N.FREE, _E.RESERVE): _N.RESERVED,
        (_N.FREE, _E.ASSIGN): _N.OWNED,
        (_N.RESERVED, _E.BUY): _N.OWNED,
        (_N.RESERVED, _E.LAPSE): _N.FREE,
        (_N.RESERVED, _E.GIVE_BACK): _N.FREE,
        (_N.OWNED, _E.RELEASE): _N.RELEASED,
        (_N.RELEASED, _E.RECOVER): _N.FREE,
    },
)
"""A number. What becomes free by time does so on the database's clock: see `hold_time`."""

_H, _V = HoldState, HoldEvent

HOLD: Final = Machine(
    "hold on numbers",
    _H.ACTIVE,
    {
        (_H.ACTIVE, _V.CHANGE): _H.ACTIVE,
        (_H.ACTIVE, _V.PURCHASE): _H.COMPLETED,
        (_H.ACTIVE, _V.EXPIRE): _H.EXPIRED,
        (_H.ACTIVE, _V.CANCEL): _H.CANCELLED,
    },
)
"""A search's result or a reservation."""
