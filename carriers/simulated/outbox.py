"""What waits to be delivered to an account: in order, bounded, tried again after growing pauses. Pure."""

from collections import deque
from collections.abc import Iterable
from enum import Enum
from heapq import heappop, heappush

from carriers.simulated.deliveries import Delivery


class Verdict(Enum):
    """What an answer meant."""

    DONE = "done"
    AGAIN = "again"
    GIVEN_UP = "given up"


class Outbox:
    """Deliveries are ready, waiting for their time, or flying: sent, not answered.

    Times are monotonic seconds.
    """

    def __init__(self, capacity: int, max_tries: int, pauses: tuple[float, float]) -> None:
        self._capacity = capacity
        self._max_tries = max_tries
        self._first_pause, self._longest_pause = pauses
        self._ready: deque[Delivery] = deque()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._order = 0  # keeps the heap stable, and deliveries of one moment in their order
        self._flying = 0

    def __len__(self) -> int:
        """Return everything that is not done."""
        return len(self._ready) + len(self._waiting) + self._flying

    def add(self, delivery: Delivery, due: float | None = None) -> bool:
        """Take a delivery for now, or for the time `due`; False when there is no place."""
        if len(self) >= self._capacity:
            return False
        if due is None:
            self._ready.append(delivery)
        else:
            self._wait(delivery, due)
        return True

    def take(self, now: float, room: int) -> list[Delivery]:
        """Return up to `room` deliveries whose time has come; they fly until `answered` or `lost`."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heappop(self._waiting)[2])
        taken = [self._ready.popleft() for _ in range(min(room, len(self._ready)))]
        self._flying += len(taken)
        return taken

    def answered(self, delivery: Delivery, ok: bool, now: float) -> Verdict:
        """Note the answer to a flying delivery; no answer in time is one that is not `ok`."""
        self._flying -= 1
        if ok:
            return Verdict.DONE
        delivery.tries += 1
        if delivery.tries >= self._max_tries:
            return Verdict.GIVEN_UP
        self._wait(delivery, now + min(self._longest_pause, self._first_pause * 2 ** (delivery.tries - 1)))
        return Verdict.AGAIN

    def lost(self, deliveries: Iterable[Delivery]) -> None:
        """Put flying deliveries back in front, in their order: their bind is gone."""
        back = list(deliveries)
        self._flying -= len(back)
        self._ready.extendleft(reversed(back))

    @property
    def ready(self) -> bool:
        """Whether something can be taken whatever the time is."""
        return bool(self._ready)

    @property
    def next_due(self) -> float | None:
        """When the next waiting delivery's time comes."""
        return self._waiting[0][0] if self._waiting else None

    def _wait(self, delivery: Delivery, due: float) -> None:
        self._order += 1
        heappush(self._waiting, (due, self._order, delivery))
