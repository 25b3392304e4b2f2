"""Where inbound calls and texts go: rules by the own number. What no rule is for is refused. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from telephony.kernel.errors import InvalidRequest
from telephony.routing.conditions import Conditions
from telephony.routing.decide import Witness
from telephony.routing.patterns import PatternSet, pattern
from telephony.routing.rules import InboundRule, Kind, RouteSet, check_prefixes, key_of
from telephony.routing.targets import Node, Stop, TargetKinds
from telephony.routing.windows import Calendars

DENIED: Final = "No rule is for this number."
"""What is said of a number without a rule."""


class Arrival(Struct, frozen=True, gc=False):
    """What came in."""

    kind: Kind
    number: str
    """The own number, in E.164, or a short code."""
    caller: str
    """The other party: a number in E.164 or whatever it calls itself."""
    at: int
    """When: microseconds UTC."""


class WayIn(Struct, frozen=True, gc=False):
    """Where it goes: `stops` in the order in which they are to be tried; none: it is refused."""

    rule: str
    stops: tuple[Stop, ...]

    @property
    def refusal(self) -> str:
        """Why it goes nowhere, in words; empty when it goes somewhere."""
        return "" if self.stops else DENIED


NOWHERE: Final = WayIn("", ())


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as look-ups see it."""

    id: str
    place: int
    """Where it stands in the list."""
    kinds: frozenset[Kind]
    node: Node
    conditions: Conditions | None
    enabled: bool


Rules = tuple[Rule, ...]


@dataclass(slots=True)
class InboundTable:
    """The rules of one resource, or of the operator."""

    by_number: dict[str, Rules] = field(default_factory=dict)
    by_prefix: dict[int, Rules] = field(default_factory=dict)
    longest: int = 0
    """Digits of the longest prefix."""
    patterned: tuple[Rule, ...] = ()
    patterns: PatternSet | None = None

    def groups(self, number: str) -> Iterator[tuple[str, Rules]]:
        """Return what of the number a few rules fit, and these, from the narrowest to the widest."""
        if not number:
            return
        exact = self.by_number.get(number)
        if exact is not None:
            yield number, exact
        if number.startswith("+"):
            digits = number[1 : 1 + self.longest]
            key = int(digits or "0")
            for length in range(len(digits), -1, -1):
                found = self.by_prefix.get(key)
                if found is not None:
                    yield number[: 1 + length], found
                key //= 10
        if self.patterns is not None:
            matched = self.patterns.matches(number)
            if matched:
                yield "a pattern", tuple(self.patterned[place] for place in matched)


def compile_inbound(rules: RouteSet, kinds: TargetKinds) -> InboundTable:
    """Return the table of a set's inbound rules.

    Raises InvalidRequest, naming the place, for what cannot be used.
    """
    table = InboundTable()
    calendars = {name: frozenset(dates) for name, dates in rules.calendars.items()}
    patterned: list[tuple[Rule, str]] = []
    seen: set[str] = set()
    for place, one in enumerate(rules.inbound):
        at = f"inbound[{place}]"
        check_prefixes(one.prefixes, at)
        if one.id in seen:
            raise InvalidRequest(f"{at}.id: {one.id} is there twice.", target=f"{at}.id")
        seen.add(one.id)
        may_come = frozenset(one.kinds) or frozenset(Kind)
        rule = Rule(
            one.id,
            place,
            may_come,
            kinds.node(one.target, may_come, calendars, f"{at}.target"),
            _conditions(one, calendars, at),
            one.enabled,
        )
        for number in dict.fromkeys(one.numbers):
            table.by_number[number] = (*table.by_number.get(number, ()), rule)
        for key in {key_of(prefix) for prefix in one.prefixes}:
            table.by_prefix[key] = (*table.by_prefix.get(key, ()), rule)
        if one.pattern is not None:
            pattern(one.pattern, f"{at}.pattern")
            patterned.append((rule, one.pattern))
    if patterned:
        table.patterned = tuple(rule for rule, _ in patterned)
        table.patterns = PatternSet([pattern(text) for _, text in patterned])
    longest = max(table.by_prefix, default=0)
    table.longest = len(str(longest)) if longest else 0
    return table


def decide_inbound(table: InboundTable, arrival: Arrival, witness: Witness | None = None) -> WayIn:
    """Return where something that came in goes: the first rule that fits and leads somewhere."""
    found = NOWHERE
    for fits, rules in table.groups(arrival.number):
        for rule in rules:
            if found.stops:
                assert witness is not None
                witness.note(rule.id, "", fits, False, f"{found.rule} goes before it")
                continue
            why = _complaint(rule, arrival)
            stops = () if why else tuple(rule.node.stops(arrival.at))
            if not why and not stops:
                why = "its target says nothing about this time"
            if witness is not None:
                witness.note(rule.id, stops[0].kind if stops else "", fits, not why, why or "it decides")
            if stops:
                found = WayIn(rule.id, stops)
                if witness is None:
                    return found
    return found


def _complaint(rule: Rule, arrival: Arrival) -> str:
    if not rule.enabled:
        return "disabled"
    if arrival.kind not in rule.kinds:
        return f"not for {arrival.kind}"
    if rule.conditions is None:
        return ""
    return rule.conditions.complaint("", arrival.caller, arrival.at)


def _conditions(one: InboundRule, calendars: Calendars, at: str) -> Conditions | None:
    if not (one.windows or one.callers or one.caller_countries):
        return None
    return Conditions(calendars, one.windows, one.callers, one.caller_countries, target=at)
