"""Messages that a carrier may trip over: those that were unanswered when connections were lost.

A connection that is lost says little about the messages on it. One that was unanswered each time, several
times one after the other, is suspect, and sent alone from then on: the next loss is its own doing, provided
that the carrier answered others in between. One that loses every connection is ill, and no message is to
blame; so when a turn brought nothing, suspects rest until the carrier answers something, or for a while that
grows. Thus one message that the carrier's software cannot bear does not break off all others for as long as
it is valid.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sms.outgoing import Unit
from sms.ports import SubmitLink

POISON: Final = "poison"
"""Begins the reason why such a message failed."""


@dataclass(slots=True)
class Judged:
    """What lost connections say of the parts that were on them."""

    guilty: list[tuple[str, Unit]] = field(default_factory=list)
    """Parts that fail, with the link that each was lost on last."""
    suspected: list[tuple[str, Unit]] = field(default_factory=list)
    """Parts that are sent alone from now on, and were not before."""
    innocent: list[Unit] = field(default_factory=list)
    """Parts that are sent again as usual."""
    unheard: list[tuple[str, Unit]] = field(default_factory=list)
    """Parts that were lost as often as guilty ones, while the carrier answered nothing else: it is ill. They
    wait like all suspects, until somebody calls `withdraw`."""


class Suspicion:
    """The parts under suspicion, and those that are on trial: alone on a link."""

    def __init__(self, most: int) -> None:
        """`most` is how many connections may be lost with a part unanswered."""
        self._most = most
        self.answers = 0
        """Requests that the carrier answered so far; whoever hears of one counts it here."""
        self._lost: dict[str, list[Unit]] = {}
        self._waiting: deque[Unit] = deque()
        self._alone: set[str] = set()
        self._rest_until = 0.0

    @property
    def next_trial(self) -> float | None:
        """When suspects may be tried again (monotonic seconds); None: there is none, or one is on trial."""
        return self._rest_until if self._waiting and not self._alone else None

    @property
    def busy(self) -> bool:
        """Whether anything is suspected or on trial."""
        return bool(self._waiting or self._alone)

    @property
    def to_judge(self) -> bool:
        """Whether connections were lost since `judge`."""
        return bool(self._lost)

    @property
    def waiting(self) -> deque[Unit]:
        """Parts that are to be sent alone, the oldest first."""
        return self._waiting

    def send(
        self,
        rooms: list[tuple[int, SubmitLink]],
        submit: Callable[[SubmitLink, Unit], object],
        now: float,
    ) -> None:
        """Send suspects, one over each link that has nothing else to answer, and keep those links for them.

        `rooms` says how much each link takes now; what this takes away is written there.
        """
        free: int | None = None
        if now < self._rest_until:
            rooms[:] = [(0 if link.name in self._alone else room, link) for room, link in rooms]
            return
        for index, (room, link) in enumerate(rooms):
            while self._waiting and room > 0 and link.outstanding == 0:
                unit = self._waiting.popleft()
                if not (unit.message.over or unit.message.leaving):
                    submit(link, unit)
                    if link.outstanding:
                        self._alone.add(link.name)
            if link.name in self._alone:
                rooms[index] = (0, link)
            elif room > 0 and (free is None or link.outstanding < rooms[free][1].outstanding):
                free = index
        if self._waiting and free is not None:
            rooms[free] = (0, rooms[free][1])  # until all else on it is answered

    def answered(self, link: str) -> None:
        """Learn that something on a link was answered, or lost by itself: it was the one on trial, if any."""
        self._alone.discard(link)
        self._rest_until = 0.0

    def wait(self, unit: Unit) -> None:
        """Take a part that is to be sent alone, after those that wait already."""
        self._waiting.append(unit)

    def withdraw(self, unit: Unit) -> None:
        """Forget a part that is to be sent by another carrier."""
        self._waiting.remove(unit)

    def lost(self, link: str, unit: Unit) -> None:
        """Learn that a connection was lost with a part unanswered."""
        self._lost.setdefault(link, []).append(unit)

    def judge(self, now: float, rests: Sequence[float]) -> Judged:
        """Return what is to become of the parts on the connections lost since the last time.

        `rests` are the pauses, in seconds, after one trial upon another that brought nothing; the last
        repeats.
        """
        judged = Judged()
        lost, self._lost = self._lost, {}
        for link, units in lost.items():
            if link in self._alone:
                self._alone.discard(link)
                in_vain = max(unit.losses for unit in units) + 1 - self._most
                self._rest_until = now + rests[min(max(0, in_vain), len(rests) - 1)]
            for unit in units:
                if unit.losses == 0:
                    unit.answers_before = self.answers
                unit.losses += 1
                well = self.answers > unit.answers_before
                if unit.losses >= self._most and len(units) == 1 and well:
                    judged.guilty.append((link, unit))
                elif unit.losses >= self._most - 1:
                    if unit.losses >= self._most and not well:
                        judged.unheard.append((link, unit))
                    self._waiting.append(unit)
                    if unit.losses == self._most - 1:
                        judged.suspected.append((link, unit))
                else:
                    judged.innocent.append(unit)
        if judged.guilty:  # that explains what the others were suspected for
            judged.unheard.clear()
            for unit in self._waiting:
                unit.losses = 0
            judged.innocent += self._waiting
            self._rest_until = 0.0
            judged.suspected.clear()
            self._waiting.clear()
        return judged
