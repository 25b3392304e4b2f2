"""What is thought of everything that is watched: observations in, alarms raised and cleared out. Pure.

One alarm for each thing, however often it comes and goes: it is raised when the thing was wrong for a while
without a break, and cleared when it was right for a while. What is neither, because it lies between two
thresholds, changes nothing. What is not observed any more (a link that was removed) is right.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telephony.alarms.settings import AlarmSettings
from telephony.alarms.states import OPEN, WATCH, WatchEvent, WatchState
from telephony.kernel.clock import SECOND


class AlarmKind(StrEnum):
    """What can be wrong."""

    LINK = "link"  # an SMPP link is not bound
    STORE = "store"  # the database does not take writes
    DISK = "disk"  # the data folder's disk fills
    CERTIFICATE = "certificate"  # it ends soon
    ENDPOINT = "endpoint"  # nobody answers at a webhook's endpoint


class Severity(StrEnum):
    """How bad it is."""

    WARNING = "warning"  # look at it today
    CRITICAL = "critical"  # traffic suffers


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """What is watched."""

    kind: AlarmKind
    subject: str
    """A link's name, a folder, a subscription's id."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How a thing is now."""

    thing: Thing
    wrong: bool | None
    """None: neither clearly wrong nor clearly right."""
    text: str
    """What is wrong, in words."""
    severity: Severity = Severity.CRITICAL


class Turn(StrEnum):
    """What became of an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm that was raised or cleared."""

    turn: Turn
    thing: Thing
    severity: Severity
    text: str
    at: int
    """Microseconds UTC."""


@dataclass(slots=True)
class _Watched:
    state: WatchState
    since: int
    last: Observation


GONE: Final = "It is not watched any more."


class Watch:
    """Remembers what was seen."""

    def __init__(self, settings: AlarmSettings, open_alarms: Mapping[Thing, Observation], now: int) -> None:
        """`open_alarms` are those of an earlier life of this node."""
        self._after = round(settings.after_seconds * SECOND)
        self._clear = round(settings.clear_seconds * SECOND)
        self._watched = {
            thing: _Watched(WatchState.RAISED, now, observation) for thing, observation in open_alarms.items()
        }

    def open(self) -> list[Observation]:
        """Return what is wrong: every alarm that is not cleared."""
        return [each.last for each in self._watched.values() if each.state in OPEN]

    def observe(self, observations: Iterable[Observation], now: int) -> list[Transition]:
        """Take in how everything is at `now`; return the alarms that this raises and clears."""
        seen = {each.thing: each for each in observations}
        found: list[Transition] = []
        for thing, watched in self._watched.items():
            if thing not in seen:
                last = watched.last
                seen[thing] = Observation(thing, False, GONE, last.severity)
        for thing, observation in sorted(seen.items()):
            watched = self._watched.setdefault(thing, _Watched(WATCH.initial, now, observation))
            found += self._see(watched, observation, now)
            if watched.state is WatchState.QUIET:
                del self._watched[thing]
        return found

    def _see(self, watched: _Watched, observation: Observation, now: int) -> list[Transition]:
        if observation.wrong is not None:
            event = WatchEvent.WRONG if observation.wrong else WatchEvent.RIGHT
            if WATCH.allows(watched.state, event):
                watched.state, watched.since = WATCH.fire(watched.state, event), now
            if observation.wrong:
                watched.last = observation
        lasting = self._after if watched.state is WatchState.SUSPECT else self._clear
        if now - watched.since < lasting or not WATCH.allows(watched.state, WatchEvent.LASTED):
            return []
        watched.state, watched.since = WATCH.fire(watched.state, WatchEvent.LASTED), now
        last = watched.last
        turn = Turn.RAISED if watched.state is WatchState.RAISED else Turn.CLEARED
        return [Transition(turn, last.thing, last.severity, last.text, now)]
