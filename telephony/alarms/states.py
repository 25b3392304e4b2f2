"""How a trouble becomes an alarm, and an alarm ends, as a table. No transition stands anywhere else."""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class WatchState(Enum):
    """What is thought of one thing that is watched."""

    QUIET = "quiet"  # nothing is wrong
    SUSPECT = "suspect"  # wrong, but not for long enough
    RAISED = "raised"  # an alarm
    RECOVERING = "recovering"  # right again, but not for long enough: still an alarm


class WatchEvent(Enum):
    """What can be seen of it."""

    WRONG = "wrong"
    RIGHT = "right"
    LASTED = "lasted"  # it was so for as long as the settings say


_S = WatchState
_E = WatchEvent

WATCH: Final = Machine(
    "alarm",
    _S.QUIET,
    {
        (_S.QUIET, _E.WRONG): _S.SUSPECT,
        (_S.SUSPECT, _E.RIGHT): _S.QUIET,
        (_S.SUSPECT, _E.LASTED): _S.RAISED,
        (_S.RAISED, _E.RIGHT): _S.RECOVERING,
        (_S.RECOVERING, _E.WRONG): _S.RAISED,
        (_S.RECOVERING, _E.LASTED): _S.QUIET,
    },
)
"""One thing that is watched."""

OPEN: Final = frozenset({WatchState.RAISED, WatchState.RECOVERING})
"""The states in which an alarm is open."""
