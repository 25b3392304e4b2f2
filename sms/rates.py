"""How many messages a second a link and a sender may send. Pure; `now` is monotonic seconds everywhere.

A bucket gives one message each 1/rate seconds; what is not used within `SLACK_SECONDS` is gone. A little has
to stay: timers of a busy loop come late, and the rate would suffer by each of them. A second's worth must
not: carriers count by the second and refuse the rest.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from carriers.model.smpp import SmppLink

SLACK_SECONDS: Final = 0.05
"""How late a message may be sent without slowing down the next: a loop's lag, and a twentieth of the second
that carriers count by."""

MAX_SENDERS: Final = 10_000
"""Senders whose buckets are kept before the idle ones are forgotten: an idle one is full anyway."""

UNLIMITED: Final = 1 << 30
"""Room of a link without a rate."""

LEAST_AHEAD: Final = 2
"""Messages that a slow sender has ready: one for its turn, and the next."""

MOST_AHEAD: Final = 250
"""Messages that a fast one has: getting the next ready takes some milliseconds."""

T = TypeVar("T")


class Bucket:
    """So many a second, evenly, with some slack to catch up: ITU-T I.371's generic cell rate algorithm."""

    __slots__ = ("_due", "_interval", "_slack")

    def __init__(self, per_second: float, slack: float = SLACK_SECONDS) -> None:
        """`slack` is in seconds: what is not used for so long is gone."""
        self._interval = 1.0 / per_second
        self._slack = slack + 1e-6  # rounding must not cost a turn
        self._due = float("-inf")  # when the next one would go if all went evenly

    def change(self, per_second: float, slack: float) -> None:
        """Take another rate from now on; what was taken before stays taken."""
        self._interval = 1.0 / per_second
        self._slack = slack + 1e-6

    def wait(self, now: float) -> float:
        """Return after how many seconds the next may go; 0 when it may now."""
        return max(0.0, self._due - self._slack - now)

    def room(self, now: float) -> int:
        """Return how many may go at once now."""
        ahead = now + self._slack - max(self._due, now)
        return 0 if ahead < 0.0 else int(ahead / self._interval) + 1

    def take(self, now: float) -> None:
        """Count one that goes now, allowed or not."""
        self._due = max(self._due, now) + self._interval

    def give_back(self) -> None:
        """Uncount one that did not go after all."""
        self._due -= self._interval

    def idle(self, now: float) -> bool:
        """Tell whether a new bucket would give the same."""
        return self._due <= now


class Rates:
    """The rates of one carrier: of its links, and of its senders over all links."""

    def __init__(
        self,
        links: Mapping[str, float | None],
        sender: float | None = None,
        senders: Mapping[str, float] | None = None,
        every: float | None = None,
    ) -> None:
        """Take messages a second: by link, for each sender, for single senders, and over all links (`every`);
        None is no limit."""
        self._links = {name: Bucket(rate) for name, rate in links.items() if rate is not None}
        self._every = None if every is None else Bucket(every)
        self._sender = sender
        self._named = dict(senders or {})
        self._senders: dict[str, Bucket] = {}
        self.limited: Final = bool(self._links or self._named or sender is not None or every is not None)
        """Whether there is any limit: nothing need be asked otherwise."""
        self.by_sender: Final = bool(self._named or sender is not None)
        """Whether senders have limits."""

    @classmethod
    def of(
        cls,
        links: Mapping[str, SmppLink],
        sender: float | None,
        senders: Mapping[str, float],
        every: float | None = None,
    ) -> "Rates":
        """Return the rates that a carrier's configuration says."""
        return cls({name: link.per_second for name, link in links.items()}, sender, senders, every)

    def allow(self, link: str, sender: str, now: float) -> float:
        """Return 0 and count the message when it may go now; else after how many seconds to ask again."""
        by_link = self._links.get(link)
        by_sender = self._bucket(sender, now)
        wait = max(self.link_wait(link, now), by_sender.wait(now) if by_sender else 0.0)
        if wait == 0.0:
            for bucket in (by_link, by_sender, self._every):
                if bucket:
                    bucket.take(now)
        return wait

    def give_back(self, link: str, sender: str) -> None:
        """Uncount a message that `allow` counted and that did not go: the link was full after all."""
        for bucket in (self._links.get(link), self._senders.get(sender), self._every):
            if bucket:
                bucket.give_back()

    def room(self, link: str, now: float) -> int:
        """Return how many messages a link's own rate, and that of all, let go at once now."""
        bucket = self._links.get(link)
        room = bucket.room(now) if bucket else UNLIMITED
        return room if self._every is None else min(room, self._every.room(now))

    def link_wait(self, link: str, now: float) -> float:
        """Return after how many seconds a link's own rate, and that of all, let the next one go."""
        bucket = self._links.get(link)
        wait = bucket.wait(now) if bucket else 0.0
        return wait if self._every is None else max(wait, self._every.wait(now))

    def ahead(self, sender: str) -> int:
        """Return how many of a sender's messages are worth having ready: as many as go in a second."""
        rate = self._named.get(sender, self._sender)
        return UNLIMITED if rate is None else min(MOST_AHEAD, max(LEAST_AHEAD, math.ceil(rate)))

    def sender_wait(self, sender: str, now: float) -> float:
        """Return after how many seconds a sender's own rate lets its next message go."""
        bucket = self._bucket(sender, now)
        return bucket.wait(now) if bucket else 0.0

    def _bucket(self, sender: str, now: float) -> Bucket | None:
        bucket = self._senders.get(sender)
        if bucket is None:
            rate = self._named.get(sender, self._sender)
            if rate is None:
                return None
            if len(self._senders) >= MAX_SENDERS:
                self._forget_idle(now)
            bucket = self._senders[sender] = Bucket(rate)
        return bucket

    def _forget_idle(self, now: float) -> None:
        self._senders = {name: bucket for name, bucket in self._senders.items() if not bucket.idle(now)}


class Turns(Generic[T]):
    """What waits for its sender's turn: one queue a sender, so that the queue's length costs nothing.

    A sender whose turn comes gives its first item; the next turn is asked for when that one was sent, by
    `wait` with a new time, or comes at once by `ripe` when nobody asked.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[T]] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._order = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def waits(self, sender: str) -> bool:
        """Tell whether something of a sender's waits: what is newer has to stand behind it."""
        return sender in self._queues

    def waiting(self, sender: str) -> int:
        """Return how many of a sender's wait."""
        queue = self._queues.get(sender)
        return 0 if queue is None else len(queue)

    def wait(self, sender: str, item: T, at: float) -> None:
        """Take what must wait: behind what waits already, or for the sender's turn at `at`."""
        queue = self._queues.get(sender)
        if queue is None:
            self._queues[sender] = deque((item,))
            self._turn(sender, at)
        else:
            queue.append(item)
        self._length += 1

    def wait_first(self, sender: str, item: T, at: float) -> None:
        """Take back what had its turn and may not go after all: before everything of the sender's."""
        if sender in self._queues:
            self._queues[sender].appendleft(item)
            self._length += 1
        else:
            self.wait(sender, item, at)

    @property
    def next_turn(self) -> float | None:
        """When the next sender's turn comes."""
        return self._turns[0][0] if self._turns else None

    def ripe(self, now: float) -> list[tuple[str, T]]:
        """Return the first item of each sender whose turn has come.

        Call `again` for each sender to say when its next turn is.
        """
        found = []
        while self._turns and self._turns[0][0] <= now:
            sender = heapq.heappop(self._turns)[2]
            queue = self._queues[sender]
            found.append((sender, queue.popleft()))
            self._length -= 1
        return found

    def again(self, sender: str, at: float) -> None:
        """Set the next turn of a sender that `ripe` returned; one of whom nothing waits is forgotten."""
        if self._queues[sender]:
            self._turn(sender, at)
        else:
            del self._queues[sender]

    def items(self) -> Iterable[T]:
        """Yield everything that waits."""
        for queue in self._queues.values():
            yield from queue

    def _turn(self, sender: str, at: float) -> None:
        self._order += 1
        heapq.heappush(self._turns, (at, self._order, sender))
