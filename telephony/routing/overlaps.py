"""What is odd about a set of rules though each is right: rules that others leave nothing for. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Final, Literal

from msgspec import Struct

from telephony.routing.inbound import InboundTable, Rule
from telephony.routing.patterns import pattern
from telephony.routing.rules import Kind, RouteSet, key_of
from telephony.routing.table import Candidate, Group, Plane, RouteTable
from telephony.routing.targets import Number

MAX_ODDITIES: Final = 500
"""Oddities told; whoever has more has one cause for most of them."""

MIN_DIGITS: Final = 7
"""Digits that a number has at least: a shorter prefix is never a whole number."""


class Oddity(Struct, frozen=True):
    """Something odd."""

    what: Literal["unreachable", "overlap", "never in force", "no carrier", "loop", "refused"]
    rules: tuple[str, ...]
    """The ids of the rules it is about; the first is the one that has no effect."""
    text: str


def oddities(rules: RouteSet, table: RouteTable, inbound: InboundTable) -> tuple[Oddity, ...]:
    """Return what is odd, at most `MAX_ODDITIES`."""
    found = chain(
        *(_of_plane(plane) for plane in table.planes.values()),
        _of_patterns(rules),
        _of_inbound(inbound),
        _loops(inbound),
    )
    return tuple(islice(found, MAX_ODDITIES))


def closed(rules: RouteSet) -> Iterator[Oddity]:
    """Tell of an operator's set that lets no text in, or none out: few who write one mean that."""
    if not any(one.enabled and Kind.SMS in (one.kinds or Kind) for one in rules.inbound):
        text = "No inbound rule is for texts: they are refused where their resource has no rule of its own."
        yield Oddity("refused", (), text)
    if not any(one.enabled and one.kind is Kind.SMS for one in rules.routes):
        yield Oddity("refused", (), "No route is for texts: none leaves.")


def _of_plane(plane: Plane) -> Iterator[Oddity]:
    counted = Counter(id(group) for group in plane.by_prefix.values())
    groups = {id(group): group for group in plane.by_prefix.values()}
    there: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    behind: dict[str, str] = {}
    overlapping: dict[tuple[str, str], None] = {}
    for identity, group in groups.items():
        for each in group:
            there[each.id] += counted[identity]
        for each, other in _shadowed(group):
            dead[each.id] += counted[identity]
            behind[each.id] = other.id
        overlapping.update(dict.fromkeys(_twins(group)))
    for group in _covered(plane):
        shadowed = {each.id for each, _ in _shadowed(group)}
        for each in group:
            if each.id not in shadowed:
                dead[each.id] += 1
                behind.setdefault(each.id, "")
    yield from _in_themselves(plane)
    for name, count in dead.items():
        if count == there[name]:
            before = behind[name]
            why = (
                f"{before} sends the same numbers to the same carrier before it"
                if before
                else "routes that stop take all longer prefixes"
            )
            about = (name, before) if before else (name,)
            yield Oddity("unreachable", about, f"{name} is never used: {why}.")
    for first, second in overlapping:
        text = f"{first} and {second} share prefix, carrier, priority and cost: chance chooses between them."
        yield Oddity("overlap", (first, second), text)


def _in_themselves(plane: Plane) -> Iterator[Oddity]:
    listed = [*plane.patterned, *chain.from_iterable(plane.by_prefix.values())]
    for each in {candidate.id: candidate for candidate in listed}.values():
        if each.why_not and each.why_not != "disabled":
            yield Oddity("no carrier", (each.id,), f"{each.id}: {each.why_not} as {each.target}.")
        if each.conditions is not None and not each.conditions.is_ever_met:
            yield Oddity("never in force", (each.id,), f"{each.id}: no date is in its windows.")


def _always(candidate: Candidate) -> bool:
    return candidate.usable and candidate.conditions is None


def _shadowed(group: Group) -> Iterator[tuple[Candidate, Candidate]]:
    """Return candidates behind one that always goes to the same carrier, with that one."""
    first: dict[str, Candidate] = {}
    for each in group:
        other = first.get(each.target)
        if other is not None and other.rank < each.rank and (other.stop or not each.stop):
            yield each, other
        elif other is None and _always(each):
            first[each.target] = each


def _twins(group: Group) -> Iterator[tuple[str, str]]:
    seen: dict[tuple[str, tuple[int, int]], str] = {}
    for each in group:
        if _always(each):
            other = seen.setdefault((each.target, each.rank), each.id)
            if other != each.id:
                yield other, each.id


def _covered(plane: Plane) -> Iterator[Group]:
    """Return the groups of prefixes whose every longer prefix has a route that always stops."""
    stops = {
        key for key, group in plane.by_prefix.items() if any(each.stop and _always(each) for each in group)
    }
    inner: set[int] = set()
    for key in stops:
        while key and (key := key // 10) not in inner:
            inner.add(key)

    def taken(key: int) -> bool:
        return key in stops or (key in inner and beneath(key))

    def beneath(key: int) -> bool:
        return len(str(key)) < MIN_DIGITS and all(
            taken(key * 10 + digit) for digit in range(0 if key else 1, 10)
        )

    for key in inner:
        group = plane.by_prefix.get(key)
        if group is not None and beneath(key):
            yield group


def _of_patterns(rules: RouteSet) -> Iterator[Oddity]:
    first: dict[object, str] = {}
    for one in rules.routes:
        if one.pattern is None or not one.enabled:
            continue
        if one.prefixes and not any(_may_match(one.pattern, prefix) for prefix in one.prefixes):
            yield Oddity(
                "unreachable", (one.id,), f"{one.id} is never used: its pattern fits none of its prefixes."
            )
        conditions = (one.windows, one.senders, one.sender_countries, one.countries)
        if any(conditions):
            continue
        keys = frozenset(key_of(prefix) for prefix in one.prefixes)
        other = first.setdefault((one.kind, one.target, one.pattern, keys), one.id)
        if other != one.id:
            yield Oddity(
                "overlap", (other, one.id), f"{other} and {one.id} share prefixes, pattern and carrier."
            )


def _may_match(text: str, prefix: str) -> bool:
    needed, given = pattern(text).beginning, f"+{prefix.lstrip('+')}"
    return needed.startswith(given) or given.startswith(needed)


def _of_inbound(table: InboundTable) -> Iterator[Oddity]:
    groups: list[tuple[Rule, ...]] = [*table.by_number.values(), *table.by_prefix.values()]
    there: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    behind: dict[str, str] = {}
    for group in groups:
        for place, each in enumerate(group):
            there[each.id] += 1
            other = next((one for one in group[:place] if _takes_all_of(one, each)), None)
            if other is not None:
                dead[each.id] += 1
                behind[each.id] = other.id
    patterned = {each.id for each in table.patterned}
    for name, count in dead.items():
        if count == there[name] and name not in patterned:
            text = f"{name} is never used: {behind[name]} takes the same numbers before it."
            yield Oddity("unreachable", (name, behind[name]), text)
    every = {each.id: each for each in (*chain.from_iterable(groups), *table.patterned)}
    for each in every.values():
        if each.conditions is not None and not each.conditions.is_ever_met:
            yield Oddity("never in force", (each.id,), f"{each.id}: no date is in its windows.")


def _takes_all_of(one: Rule, other: Rule) -> bool:
    return one.enabled and one.conditions is None and one.kinds >= other.kinds and one.node.always


def _loops(table: InboundTable) -> Iterator[Oddity]:
    """Return numbers that are sent on to one another in a circle."""
    leads: Mapping[str, list[tuple[str, str]]] = {
        number: [
            (rule.id, stop.settings.number)
            for rule in group
            if rule.enabled
            for stop in rule.node.every()
            if isinstance(stop.settings, Number)
        ]
        for number, group in table.by_number.items()
    }
    told: set[str] = set()
    for start in leads:
        path: list[tuple[str, str]] = []
        number, seen = start, {start}
        while (onward := next((each for each in leads.get(number, ())), None)) is not None:
            path.append(onward)
            number = onward[1]
            if number in seen:
                break
            seen.add(number)
        else:
            continue
        names = tuple(dict.fromkeys(rule for rule, _ in path))
        if number == start and not told.intersection(names):
            told.update(names)
            yield Oddity("loop", names, f"{', '.join(names)} send numbers on to one another in a circle.")
