"""Messages that leave one carrier for another: those that it refused, and those that it cannot be given.

A message leaves only when nothing of it is on the wire and no part was taken: until the last answer has come
no more of its parts are sent, and one that was taken after all keeps it here.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sms.message import Outbound
from sms.outcomes import Outcomes
from sms.outgoing import Outgoing, Unit
from sms.pending import Pending
from sms.rerouting import MOST, Leaving, Rerouting
from sms.states import MessageEvent
from sms.ways import MOST_CARRIERS
from telephony.kernel.ids import InteractionId

SOURCE: Final = "dispatcher"


class _Why(NamedTuple):
    """Why a message leaves."""

    source: str
    reason: str
    unit: Unit | None = None
    back: Callable[[Unit], None] | None = None
    """Takes `unit` when the message stays; None: it has failed then."""


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
        pump: Callable[[], None],
    ) -> None:
        """`seconds` is how long no link has to be bound; `forget` is told of what is another's to send;
        `pump` is called when something is here to be sent again."""
        self._carrier, self._rerouting, self._seconds = carrier, rerouting, seconds
        self._pending, self._outgoing, self._outcomes = pending, outgoing, outcomes
        self._forget, self._spawn, self._pump = forget, spawn, pump
        self._why: dict[InteractionId, _Why] = {}
        self._parked: dict[InteractionId, list[Unit]] = {}
        self._refused: list[tuple[Leaving, _Why]] = []
        self._working = False
        self._bound = True
        self._down_since: float | None = None
        self._next_look = 0.0
        self._clearing = False
        self._away: dict[InteractionId, Outbound] = {}  # in nobody's queue while others are asked

    def drop(self, identifiers: Iterable[InteractionId]) -> None:
        """Learn that messages were taken back, changed or expired in the store: they are not handed on."""
        for identifier in identifiers:
            message = self._away.get(identifier)
            if message is not None:
                message.over = True

    def refused(self, unit: Unit, source: str, reason: str) -> None:
        """Learn that the carrier does not take a part: another takes the message, or it has failed."""
        self._leave(unit, _Why(source, reason))

    def unheard(self, unit: Unit, source: str, reason: str, back: Callable[[Unit], None]) -> bool:
        """Learn that the carrier answers nothing; tell whether another is looked for.

        The part goes `back` when there is none.
        """
        message = unit.message
        if self._rerouting is None or message.leaving or message.over or not self._may_leave(message):
            return False
        self._leave(unit, _Why(source, reason, unit, back))
        return True

    def stop(self, message: Outbound) -> None:
        """Learn that a message ends here, wherever it was about to go."""
        message.leaving = ""
        self._why.pop(message.id, None)
        self._parked.pop(message.id, None)

    def park(self, unit: Unit) -> None:
        """Take a part of a message that is leaving: it is sent if that one stays after all."""
        self._parked.setdefault(unit.message.id, []).append(unit)

    def _leave(self, unit: Unit, why: "_Why") -> None:
        message = unit.message
        if message.over:
            return
        if message.leaving:
            self.park(unit)
            return
        if self._rerouting is None or not self._may_leave(message):
            self._stay(message, why)
            return
        message.leaving = why.reason
        self._why[message.id] = why
        self.settle(message)

    def _may_leave(self, message: Outbound) -> bool:
        return not message.done and len(message.tried) + 1 < MOST_CARRIERS

    def settle(self, message: Outbound) -> None:
        """Let a message go that is leaving, once all its parts on the wire are answered."""
        if message.on_wire or message.over or message.id not in self._why:
            return
        why = self._why.pop(message.id)
        if message.done:  # the carrier took a part after all
            self._stay(message, why)
            return
        self._refused.append((Leaving(message, why.reason, why.source), why))
        if not self._working:
            self._working = True
            self._spawn(self._move_refused())

    async def _move_refused(self) -> None:
        assert self._rerouting is not None
        try:
            while self._refused:
                batch, self._refused = self._refused[:MOST], self._refused[MOST:]
                left = await self._rerouting.move(self._carrier, [one for one, _ in batch])
                self._gone(left.moved)
                for one, why in batch:
                    if not one.message.over:
                        self._stay(one.message, why)
        finally:
            self._working = False

    def _stay(self, message: Outbound, why: "_Why") -> None:
        """Go on here with a message that no other carrier takes: most have failed with that."""
        message.leaving = ""
        parked = self._parked.pop(message.id, ())
        if why.back is None or why.unit is None:
            self._outcomes.end(message, MessageEvent.REFUSE, why.source, why.reason)
            return
        why.back(why.unit)
        self._give_back(parked)
        self._pump()

    def _gone(self, messages: Sequence[Outbound]) -> None:
        for message in messages:
            message.over = True  # parts of it that are still here are dropped
            self._parked.pop(message.id, None)
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
            self._away = {message.id: message for message in (*claimed, *waiting)}
            stay = await self._offer([*claimed, *waiting], reason)
        finally:
            self._clearing = False
            self._away = {}
            for message in claimed:
                message.leaving = ""
            staying = {message for message in stay if not message.over}
            for message in stay:
                if message.over:
                    self._forget(message.id)
            self._give_back([unit for unit in units if unit.message in staying])
            self._pending.give_back([message for message in waiting if message in staying])
            self._pump()

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
