"""One subscription's deliveries in memory: a queue with an end, and what is known of the rest in the store.

Pure: no clock, no sockets; the deliverer moves it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from telephony.events.store import Delivery
from telephony.kernel.ids import SubscriptionId

NEVER: Final = 1 << 62
"""A due time that does not come."""

FAILING_AFTER: Final = 5
"""Tries without any answer, in a row, after which an endpoint counts as dead."""

PROBES: Final = 2
"""Tries at once of an endpoint that counts as dead: each holds a socket for seconds."""


@dataclass(slots=True)
class Lane:
    """A subscription's way out."""

    subscription: SubscriptionId
    queue: deque[Delivery] = field(default_factory=deque)
    held: set[bytes] = field(default_factory=set)
    """Ids in memory: queued, on the wire, or with an outcome that is not written yet."""
    workers: int = 0
    silent: int = 0
    """Tries in a row that nobody answered."""
    next_due: int = NEVER
    """Not later than the earliest due time of what only the store has; microseconds UTC."""
    settled: set[bytes] | None = None
    """While the store is being read: ids that left memory since, whose rows were read as they were before."""

    @property
    def failing(self) -> bool:
        """Whether the endpoint counts as dead."""
        return self.silent >= FAILING_AFTER

    def limit(self, concurrency: int) -> int:
        """Return how many tries there may be at once."""
        return min(PROBES, concurrency) if self.failing else concurrency

    def add(self, delivery: Delivery) -> bool:
        """Queue a delivery unless it is here already; tells whether it was queued."""
        if delivery.id in self.held:
            return False
        self.held.add(delivery.id)
        self.queue.append(delivery)
        return True

    def look_again(self, due: int) -> None:
        """Know that the store has something that is due then."""
        self.next_due = min(self.next_due, due)

    def release(self, identifier: bytes) -> None:
        """Forget a delivery: the store has what became of it."""
        self.held.discard(identifier)
        if self.settled is not None:
            self.settled.add(identifier)

    def begin_reading(self) -> None:
        """The store is about to be read; what becomes due meanwhile is told to `look_again`."""
        self.next_due = NEVER
        self.settled = set()

    def take_in(self, rows: Sequence[Delivery], *, more: bool, room: int, now: int) -> int:
        """Queue what is due of `rows`, the earliest of all in the store, at most `room`; returns how many.

        `more` tells whether the store may have others that are due.
        """
        stale = self.settled or set()
        self.settled = None
        taken = 0
        for row in rows:
            if row.due > now:
                self.look_again(row.due)
                return taken
            if row.id in stale or row.id in self.held:
                continue
            if taken == room:
                self.look_again(row.due)
                return taken
            taken += self.add(row)
        if more:
            self.look_again(now)
        return taken
