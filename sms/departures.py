"""Messages that leave one carrier for another: those that it refused, and those that it cannot be given.

A message leaves only when nothing of it is on the wire and no part was taken: until the last answer has come
no more of its parts are sent, and one that was taken after all keeps it here.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from sms.message import Outbound
from sms.outcomes import Outcomes
from sms.outgoing import Outgoing, Unit
from sms.pending import Pending
from sms.rerouting import MOST, Leaving, Rerouting
from sms.states import MessageEvent
from sms.ways import MOST_CARRIERS
from telephony.kernel.ids import InteractionId

SOURCE: Final = "dispatcher"


class Departures:
    """The departures of one carrier. Without `rerouting` nothing leaves: what is refused has failed."""

    def __init__(
        self,
        carrier: str,
        *,
        rerouting: Rerouting | None,
        seconds: float,
        pending: Pending,
        outgoing: Outgoing,
        outcomes: Outcomes,
        forget: Callable[[InteractionId], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`seconds` is how long no link has to be bound; `forget` is told of what is another's to send."""
        self._carrier, self._rerouting, self._seconds = carrier, rerouting, seconds
        self._pending, self._outgoing, self._outcomes = pending, outgoing, outcomes
        self._forget, self._spawn = forget, spawn
        self._sources: dict[InteractionId, str] = {}
        self._refused: list[Leaving] = []
        self._working = False
        self._bound = True
        self._down_since: float | None = None
        self._next_look = 0.0
        self._clearing = False

    def refused(self, message: Outbound, source: str, reason: str) -> None:
        """Learn that the carrier does not take a message: another does, or it has failed."""
        if message.over or message.leaving:
            return
        if self._rerouting is None or message.done or len(message.tried) + 1 >= MOST_CARRIERS:
            self._outcomes.end(message, MessageEvent.REFUSE, source, reason)
            return
        message.leaving = reason
        self._sources[message.id] = source
        self.settle(message)

    def settle(self, message: Outbound) -> None:
        """Let a message go that is leaving, once all its parts on the wire are answered."""
        if message.on_wire or message.over or message.id not in self._sources:
            return
        source = self._sources.pop(message.id)
        one = Leaving(message, message.leaving, source)
        if message.done:  # the carrier took a part after all
            self._fail(one)
            return
        self._refused.append(one)
        if not self._working:
            self._working = True
            self._spawn(self._move_refused())

    async def _move_refused(self) -> None:
        assert self._rerouting is not None
        try:
            while self._refused:
                batch, self._refused = self._refused[:MOST], self._refused[MOST:]
                left = await self._rerouting.move(self._carrier, batch)
                self._gone(left.moved)
                for one in left.stay:
                    self._fail(one)
        finally:
            self._working = False

    def _fail(self, one: Leaving) -> None:
        one.message.leaving = ""
        self._outcomes.end(one.message, MessageEvent.REFUSE, one.source, one.reason)

    def _gone(self, messages: Sequence[Outbound]) -> None:
        for message in messages:
            message.over = True  # parts of it that are still here are dropped
            self._forget(message.id)

    # --- a carrier that cannot be reached ---

    def look(self, now: float, bound: bool, others: bool) -> None:
        """Send away what waits once no link has been bound for so long; `now` in monotonic seconds.

        `others` tells whether any other carrier can be reached.
        """
        self._bound = bound
        if bound:
            self._down_since = None
            return
        if self._down_since is None:
            self._down_since = now
        late = now - self._down_since >= self._seconds and now >= self._next_look
        if self._rerouting is not None and others and late and not self._clearing:
            self._clearing = True
            self._next_look = now + self._seconds
            self._spawn(self._clear())

    async def _clear(self) -> None:
        """Offer everything that waits to other carriers; what none of them takes waits on."""
        reason = f"none of the carrier's links was bound for {self._seconds:g} s"
        units = self._outgoing.withdraw(_is_free)
        waiting = self._pending.take_all()
        claimed = list(dict.fromkeys(unit.message for unit in units))
        stay: list[Outbound] = []
        try:
            for message in claimed:
                message.leaving = reason
            stay = await self._offer([*claimed, *waiting], reason)
        finally:
            self._clearing = False
            for message in claimed:
                message.leaving = ""
            staying = set(stay)
            self._give_back([unit for unit in units if unit.message in staying])
            self._pending.give_back([message for message in waiting if message in staying])

    async def _offer(self, messages: Sequence[Outbound], reason: str) -> list[Outbound]:
        assert self._rerouting is not None
        stay: list[Outbound] = []
        for start in range(0, len(messages), MOST):
            batch = [Leaving(message, reason, SOURCE) for message in messages[start : start + MOST]]
            if self._bound:  # it is back
                stay += [one.message for one in batch]
                continue
            left = await self._rerouting.move(self._carrier, batch, only_up=True)
            self._gone(left.moved)
            stay += [one.message for one in left.stay]
            if left.moved:
                self._next_look = 0.0  # there may be more in the store
            await asyncio.sleep(0)
        return stay

    def _give_back(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._outgoing.give_back(unit)


def _is_free(message: Outbound) -> bool:
    return not (message.on_wire or message.done or message.over or message.leaving)
