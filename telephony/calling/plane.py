"""What every call of a node shares: where it signals, writes, asks, and what it counts."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from telephony.calling.ceilings import TrunkCeilings
from telephony.calling.ports import (
    Callers,
    CallLimits,
    Legs,
    NobodyVerified,
    Numbers,
    Trunks,
    WaysIn,
    WaysOut,
)
from telephony.calling.settings import CallSettings
from telephony.calling.timers import Timers
from telephony.events.ports import Sealer
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import Clock
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Plane:
    """The collaborators of calls."""

    store: Store
    clock: Clock
    node: NodeId
    legs: Legs
    numbers: Numbers
    ways_in: WaysIn
    ways_out: WaysOut
    trunks: Trunks
    limits: CallLimits
    subscriptions: Matching
    sealer: Sealer
    enqueue: Callable[[list[Delivery]], None]
    settings: CallSettings = field(default_factory=CallSettings)
    callers: Callers = field(default_factory=NobodyVerified)
    timers: Timers = field(init=False)
    ceilings: TrunkCeilings = field(init=False)
    passed_on: dict[tuple[str, str], int] = field(init=False, default_factory=dict)
    """Calls that are passed on now, by who is shown and where they go: how often they were (R32)."""
    tasks: set["asyncio.Task[None]"] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.timers = Timers(self.clock)
        self.ceilings = TrunkCeilings(self.clock)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something that no call waits for; what goes wrong is logged."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("calling.task_failed", task=task.get_name(), error=repr(error))
