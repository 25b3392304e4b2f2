"""What the supervisor decides, without processes, signals or a clock: a table of states, and back-off.

Whoever calls hands in what happened and the time (monotonic seconds), does what comes back, in order, and
calls `tick` when `deadline` has come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from tandem.supervisor.spec import EXIT_CONFIGURATION, ChildSpec, Ready, Restart

STEADY_SECONDS: Final = 10.0
"""A child that was ready this long counts as healthy again: its next failure is a first one."""

FIRST_PAUSE: Final = 0.1
"""Seconds before the second restart in a row; it doubles. The first restart has no pause at all."""

LONGEST_PAUSE: Final = 30.0
"""Ceiling of the pause for a child that never gets ready: something has to be repaired by hand."""

LONGEST_PAUSE_READY: Final = 0.5
"""Ceiling for a child that does get ready before it dies: however often the gateway is killed, it is back
within two seconds, of which its start takes more than one."""

MISCONFIGURED_SECONDS: Final = 5.0
"""How long a child that never was ready and says that its configuration is wrong is tried again: a port or a
lock may still be held by a node before this one that is just stopping."""

EXIT_KILLED: Final = 1
"""Exit status when a child had to be killed to stop."""

EXIT_INTERRUPTED: Final = 130
"""Exit status when a second interrupt killed everything (128 + SIGINT)."""


class State(Enum):
    """Where a child is."""

    WAITING = "waiting"  # for others to be ready, or for its pause to end
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"  # was told to; killed when it takes too long
    ENDED = "ended"


class Event(Enum):
    """What happens to a child."""

    START = "start"
    READY = "ready"
    EXIT = "exit"  # and it shall run again
    END = "end"  # and it shall not
    STOP = "stop"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.WAITING, Event.START): State.STARTING,
    (State.WAITING, Event.STOP): State.ENDED,
    (State.STARTING, Event.READY): State.READY,
    (State.STARTING, Event.EXIT): State.WAITING,
    (State.STARTING, Event.END): State.ENDED,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.READY, Event.EXIT): State.WAITING,
    (State.READY, Event.END): State.ENDED,
    (State.READY, Event.STOP): State.STOPPING,
    (State.STOPPING, Event.END): State.ENDED,
}
"""Every transition there is; what is not here is ignored (a report of readiness while stopping, say)."""

RUNNING: Final = frozenset({State.STARTING, State.READY, State.STOPPING})


@dataclass(frozen=True, slots=True)
class Start:
    """Start this child."""

    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask this child to stop: SIGTERM."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End this child: SIGKILL, its process group too."""

    name: str


Action: TypeAlias = Start | Stop | Kill


@dataclass(slots=True)
class Child:
    """A child and what is known of it."""

    spec: ChildSpec
    state: State = State.WAITING
    failures: int = 0
    """Exits in a row without having been ready for STEADY_SECONDS in between."""
    unready: int = 0
    """Exits in a row without having been ready at all: only these make a pause long."""
    not_before: float = 0.0
    """When it may start again."""
    ready_since: float | None = None
    first_started: float | None = None
    ever_ready: bool = False
    kill_at: float | None = None

    def fire(self, event: Event) -> bool:
        """Follow the table; tell whether it had such an entry."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True


@dataclass(slots=True)
class Supervision:
    """Every child of a node, and whether the node is stopping."""

    specs: Sequence[ChildSpec]
    children: dict[str, Child] = field(init=False)
    stopping: bool = False
    exit_status: int = 0
    """With what to exit once `finished`."""

    def __post_init__(self) -> None:
        self.children = {spec.name: Child(spec) for spec in self.specs}

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing will: all were stopped, or all were one-shots that ended."""
        return all(child.state is State.ENDED for child in self.children.values())

    @property
    def ready(self) -> bool:
        """Whether all that shall run is ready. One-shots do not count."""
        kept = [child for child in self.children.values() if child.spec.restart is Restart.ALWAYS]
        return not self.stopping and all(child.state is State.READY for child in kept)

    def deadline(self) -> float | None:
        """Return when `tick` has something to do even if nothing happens."""
        moments = [child.kill_at for child in self.children.values() if child.kill_at is not None]
        if not self.stopping:
            moments += [
                child.not_before
                for child in self.children.values()
                if child.state is State.WAITING and child.failures
            ]
        return min(moments, default=None)

    def tick(self, now: float) -> list[Action]:
        """Return what is to be done now: starts that are due, kills of those that do not stop."""
        return list(self._due(now))

    def _due(self, now: float) -> Iterator[Action]:
        for child in self.children.values():
            if child.kill_at is not None and now >= child.kill_at:
                child.kill_at = None
                self.exit_status = self.exit_status or EXIT_KILLED
                yield Kill(child.spec.name)
        if self.stopping:
            yield from self._stop_next(now)
            return
        for child in self.children.values():
            if child.state is State.WAITING and now >= child.not_before and self._may_start(child):
                child.fire(Event.START)
                if child.first_started is None:
                    child.first_started = now
                yield Start(child.spec.name)
                if child.spec.ready is Ready.STARTED:
                    yield from self.reported_ready(child.spec.name, now)

    def _may_start(self, child: Child) -> bool:
        # Only the first start waits for others: a restart must not hang on a neighbour that is down as well.
        return child.failures > 0 or all(
            self.children[name].state is State.READY for name in child.spec.after
        )

    def reported_ready(self, name: str, now: float) -> list[Action]:
        """A child is ready. Returns what is to be done."""
        child = self.children[name]
        if not child.fire(Event.READY):
            return []
        child.ready_since = now
        child.ever_ready = True
        return self.tick(now)

    def exited(self, name: str, status: int, now: float) -> list[Action]:
        """A child is gone, `status` as in subprocess (negative: a signal). Returns what is to be done."""
        child = self.children[name]
        was_ready_for = None if child.ready_since is None else now - child.ready_since
        child.ready_since = child.kill_at = None
        if self.stopping or child.spec.restart is Restart.NEVER:
            child.fire(Event.END)
            return self.tick(now)
        tried_for = 0.0 if child.first_started is None else now - child.first_started
        if status == EXIT_CONFIGURATION and not child.ever_ready and tried_for >= MISCONFIGURED_SECONDS:
            child.fire(Event.END)
            self.exit_status = EXIT_CONFIGURATION
            return self.stop(now)
        child.fire(Event.EXIT)
        if was_ready_for is not None and was_ready_for >= STEADY_SECONDS:
            child.failures = 0
        child.failures += 1
        child.unready = child.unready + 1 if was_ready_for is None else 0
        was_ready = child.unready == 0
        child.not_before = now + pause(child.failures if was_ready else child.unready, was_ready=was_ready)
        return self.tick(now)

    def stop(self, now: float) -> list[Action]:
        """Begin to stop in order. Returns what is to be done."""
        self.stopping = True
        for child in self.children.values():
            if child.state is State.WAITING:
                child.fire(Event.STOP)
        return self.tick(now)

    def kill(self) -> list[Action]:
        """End everything at once. Returns what is to be done."""
        self.stopping = True
        self.exit_status = EXIT_INTERRUPTED
        actions: list[Action] = []
        for child in self.children.values():
            child.fire(Event.STOP)
            child.kill_at = None
            if child.state in RUNNING:
                actions.append(Kill(child.spec.name))
        return actions

    def _stop_next(self, now: float) -> Iterator[Action]:
        left = [child for child in self.children.values() if child.state in RUNNING]
        if not left:
            return
        order = min(child.spec.stop_order for child in left)
        for child in left:
            if child.spec.stop_order == order and child.fire(Event.STOP):
                child.kill_at = now + child.spec.stop_seconds
                yield Stop(child.spec.name)


def pause(failures: int, *, was_ready: bool) -> float:
    """Return the seconds before a restart, after this many failures in a row."""
    if failures <= 1:
        return 0.0
    longest = LONGEST_PAUSE_READY if was_ready else LONGEST_PAUSE
    return min(longest, FIRST_PAUSE * 2.0 ** min(failures - 2, 30))
