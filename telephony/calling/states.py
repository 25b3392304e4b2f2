"""The life of a leg as two tables: one that we dial, one that came. No transition stands anywhere else."""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class LegState(Enum):
    """Where a leg is. The values stand in the store."""

    DIALLING = "dialling"  # INVITE is on its way, nothing came back but 100
    OFFERED = "offered"  # it came, and was told 100
    RINGING = "ringing"  # 180: somebody is being called
    EARLY = "early"  # 183 with SDP: sound before the answer
    UP = "up"  # answered
    HELD = "held"  # answered, and one of the two sides holds
    CANCELLING = "cancelling"  # we gave up before the answer, and wait for 487
    ENDED = "ended"


class LegEvent(Enum):
    """What can happen to a leg."""

    RING = "ring"
    EARLY_MEDIA = "early media"
    ANSWER = "answer"
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"  # by us, before the answer
    END = "end"  # a final response that is no 2xx, BYE, or the loss of its worker


_S = LegState
_E = LegEvent

_UP: Final = {
    (_S.UP, _E.HOLD): _S.HELD,
    (_S.HELD, _E.HOLD): _S.HELD,  # the other side too
    (_S.HELD, _E.RESUME): _S.UP,
    (_S.UP, _E.RESUME): _S.UP,
    (_S.UP, _E.END): _S.ENDED,
    (_S.HELD, _E.END): _S.ENDED,
}

OUTBOUND: Final = Machine(
    "outbound leg",
    _S.DIALLING,
    {
        (_S.DIALLING, _E.RING): _S.RINGING,
        (_S.DIALLING, _E.EARLY_MEDIA): _S.EARLY,
        (_S.DIALLING, _E.ANSWER): _S.UP,
        (_S.DIALLING, _E.CANCEL): _S.CANCELLING,
        (_S.DIALLING, _E.END): _S.ENDED,
        (_S.RINGING, _E.RING): _S.RINGING,  # 180 again, 181, 182
        (_S.RINGING, _E.EARLY_MEDIA): _S.EARLY,
        (_S.RINGING, _E.ANSWER): _S.UP,
        (_S.RINGING, _E.CANCEL): _S.CANCELLING,
        (_S.RINGING, _E.END): _S.ENDED,
        (_S.EARLY, _E.RING): _S.EARLY,  # ringing behind an announcement; its sound goes on
        (_S.EARLY, _E.EARLY_MEDIA): _S.EARLY,
        (_S.EARLY, _E.ANSWER): _S.UP,
        (_S.EARLY, _E.CANCEL): _S.CANCELLING,
        (_S.EARLY, _E.END): _S.ENDED,
        # The answer crossed our CANCEL (RFC 3261 §9.1): it is up, and whoever gave up ends it by BYE.
        (_S.CANCELLING, _E.ANSWER): _S.UP,
        (_S.CANCELLING, _E.RING): _S.CANCELLING,
        (_S.CANCELLING, _E.EARLY_MEDIA): _S.CANCELLING,
        (_S.CANCELLING, _E.END): _S.ENDED,
        **_UP,
    },
)
"""A leg that we dial."""

INBOUND: Final = Machine(
    "inbound leg",
    _S.OFFERED,
    {
        (_S.OFFERED, _E.RING): _S.RINGING,
        (_S.OFFERED, _E.EARLY_MEDIA): _S.EARLY,
        (_S.OFFERED, _E.ANSWER): _S.UP,
        (_S.OFFERED, _E.END): _S.ENDED,
        (_S.RINGING, _E.RING): _S.RINGING,
        (_S.RINGING, _E.EARLY_MEDIA): _S.EARLY,
        (_S.RINGING, _E.ANSWER): _S.UP,
        (_S.RINGING, _E.END): _S.ENDED,
        (_S.EARLY, _E.EARLY_MEDIA): _S.EARLY,
        (_S.EARLY, _E.ANSWER): _S.UP,
        (_S.EARLY, _E.END): _S.ENDED,
        **_UP,
    },
)
"""A leg that came."""
