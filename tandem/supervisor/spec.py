"""What the supervisor runs: a declared list of children, handed over as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

EXIT_CONFIGURATION = 78
"""Exit status of a child that a restart cannot help: its configuration is wrong (EX_CONFIG, sysexits.h)."""


class Restart(Enum):
    """What happens when a child ends by itself."""

    ALWAYS = "always"
    NEVER = "never"  # a one-shot


class Ready(Enum):
    """How a child becomes ready."""

    REPORTED = "reported"  # it writes to the descriptor in TANDEM_READY_FD (`notify.ready()`)
    STARTED = "started"  # as soon as it runs


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child process."""

    name: str
    argv: tuple[str, ...]
    restart: Restart = Restart.ALWAYS
    ready: Ready = Ready.REPORTED
    after: tuple[str, ...] = ()
    """Names of children that have to be ready before its first start."""
    stop_order: int = 0
    """Lower stops earlier; equals stop together; the next wait until these are gone."""
    stop_seconds: float = 10.0
    """How long it may take to stop before it is killed."""


def encode(specs: Sequence[ChildSpec]) -> bytes:
    """Return `specs` as JSON."""
    return json.dumps([asdict(spec) for spec in specs], default=lambda member: member.value).encode()


def decode(raw: bytes) -> list[ChildSpec]:
    """Return what `encode` was given.

    Raises ValueError for a list that cannot work: names twice, or waiting for what does not exist or for each
    other in a circle.
    """
    specs = [_spec(**each) for each in json.loads(raw)]
    started: set[str] = set()
    waiting = {spec.name: spec for spec in specs}
    if len(waiting) != len(specs):
        raise ValueError("two children of one name")
    while waiting:
        able = [name for name, spec in waiting.items() if started.issuperset(spec.after)]
        if not able:
            raise ValueError(f"these wait for each other or for nobody: {', '.join(waiting)}")
        started.update(able)
        for name in able:
            del waiting[name]
    return specs


def _spec(*, argv: list[str], restart: str, ready: str, after: list[str], **rest: Any) -> ChildSpec:  # noqa: ANN401
    return ChildSpec(
        argv=tuple(argv), restart=Restart(restart), ready=Ready(ready), after=tuple(after), **rest
    )
