"""Messages that wait to be claimed: the urgent ones first, else in the order in which they came. Pure."""

from collections import deque
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Final

from sms.message import Outbound

LEVELS: Final = 4
"""Priorities: 0 is a bulk's, 3 the most urgent (SMPP 3.4 §5.2.14)."""


class Pending:
    """A queue of messages with a lane a priority."""

    def __init__(self) -> None:
        self._lanes: tuple[deque[Outbound], ...] = tuple(deque() for _ in range(LEVELS))

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    def extend(self, messages: Iterable[Outbound]) -> None:
        """Take messages, each at the end of its lane."""
        for message in messages:
            self._lanes[min(message.priority, LEVELS - 1)].append(message)

    def take(self, most: int) -> list[Outbound]:
        """Return the next messages."""
        taken: list[Outbound] = []
        for lane in reversed(self._lanes):
            taken += [lane.popleft() for _ in range(min(len(lane), most - len(taken)))]
        return taken

    def give_back(self, messages: list[Outbound]) -> None:
        """Take messages back that were taken last, in the same order."""
        for message in reversed(messages):
            self._lanes[min(message.priority, LEVELS - 1)].appendleft(message)

    def drop(self, identifiers: Collection[bytes]) -> list[Outbound]:
        """Remove messages by their ids; return those that were here."""
        dropped = [message for message in chain(*self._lanes) if message.id in identifiers]
        if dropped:
            for lane in self._lanes:
                kept = [message for message in lane if message.id not in identifiers]
                lane.clear()
                lane.extend(kept)
        return dropped
