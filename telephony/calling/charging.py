"""Takes a running call's price off the budget before it is used, and ends it when nothing is left (R29)."""

from typing import TYPE_CHECKING, Final

import structlog

from telephony.calling.calls import Leg, Meter
from telephony.calling.causes import Cause
from telephony.calling.store import GiveBack, Pay
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import to_text
from telephony.usage import calls as usage
from telephony.usage.counters import day_of
from telephony.usage.rating import price_of_call

if TYPE_CHECKING:
    from telephony.calling.conversation import Conversation

log = structlog.get_logger(__name__)

BLOCK: Final = 10 * SECOND
"""What is taken off at once when increments are shorter: a write a second and call would be most of the
database's work. When the budget has no more of that, the single increment is asked for."""

AHEAD_SECONDS: Final = 0.5
"""How long before what is paid is used up the next is asked for: a call ends before its next
increment."""

AGAIN_SECONDS: Final = 1.0
"""When the store is asked again that was away: nobody's call ends for that (R35)."""

SPENT: Final = Cause(200, 31, "The budget of the day is used up (daily_budget).")


class Charging:
    """One call's meters."""

    def __init__(self, call: "Conversation") -> None:
        self._call = call

    async def reserve(self, meter: Meter) -> bool:
        """Take the first increment off before a leg is dialled. Raises Unavailable."""
        amount = usage.due(meter.admission, 0)
        if not await self._pay(meter, amount):
            return False
        meter.paid = amount
        if meter.admission.sell is not None:
            meter.until = usage.next_increment(meter.admission, 0)
        return True

    def give_back(self, leg: Leg) -> None:
        """Give a leg's reservation back: another is dialled in its place."""
        meter, leg.meter = leg.meter, None
        if meter is None or not meter.paid:
            return
        plane = self._call.plane
        job = GiveBack(meter.admission, day_of(plane.clock.now()), meter.paid)

        async def write() -> None:
            await plane.store.write_until_done(job)

        plane.spawn(write(), "calling.give_back")

    def begin(self, leg: Leg) -> None:
        """A leg was answered: look after its budget until it ends."""
        self._look_in(leg, 0)

    def resume(self, leg: Leg) -> None:
        """Go on with a leg that an earlier process answered."""
        if leg.answered is not None:
            self._look_in(leg, self._elapsed(leg))

    def end(self, leg: Leg) -> None:
        """A leg is over; what was taken too much goes back with its record."""

    def known_length(self, leg: Leg, now: int) -> int:
        """Return how long a leg was up that ended while nobody looked: no longer than is paid."""
        length = max(1, now - (leg.answered or now))
        meter = leg.meter
        return min(length, meter.until) if meter is not None and meter.until else length

    def _elapsed(self, leg: Leg) -> int:
        clock = self._call.plane.clock
        if leg.answered_mono:
            return round((clock.monotonic() - leg.answered_mono) * SECOND)
        return max(0, clock.now() - (leg.answered or clock.now()))

    def _look_in(self, leg: Leg, elapsed: int) -> None:
        meter = leg.meter
        if meter is None or meter.admission.sell is None or meter.admission.budget is None:
            return
        wait = (meter.until - elapsed) / SECOND - AHEAD_SECONDS
        self._call.after(max(0.0, wait), lambda: self._next(leg, meter))

    async def _next(self, leg: Leg, meter: Meter) -> None:
        """Ask for the next block; the call goes on meanwhile."""
        if leg.over or leg.given_up:
            return

        async def ask() -> None:
            paid = await self._ask(meter)
            self._call.put(lambda: self._answered(leg, meter, paid))

        self._call.plane.spawn(ask(), "calling.charge")

    async def _ask(self, meter: Meter) -> tuple[int, int] | bool:
        """Return what was taken and up to when; False: nothing is left; True: nobody could be asked."""
        assert meter.admission.sell is not None
        one = usage.next_increment(meter.admission, meter.until)
        block = one
        while block < meter.until + BLOCK:
            block = usage.next_increment(meter.admission, block)
        try:
            for until in dict.fromkeys((block, one)):
                amount = price_of_call(meter.admission.sell, until) - meter.paid
                if await self._pay(meter, amount):
                    return amount, until
        except Unavailable as error:
            log.warning("calling.charge_waits", call=to_text(self._call.call.id), reason=error.message)
            return True
        return False

    async def _answered(self, leg: Leg, meter: Meter, paid: tuple[int, int] | bool) -> None:
        if isinstance(paid, tuple):
            meter.paid, meter.until = meter.paid + paid[0], paid[1]
            self._call.journal.change()
        if leg.over or leg.given_up:
            return  # what was paid goes back with the record
        if paid is False:
            self._call.note("call.budget", "usage", reason=SPENT.text)
            await self._call.finish(SPENT, "us")
        elif paid is True:
            self._call.after(AGAIN_SECONDS, lambda: self._next(leg, meter))
        else:
            self._look_in(leg, self._elapsed(leg))

    async def _pay(self, meter: Meter, amount: int) -> bool:
        if meter.admission.budget is None or amount <= 0:
            return True
        plane = self._call.plane
        return await plane.store.write(Pay(meter.admission, day_of(plane.clock.now()), amount))
