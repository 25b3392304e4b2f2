"""Senders of whom the store has messages for which memory has no place. Pure."""

from collections.abc import Iterable, Iterator

from sms.message import Outbound
from sms.pending import Pending


class Spilled:
    """A set of senders, each until everything of its was read."""

    def __init__(self) -> None:
        self._senders: dict[str, bool] = {}  # whether more came since the store was asked

    def __bool__(self) -> bool:
        return bool(self._senders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._senders)

    def add(self, senders: Iterable[str]) -> None:
        """Learn that the store has messages of theirs."""
        self._senders.update(dict.fromkeys(senders, True))

    def others(self, messages: Iterable[Outbound]) -> list[Outbound]:
        """Return the messages that may come into memory; the rest stays behind what their senders have."""
        found: list[Outbound] = []
        for message in messages:
            if message.own in self._senders:
                self._senders[message.own] = True
            else:
                found.append(message)
        return found

    def next(self, pending: Pending) -> str | None:
        """Return a sender of whom memory has room for more, or None; it counts as asked for."""
        if pending.in_line:
            return None
        room = pending.share // 2
        for sender in self._senders:
            if pending.aside(sender) <= room:
                del self._senders[sender]
                self._senders[sender] = False  # the others come first the next time
                return sender
        return None

    def read(self, sender: str, *, whole: bool) -> None:
        """Learn that the store was asked for a sender's; `whole`: it has no more than what was read."""
        if whole and not self._senders.get(sender):
            self._senders.pop(sender, None)
