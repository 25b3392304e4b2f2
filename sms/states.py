"""The life of a message as two tables. No transition stands anywhere else."""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class MessageState(Enum):
    """Where a message is. The values stand in the store."""

    ACCEPTED = "accepted"  # on disk, nothing sent yet
    SUBMITTING = "submitting"  # parts may be on the wire; after a crash nobody knows
    SUBMITTED = "submitted"  # the carrier took every part
    DELIVERED = "delivered"  # the receipts say so
    FAILED = "failed"  # the carrier refused it, or a receipt says so
    EXPIRED = "expired"  # its validity ran out, here or at the carrier
    UNREPORTED = "unreported"  # the carrier took it, no receipt came in time
    CANCELLED = "cancelled"  # taken back before anything was sent
    RECEIVED = "received"  # inbound, on disk, and on its way to where a rule sends it
    REFUSED = "refused"  # inbound, on disk, and told nobody: no rule is for it, or one refuses it


class MessageEvent(Enum):
    """What can happen to a message."""

    CLAIM = "claim"  # the dispatcher is about to send it
    REROUTE = "reroute"  # another carrier is to send it, and this one has nothing of it that it said
    RELEASE = "release"  # claimed, but nothing of it went to the wire: it waits again
    SUBMIT = "submit"  # the last part was taken by the carrier
    REFUSE = "refuse"  # the carrier refused a part for good
    DELIVER = "deliver"  # the last part's receipt: delivered
    FAIL = "fail"  # a part's receipt: not delivered
    EXPIRE = "expire"  # validity ran out
    BLOCK = "block"  # the recipient opted out before anything was sent
    GIVE_UP = "give up"  # the time for receipts ran out
    CANCEL = "cancel"  # somebody took it back
    REQUEUE = "requeue"  # somebody wants it sent again


class InboundEvent(Enum):
    """What can happen to an inbound message."""

    REFUSE = "refuse"  # no rule is for it, or one refuses it
    FAIL = "fail"  # nothing that its rule leads to took it


_S = MessageState
_E = MessageEvent

OUTBOUND: Final = Machine(
    "outbound message",
    _S.ACCEPTED,
    {
        (_S.ACCEPTED, _E.CLAIM): _S.SUBMITTING,
        (_S.ACCEPTED, _E.EXPIRE): _S.EXPIRED,
        (_S.ACCEPTED, _E.BLOCK): _S.FAILED,
        (_S.ACCEPTED, _E.CANCEL): _S.CANCELLED,
        (_S.ACCEPTED, _E.REROUTE): _S.ACCEPTED,
        (_S.SUBMITTING, _E.RELEASE): _S.ACCEPTED,
        (_S.SUBMITTING, _E.REROUTE): _S.ACCEPTED,
        (_S.SUBMITTING, _E.SUBMIT): _S.SUBMITTED,
        (_S.SUBMITTING, _E.REFUSE): _S.FAILED,
        (_S.SUBMITTING, _E.EXPIRE): _S.EXPIRED,
        (_S.SUBMITTED, _E.DELIVER): _S.DELIVERED,
        (_S.SUBMITTED, _E.FAIL): _S.FAILED,
        (_S.SUBMITTED, _E.EXPIRE): _S.EXPIRED,
        (_S.SUBMITTED, _E.GIVE_UP): _S.UNREPORTED,
        (_S.FAILED, _E.REQUEUE): _S.ACCEPTED,
        (_S.EXPIRED, _E.REQUEUE): _S.ACCEPTED,
        (_S.UNREPORTED, _E.REQUEUE): _S.ACCEPTED,
        (_S.CANCELLED, _E.REQUEUE): _S.ACCEPTED,
    },
)
"""An outbound message."""

ENDED: Final = frozenset({_S.DELIVERED, _S.FAILED, _S.EXPIRED, _S.UNREPORTED, _S.CANCELLED})
"""States of outbound messages that nobody works on; only by hand does one go on from there."""

INBOUND: Final = Machine(
    "inbound message",
    _S.RECEIVED,
    {
        (_S.RECEIVED, InboundEvent.REFUSE): _S.REFUSED,
        (_S.RECEIVED, InboundEvent.FAIL): _S.FAILED,
    },
)
"""An inbound message is over as soon as it is on disk; what follows is the webhook's life, or that of the
message by which it is sent on."""
