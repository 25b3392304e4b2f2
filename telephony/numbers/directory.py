"""Who owns a number, asked for with every message: remembered for seconds, looked up otherwise."""

from typing import Final

from telephony.kernel.clock import Clock
from telephony.kernel.store import Store
from telephony.numbers.store import MAX_NUMBER, FindNumber, OwnedNumber

REMEMBER_SECONDS: Final = 5.0
"""How long an answer is believed: another gateway may have changed it meanwhile. So a number that was
released stops at once on the gateway that took the request, and within this time on the others."""

MAX_REMEMBERED: Final = 50_000
"""Answers kept; beyond, all are forgotten at once, which costs one look-up each."""


class NumberDirectory:
    """A cache in front of the numbers' table; knows unknown numbers too, so that guessing stays cheap."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, OwnedNumber | None]] = {}
        self._forgotten = 0

    async def find(self, number: str) -> OwnedNumber | None:
        """Return the number, or None when nobody owns it. Raises Unavailable when the store is away."""
        if len(number) > MAX_NUMBER:  # nobody's, and not worth remembering
            return None
        now = self._clock.monotonic()
        known = self._known.get(number)
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        forgotten = self._forgotten
        found = await self._store.read(FindNumber(number))
        if forgotten != self._forgotten:  # it may have changed while it was read
            return await self._store.read(FindNumber(number))
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[number] = (now, found)
        return found

    def forget(self, *numbers: str) -> None:
        """Look numbers up again next time: they were bought, changed or released here."""
        self._forgotten += 1
        for number in numbers:
            self._known.pop(number, None)
