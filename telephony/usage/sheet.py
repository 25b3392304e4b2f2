"""A rate sheet as it is asked: the longest prefix that has a rate in force at a moment. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from telephony.usage.rating import Kind, Rate

MAX_PREFIX: Final = 15
"""Digits of a number in E.164."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A line that says the same prefix, kind and first moment as an earlier one: the earlier one counts."""

    line: int
    first: int


class Sheet:
    """A compiled sheet: immutable, shared by whoever asks.

    Of a prefix's rates that are in force at a moment, the one that came into force last counts: so a carrier
    announces a price by a later line, without ending the earlier.
    """

    __slots__ = ("_lengths", "_prefixes", "currency", "duplicates", "name", "version")

    def __init__(self, name: str, version: int, currency: str, rates: Iterable[Rate]) -> None:
        self.name, self.version, self.currency = name, version, currency
        self._prefixes: dict[Kind, dict[str, Rate | tuple[Rate, ...]]] = {kind: {} for kind in Kind}
        duplicates: list[Duplicate] = []
        for rate in rates:
            known = self._prefixes[rate.kind]
            there = known.get(rate.prefix)
            if there is None:  # as of nearly all prefixes: a tuple each would be half the memory
                known[rate.prefix] = rate
                continue
            several = there if isinstance(there, tuple) else (there,)
            same = [one for one in several if one.since == rate.since]
            if same:
                duplicates.append(Duplicate(rate.line, same[0].line))
                continue
            known[rate.prefix] = tuple(sorted((*several, rate), key=lambda one: -one.since))
        self.duplicates = tuple(duplicates)
        self._lengths = {
            kind: tuple(sorted({len(prefix) for prefix in known}, reverse=True))
            for kind, known in self._prefixes.items()
        }

    def __len__(self) -> int:
        return sum(1 for _ in self.rates())

    def find(self, kind: Kind, number: str, at: int) -> Rate | None:
        """Return the rate of a number in E.164 at a moment (microseconds UTC), or None when there is none."""
        digits = number[1:] if number[:1] == "+" else number
        known = self._prefixes[kind]
        for length in self._lengths[kind]:
            found = known.get(digits[:length]) if length <= len(digits) else None
            if found is None:
                continue
            for rate in found if isinstance(found, tuple) else (found,):
                if rate.since <= at < rate.until:
                    return rate
        return None

    def rates(self) -> Iterator[Rate]:
        """Yield every rate that counts."""
        for known in self._prefixes.values():
            for found in known.values():
                if isinstance(found, tuple):
                    yield from found
                else:
                    yield found

    def listed(self, prefix: str = "") -> list[Rate]:
        """Return the rates whose prefix begins with some digits, in order of prefix, kind and date."""
        return sorted(
            (rate for rate in self.rates() if rate.prefix.startswith(prefix)),
            key=lambda rate: (rate.prefix, rate.kind, rate.since),
        )
