"""Writes a call down as it goes on, in order, without the call waiting for it.

A store that is away holds up no voice: what happened is kept and written when it is back. Each write takes
all that came together since the one before.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from telephony.calling.calls import Call, Meter
from telephony.calling.store import SaveCall, Saved, Values
from telephony.events.event import Event
from telephony.events.store import Delivery, Matching
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import NodeId, to_text
from telephony.kernel.store import Store
from telephony.kernel.store.timeline import Entry

log = structlog.get_logger(__name__)

MAX_ENTRIES: Final = 2_000
"""Entries of one call's timeline: a peer that holds and goes on for ever fills no database."""


class Journal:
    """One call's writer. `note` and `tell`, then `save`; at last `settled`."""

    def __init__(
        self,
        call: Call,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        subscriptions: Matching,
        enqueue: Callable[[list[Delivery]], None],
        lost: Callable[[], None],
    ) -> None:
        """`lost` is called when another node has the call now."""
        self._call, self._store, self._clock, self._node = call, store, clock, node
        self._subscriptions, self._enqueue, self._lost = subscriptions, enqueue, lost
        self._entries: list[Entry] = []
        self._events: list[Event] = []
        self._meters: list[tuple[Meter, int]] = []
        self._count = 0
        self._dirty = False
        self._task: asyncio.Task[None] | None = None
        self.open = False
        """Whether the row is there."""

    def note(self, source: str, kind: str, **data: object) -> None:
        """Put something on the timeline; what is None or empty is left out."""
        self._count += 1
        if self._count > MAX_ENTRIES:
            return
        told = {name: value for name, value in data.items() if value not in (None, "")}
        call = self._call
        self._entries.append(
            Entry(call.resource, call.id, self._clock.now(), self._node, source, kind, told or None)
        )
        self._dirty = True

    def tell(self, event: Event) -> None:
        """Tell applications of something, with the next write."""
        self._events.append(event)
        self._dirty = True

    def charge(self, meter: Meter, length: int) -> None:
        """Charge a leg, with the last write."""
        self._meters.append((meter, length))

    def take(self) -> list[Entry]:
        """Return what is on the timeline already, for the job that makes the row."""
        entries, self._entries = self._entries, []
        return entries

    def put_back(self, entries: list[Entry]) -> None:
        """The row could not be made: its entries wait for another."""
        self._entries[:0] = entries

    def change(self) -> None:
        """The call is not as it was written."""
        self._dirty = True

    def save(self) -> None:
        """Write soon what is not written."""
        if self.open and self._dirty and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="calling.journal")

    async def settled(self) -> None:
        """Wait until everything is written."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        call = self._call
        while self._dirty and self.open:
            self._dirty = False
            entries, self._entries = self._entries, []
            events, self._events = self._events, []
            meters = tuple(self._meters) if call.ended is not None else ()
            job = SaveCall(
                Values.of(call), self._node, self._clock.now(), entries, events, self._subscriptions, meters
            )
            try:
                saved: Saved = await self._store.write_until_done(job)
            except Unavailable:  # the store stops: whoever starts next finds the row as it was
                self.open = False
                return
            except Exception:
                log.exception("calling.not_written", call=to_text(call.id))
                self.open = False
                return
            if not saved.won:
                self.open = False
                self._lost()
                return
            call.version = job.values.version + 1
            if saved.deliveries:
                self._enqueue(saved.deliveries)
            if job.values.ended is not None:
                self.open = False
