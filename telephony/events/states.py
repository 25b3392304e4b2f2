"""The lives of a subscription and of a delivery as two tables. No transition stands anywhere else."""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class SubscriptionState(Enum):
    """Where a subscription is. The values stand in the store."""

    AWAITING = "awaiting-validation"  # the endpoint has not agreed yet
    ACTIVE = "active"  # events are delivered
    DISABLED = "disabled"  # switched off: no new events; what waits keeps waiting
    FAILED = "failed"  # nobody agreed in time


class SubscriptionEvent(Enum):
    """What can happen to a subscription."""

    VALIDATE = "validate"  # the endpoint agreed
    LAPSE = "lapse"  # the time to agree ran out
    DISABLE = "disable"
    ENABLE = "enable"


class DeliveryState(Enum):
    """Where a delivery is. The values stand in the store.

    One that is on the wire is still pending or waiting there; after a crash it is sent again.
    """

    PENDING = "pending"  # never tried
    WAITING = "waiting"  # tried, and due again later
    DELIVERED = "delivered"  # the endpoint took it
    DEAD = "dead"  # given up; kept as a dead letter


class DeliveryEvent(Enum):
    """What can happen to a delivery."""

    ACCEPT = "accept"  # answered 200 to 204
    FAIL = "fail"  # anything else, and another try is allowed
    GIVE_UP = "give up"  # no try is left, or none would help
    REDRIVE = "redrive"  # an operator sends a dead letter again


_S = SubscriptionState
_SE = SubscriptionEvent

SUBSCRIPTION: Final = Machine(
    "webhook subscription",
    _S.AWAITING,
    {
        (_S.AWAITING, _SE.VALIDATE): _S.ACTIVE,
        (_S.AWAITING, _SE.LAPSE): _S.FAILED,
        (_S.ACTIVE, _SE.DISABLE): _S.DISABLED,
        (_S.DISABLED, _SE.ENABLE): _S.ACTIVE,
    },
)
"""A subscription."""

_D = DeliveryState
_DE = DeliveryEvent

DELIVERY: Final = Machine(
    "webhook delivery",
    _D.PENDING,
    {
        (_D.PENDING, _DE.ACCEPT): _D.DELIVERED,
        (_D.PENDING, _DE.FAIL): _D.WAITING,
        (_D.PENDING, _DE.GIVE_UP): _D.DEAD,
        (_D.WAITING, _DE.ACCEPT): _D.DELIVERED,
        (_D.WAITING, _DE.FAIL): _D.WAITING,
        (_D.WAITING, _DE.GIVE_UP): _D.DEAD,
        (_D.DEAD, _DE.REDRIVE): _D.PENDING,
    },
)
"""A delivery: one event to one subscription."""
