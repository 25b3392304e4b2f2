"""The life of a leg as two tables, one that we dial, one that came; and that of a call, as its record has it.

No transition stands anywhere else.
"""

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


class CallState(Enum):
    """Where a call is. The values stand in the store, and none of them is a message's."""

    SETUP = "setup"  # it came, or is to go out; nobody is being called yet
    RINGING = "ringing"
    TALKING = "talking"  # answered
    COMPLETED = "completed"  # it was answered, and is over
    REJECTED = "rejected"  # we did not let it: limits, rules, caller id
    UNANSWERED = "unanswered"  # nobody answered in time
    BUSY = "busy"
    UNREACHED = "unreached"  # the number or the way to it does not work
    ABANDONED = "abandoned"  # the caller hung up before the answer
    LOST = "lost"  # a process of ours died with it


class CallEvent(Enum):
    """What can happen to a call."""

    RING = "ring"
    ANSWER = "answer"
    HANG_UP = "hang up"
    REJECT = "reject"
    TIME_OUT = "time out"
    FIND_BUSY = "find busy"
    FAIL = "fail"
    ABANDON = "abandon"
    LOSE = "lose"


_C: Final = CallState
_BEFORE: Final = {
    CallEvent.REJECT: _C.REJECTED,
    CallEvent.TIME_OUT: _C.UNANSWERED,
    CallEvent.FIND_BUSY: _C.BUSY,
    CallEvent.FAIL: _C.UNREACHED,
    CallEvent.ABANDON: _C.ABANDONED,
    CallEvent.LOSE: _C.LOST,
}

CALL: Final = Machine(
    "call",
    _C.SETUP,
    {
        (_C.SETUP, CallEvent.RING): _C.RINGING,
        (_C.SETUP, CallEvent.ANSWER): _C.TALKING,
        **{(_C.SETUP, event): state for event, state in _BEFORE.items()},
        (_C.RINGING, CallEvent.RING): _C.RINGING,
        (_C.RINGING, CallEvent.ANSWER): _C.TALKING,
        **{(_C.RINGING, event): state for event, state in _BEFORE.items()},
        (_C.TALKING, CallEvent.ANSWER): _C.TALKING,  # the next target's
        (_C.TALKING, CallEvent.RING): _C.TALKING,
        (_C.TALKING, CallEvent.HANG_UP): _C.COMPLETED,
        (_C.TALKING, CallEvent.LOSE): _C.LOST,
    },
)
"""A call, from its first INVITE to its record."""
