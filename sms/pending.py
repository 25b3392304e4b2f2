"""Messages that wait to be claimed: the urgent ones first, else in the order in which they came. Pure.

A sender that has a rate of its own may have some messages claimed, about a second's worth; the others of its
stand aside, so that those of other senders are not behind them. What stands aside is bounded: the rest of
such a sender waits in the store alone.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from sms.message import Outbound

LEVELS: Final = 4
"""Priorities: 0 is a bulk's, 3 the most urgent (SMPP 3.4 §5.2.14)."""

MOST_ASIDE: Final = 1000
"""Messages of one sender that may stand aside: a page of the store's."""

LEAST_ASIDE: Final = 4
"""As many may, however many senders share the room there is."""


class _Lanes:
    """A queue with a lane a priority."""

    __slots__ = ("_lanes",)

    def __init__(self) -> None:
        self._lanes: tuple[deque[Outbound], ...] = tuple(deque() for _ in range(LEVELS))

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    def __iter__(self) -> Iterator[Outbound]:
        return chain(*self._lanes)

    def append(self, message: Outbound) -> None:
        self._lanes[min(message.priority, LEVELS - 1)].append(message)

    def append_first(self, message: Outbound) -> None:
        self._lanes[min(message.priority, LEVELS - 1)].appendleft(message)

    def take(self, most: int) -> list[Outbound]:
        taken: list[Outbound] = []
        for lane in reversed(self._lanes):
            taken += [lane.popleft() for _ in range(min(len(lane), most - len(taken)))]
        return taken

    def drop(self, identifiers: Collection[bytes]) -> list[Outbound]:
        dropped = [message for message in self if message.id in identifiers]
        if dropped:
            for lane in self._lanes:
                kept = [message for message in lane if message.id not in identifiers]
                lane.clear()
                lane.extend(kept)
        return dropped


class Pending:
    """A queue of messages with a lane a priority, and a place aside for each sender that is slow."""

    def __init__(self, most: int = 2 * MOST_ASIDE) -> None:
        """Half of `most` messages may stand aside, of all senders together."""
        self._most_aside = most // 2
        self._lanes = _Lanes()
        self._aside: dict[str, _Lanes] = {}
        self._count_aside = 0
        self._relieved: set[str] = set()

    def __len__(self) -> int:
        return len(self._lanes) + self._count_aside

    @property
    def takeable(self) -> bool:
        """Whether `take` may find something."""
        return bool(self._relieved) or bool(self._lanes)

    @property
    def in_line(self) -> int:
        """How many wait beside those that stand aside."""
        return len(self._lanes)

    @property
    def senders_aside(self) -> Collection[str]:
        """Whose messages stand aside."""
        return self._aside.keys()

    def aside(self, sender: str) -> int:
        """Return how many messages of a sender stand aside."""
        lanes = self._aside.get(sender)
        return 0 if lanes is None else len(lanes)

    @property
    def share(self) -> int:
        """How many of one sender may."""
        if self._count_aside >= self._most_aside:
            return LEAST_ASIDE
        return max(LEAST_ASIDE, min(MOST_ASIDE, self._most_aside // max(1, len(self._aside))))

    def extend(self, messages: Iterable[Outbound]) -> None:
        """Take messages, each at the end of its lane."""
        for message in messages:
            self._lanes.append(message)

    def take(
        self, most: int, room: Callable[[str], int] | None = None
    ) -> tuple[list[Outbound], list[Outbound]]:
        """Return the next messages, and those for which there is no place any more: the store keeps them.

        `room` tells of how many messages of a sender may be taken now; None: senders have no rates.
        """
        if room is None:
            return self._lanes.take(most), []
        left: dict[str, int] = {}

        def may(sender: str) -> bool:
            found = left.get(sender)
            if found is None:
                found = room(sender)
            left[sender] = found - 1
            return found > 0

        taken: list[Outbound] = []
        while self._relieved and len(taken) < most:
            sender = self._relieved.pop()
            while self.aside(sender) and may(sender):
                if len(taken) == most:
                    self._relieved.add(sender)
                    break
                taken += self._take_aside(sender)
        spilled: list[Outbound] = []
        while self._lanes and len(taken) < most:
            (message,) = self._lanes.take(1)
            sender = message.own
            if sender not in self._aside and may(sender):
                taken.append(message)
            elif self.aside(sender) < self.share:
                self._aside.setdefault(sender, _Lanes()).append(message)
                self._count_aside += 1
            else:
                spilled.append(message)
        return taken, spilled

    def _take_aside(self, sender: str) -> Sequence[Outbound]:
        lanes = self._aside[sender]
        taken = lanes.take(1)
        self._count_aside -= 1
        if not lanes:
            del self._aside[sender]
        return taken

    def take_all(self) -> list[Outbound]:
        """Return everything, the urgent ones first: it may go elsewhere."""
        taken = self._lanes.take(len(self._lanes))
        for sender in tuple(self._aside):
            while self.aside(sender):
                taken += self._take_aside(sender)
        return taken

    def relieve(self, senders: Iterable[str]) -> None:
        """Learn that messages of these senders were sent: there may be room for the next."""
        self._relieved.update(sender for sender in senders if sender in self._aside)

    def give_back(self, messages: list[Outbound]) -> None:
        """Take messages back that were taken last, in the same order."""
        for message in reversed(messages):
            self._lanes.append_first(message)

    def drop(self, identifiers: Collection[bytes]) -> list[Outbound]:
        """Remove messages by their ids; return those that were here."""
        dropped = self._lanes.drop(identifiers)
        for sender, lanes in tuple(self._aside.items()):
            gone = lanes.drop(identifiers)
            dropped += gone
            self._count_aside -= len(gone)
            if not lanes:
                del self._aside[sender]
        return dropped
