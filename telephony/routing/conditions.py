"""What a rule asks of a call or message besides the number. Pure."""

from collections.abc import Sequence
from typing import Final

from telephony.kernel.e164 import E164
from telephony.routing.dialled import country_of
from telephony.routing.windows import Calendars, Openings, Window


class Parties:
    """A list of parties: beginnings of numbers, and whole names and short codes."""

    __slots__ = ("_beginnings", "_names")

    def __init__(self, listed: Sequence[str]) -> None:
        self._beginnings: Final = tuple(each for each in listed if each.startswith("+"))
        self._names: Final = frozenset(each.casefold() for each in listed if not each.startswith("+"))

    def __contains__(self, party: str) -> bool:
        if party.startswith("+"):
            return party.startswith(self._beginnings)
        return party.casefold() in self._names


class Conditions:
    """The conditions of one rule."""

    __slots__ = ("_countries", "_openings", "_parties", "_party_countries")

    def __init__(
        self,
        calendars: Calendars,
        windows: tuple[Window, ...],
        parties: Sequence[str],
        party_countries: Sequence[str],
        countries: Sequence[str] = (),
        target: str = "",
    ) -> None:
        """Raises InvalidRequest for a window that cannot be used; `target` is the rule's place."""
        self._openings = Openings(windows, calendars, f"{target}.windows") if windows else None
        self._parties = Parties(parties) if parties else None
        self._party_countries = frozenset(party_countries)
        self._countries = frozenset(countries)

    def complaint(self, number: str, party: str, at: int) -> str:
        """Return which condition is not met, in words; empty when all are.

        `number` is the destination, `party` who is on the other side of the rule: the sender of what goes
        out, the caller of what comes in; `at` the time in microseconds UTC.
        """
        if self._openings is not None and not self._openings.is_open(at):
            return "not in force at this time"
        if self._parties is not None and party not in self._parties:
            return "not for this party"
        if self._party_countries and (
            not party.startswith("+") or country_of(E164(party)) not in self._party_countries
        ):
            return "not for this party's country"
        if self._countries and country_of(E164(number)) not in self._countries:
            return "not for this country"
        return ""

    @property
    def is_ever_met(self) -> bool:
        """Whether there is a time at which it can be met."""
        return self._openings is None or self._openings.is_ever_open
