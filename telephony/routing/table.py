"""The operator's routes in a compact form that is made once and swapped as a whole. Pure.

A look-up asks one dictionary by the number, then by the number without its last digit, and so on. Prefixes
are integers and share the tuples of their candidates, so that a million of them fits beside everything else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from msgspec import Struct

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.money import Money
from telephony.routing.conditions import Conditions
from telephony.routing.formats import NumberFormats
from telephony.routing.patterns import PatternSet, pattern
from telephony.routing.rules import BY_NUMBER, MAX_PREFIXES, Kind, Route, RouteSet, check_prefixes, key_of
from telephony.routing.windows import Calendars

ONE: Final = 1_000_000
"""A unit of the set's own currency, in its 10⁻⁶ units."""


class Candidate(Struct, frozen=True, gc=False):
    """A route as look-ups see it."""

    id: str
    target: str
    rank: tuple[int, int]
    """Priority, and cost in 10⁻¹² units of the set's currency: exact, and the lower goes first."""
    cost: Money
    weight: int
    stop: bool
    usable: bool
    """Whether it is enabled and its target is there."""
    why_not: str
    """Why it is not usable."""
    conditions: Conditions | None


Group = tuple[Candidate, ...]
"""Candidates of one prefix, by rank."""

NONE: Final[Group] = ()

by_rank: Final = attrgetter("rank")


@dataclass(slots=True)
class Plane:
    """All routes of one kind."""

    by_prefix: dict[int, Group] = field(default_factory=dict)
    """Candidates without a pattern."""
    longest: int = 0
    """Digits of the longest prefix."""
    patterned: list[Candidate] = field(default_factory=list)
    """Candidates with one, in the order of `patterns`."""
    patterned_keys: list[frozenset[int]] = field(default_factory=list)
    """Their prefixes."""
    pattern_texts: list[str] = field(default_factory=list)
    patterns: PatternSet | None = None

    def groups(self, number: str) -> Iterator[tuple[int, Group]]:
        """Return the candidates whose prefix and pattern fit, for each prefix from the longest to none.

        Those without a pattern stand by rank, then those with one.
        """
        digits = number[1 : 1 + self.longest]
        key = int(digits or "0")
        matched = self.patterns.matches(number) if self.patterns is not None else ()
        get = self.by_prefix.get
        for length in range(len(digits), -1, -1):
            group = get(key)
            if matched:
                keys = self.patterned_keys
                extra = tuple(self.patterned[place] for place in matched if key in keys[place])
                if extra:
                    group = tuple(sorted((group or NONE) + extra, key=by_rank))
            if group is not None:
                yield length, group
            key //= 10

    def unmatched(self, number: str) -> list[tuple[int, Candidate]]:
        """Return candidates whose prefix fits and whose pattern does not, with the prefix's length."""
        if self.patterns is None:
            return []
        matched = set(self.patterns.matches(number))
        found = []
        for place, candidate in enumerate(self.patterned):
            if place not in matched:
                lengths = (len(str(key)) if key else 0 for key in self.patterned_keys[place])
                fits = [each for each in lengths if _begins(number, each, self.patterned_keys[place])]
                if fits:
                    found.append((max(fits), candidate))
        return found


@dataclass(frozen=True, slots=True)
class RouteTable:
    """What `decide` looks into."""

    planes: Mapping[Kind, Plane]
    formats: Mapping[str, NumberFormats]
    """How each carrier that there is writes numbers."""
    currency: str
    prefixes: int
    """How many there are."""


def compile_table(rules: RouteSet, carriers: Mapping[str, NumberFormats]) -> RouteTable:
    """Return the table of a set; `carriers` are those that there are.

    A route to a carrier that is not there is kept and never taken. Raises InvalidRequest, naming the place,
    for what cannot be used: a pattern, a zone, a calendar, a currency without exchange, an id used twice.
    """
    calendars = {name: frozenset(dates) for name, dates in rules.calendars.items()}
    _refuse_twins(rules.routes)
    prefixes = sum(len(route.prefixes) or 1 for route in rules.routes)
    if prefixes > MAX_PREFIXES:
        raise InvalidRequest(f"routes: {prefixes} prefixes, at most {MAX_PREFIXES}.", target="routes")
    planes = {kind: Plane() for kind in Kind}
    made = _Candidates(rules, carriers, calendars)
    candidates = [(made.candidate(place, route), route) for place, route in enumerate(rules.routes)]
    candidates.sort(key=lambda pair: (pair[0].rank, pair[0].id))
    for candidate, route in candidates:
        _add(planes[route.kind], candidate, route)
    for plane in planes.values():
        longest = max(plane.by_prefix, default=0)
        if plane.patterned:
            plane.patterns = PatternSet([pattern(text) for text in plane.pattern_texts])
            longest = max(longest, *(max(keys) for keys in plane.patterned_keys))
        plane.longest = len(str(longest)) if longest else 0
    return RouteTable(
        planes,
        dict(carriers),
        rules.currency,
        prefixes,
    )


def _add(plane: Plane, candidate: Candidate, route: Route) -> None:
    keys: Iterable[int] = {key_of(prefix) for prefix in route.prefixes} if route.prefixes else (0,)
    if route.pattern is not None:
        plane.patterned.append(candidate)
        plane.patterned_keys.append(frozenset(keys))
        plane.pattern_texts.append(route.pattern)
        return
    groups = plane.by_prefix
    longer: dict[int, Group] = {}  # by id: prefixes that shared a tuple share the next one too
    for key in keys:
        group = groups.get(key, NONE)
        grown = longer.get(id(group))
        if grown is None:
            grown = longer[id(group)] = (*group, candidate)
        groups[key] = grown


class _Candidates:
    """Makes candidates; equal conditions become one object."""

    def __init__(self, rules: RouteSet, carriers: Mapping[str, NumberFormats], calendars: Calendars) -> None:
        self._rules, self._carriers, self._calendars = rules, carriers, calendars
        self._conditions: dict[object, Conditions] = {}
        self._ranks: dict[tuple[int, int], tuple[int, int]] = {}

    def candidate(self, place: int, route: Route) -> Candidate:
        at = f"routes[{place}]"
        check_prefixes(route.prefixes, at)
        currency = route.currency or self._rules.currency
        worth = ONE if currency == self._rules.currency else self._rules.exchange.get(currency)
        if worth is None:
            raise InvalidRequest(
                f"{at}.currency: exchange does not say what {currency} is worth.", target=f"{at}.currency"
            )
        if route.pattern is not None:
            pattern(route.pattern, f"{at}.pattern")
        rank = (route.priority, route.cost * worth)
        why_not = "" if route.enabled else "disabled"
        if not why_not and route.target not in self._carriers and route.target != BY_NUMBER:
            why_not = "there is no such carrier"
        return Candidate(
            route.id,
            route.target,
            self._ranks.setdefault(rank, rank),
            Money(route.cost, currency),
            route.weight,
            route.stop,
            not why_not,
            why_not,
            self._of(route, at),
        )

    def _of(self, route: Route, at: str) -> Conditions | None:
        asked = (route.windows, route.senders, route.sender_countries, route.countries)
        if not any(asked):
            return None
        found = self._conditions.get(asked)
        if found is None:
            found = Conditions(self._calendars, *asked, target=at)
            self._conditions[asked] = found
        return found


def _refuse_twins(routes: Sequence[Route]) -> None:
    seen: set[str] = set()
    for place, route in enumerate(routes):
        if route.id in seen:
            target = f"routes[{place}].id"
            raise InvalidRequest(f"{target}: {route.id} is there twice.", target=target)
        seen.add(route.id)


def _begins(number: str, length: int, keys: frozenset[int]) -> bool:
    return int(number[1 : 1 + length] or "0") in keys
