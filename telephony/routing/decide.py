"""The decision where something goes out to: one function, with or without a witness of its reasons. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from math import inf, log
from typing import Final

from msgspec import Struct

from telephony.kernel.e164 import E164
from telephony.kernel.money import Money
from telephony.routing.formats import written
from telephony.routing.rules import BY_NUMBER, Kind
from telephony.routing.table import Candidate, RouteTable, by_rank

MAX_TARGETS: Final = 20
"""Targets of a decision; a call tries three of them (R8)."""

MAX_TRIED: Final = 500
"""Routes that a witness writes down; beyond, they are only counted."""

Usable = Callable[[str], bool]
"""Tells whether a carrier can be reached now."""


# Structs, because each message and call makes some: a frozen dataclass takes several times as long to make.
class Question(Struct, frozen=True, gc=False):
    """What has to go out."""

    kind: Kind
    number: E164
    """Whom it is for, as `dialled.read` reads it."""
    sender: str
    """Whom it is from: a number in E.164, a short code or a name."""
    at: int
    """When: microseconds UTC."""
    seed: bytes = b""
    """Chance that can be repeated: the interaction's id. The same seed draws the same order."""
    own: str = ""
    """The carrier that the sender's number belongs to; empty: none."""
    without: tuple[str, ...] = ()
    """Carriers that were tried already."""


class Hop(Struct, frozen=True, gc=False):
    """A carrier to try."""

    target: str
    route: str
    """The route that led there."""
    prefix: str
    """What of the number it matched: `+4930`."""
    destination: str
    """The number as this carrier wants it."""
    sender: str
    """The sender as this carrier wants it."""
    cost: Money
    """What it takes for a minute or a part."""
    up: bool = True
    """Whether it can be reached now; those that cannot stand behind those that can."""


class Decision(Struct, frozen=True, gc=False):
    """Where it goes: `hops` in the order in which they are to be tried; none: it is refused."""

    number: E164
    hops: tuple[Hop, ...]

    @property
    def refusal(self) -> str:
        """Why it goes nowhere, in words; empty when it goes somewhere."""
        return "" if self.hops else "No route takes this number now."


class Tried(Struct, frozen=True, gc=False):
    """A route or rule that was looked at."""

    rule: str
    target: str
    prefix: str
    """What of the number it is for."""
    taken: bool
    why: str


@dataclass(slots=True)
class Witness:
    """Writes down what `decide` does; changes nothing."""

    tried: list[Tried] = field(default_factory=list)
    more: int = 0
    """Routes that were looked at beyond `MAX_TRIED`."""

    def note(self, rule: str, target: str, prefix: str, taken: bool, why: str) -> None:
        """Write a route down."""
        if len(self.tried) >= MAX_TRIED:
            self.more += 1
            return
        self.tried.append(Tried(rule, target, prefix, taken, why))


def decide(
    table: RouteTable, question: Question, *, usable: Usable | None = None, witness: Witness | None = None
) -> Decision:
    """Return where something goes out to.

    Prefixes from the longest to the shortest; of one prefix by priority, cost and weight; each carrier once.
    """
    chosen = _chosen(table, question, witness)
    down: set[str] = set()
    if usable is not None:
        down = {target for target, _, _ in chosen if not usable(target)}
        if down:
            chosen.sort(key=lambda way: way[0] in down)  # stable: the order stays within both
    return Decision(
        question.number,
        tuple(
            [
                _hop(table, question, target, each, length, target not in down)
                for target, each, length in chosen[:MAX_TARGETS]
            ]
        ),
    )


def _chosen(
    table: RouteTable, question: Question, witness: Witness | None
) -> list[tuple[str, Candidate, int]]:
    """Return carriers in order, each with the route that leads there and the length of its prefix."""
    plane = table.planes[question.kind]
    chosen: list[tuple[str, Candidate, int]] = []
    taken: dict[str, str] = {}
    stopped = ""
    for length, group in plane.groups(question.number):
        if stopped:
            assert witness is not None
            for each in group:
                witness.note(
                    each.id,
                    each.target,
                    _prefix(question, length),
                    False,
                    f"{stopped} stops at a longer prefix",
                )
            continue
        for each in _in_order(group, question, length, witness):
            if each.stop:
                stopped = stopped or each.id
            target = each.target if each.target != BY_NUMBER else question.own
            why_not = _closed(table, question, target, taken)
            if why_not:
                if witness is not None:
                    witness.note(each.id, target or BY_NUMBER, _prefix(question, length), False, why_not)
                continue
            taken[target] = each.id
            chosen.append((target, each, length))
            if witness is not None:
                witness.note(each.id, target, _prefix(question, length), True, _place(each, len(chosen)))
        if stopped and witness is None:
            break
    if witness is not None:
        for length, each in plane.unmatched(question.number):
            witness.note(
                each.id, each.target, _prefix(question, length), False, "its pattern is not in the number"
            )
    return chosen


def _place(candidate: Candidate, number: int) -> str:
    by_number = ": the carrier of the sender's number" if candidate.target == BY_NUMBER else ""
    return f"number {number} by the rules{by_number}"


def _closed(table: RouteTable, question: Question, target: str, taken: Mapping[str, str]) -> str:
    """Return why a carrier is not one to try by this route, in words; empty when it is."""
    if target in taken:
        return f"{taken[target]} goes there already"
    if target in question.without:
        return "tried already"
    if target not in table.formats:  # only that of the sender's number: others are looked at beforehand
        return f"the carrier of the sender's number, {target}, is not there" if target else _NO_CARRIER
    return ""


_NO_CARRIER: Final = "the sender is no number of a carrier"


def _in_order(
    group: Sequence[Candidate], question: Question, length: int, witness: Witness | None
) -> Sequence[Candidate]:
    """Return those whose conditions are met: by rank, and within one rank as weights and seed draw."""
    if len(group) == 1:
        return group if _fits(group[0], question, length, witness) else ()
    fitting = [each for each in group if _fits(each, question, length, witness)]
    for place in range(1, len(fitting)):
        if fitting[place - 1].rank == fitting[place].rank:
            return list(_by_rank_and_weight(fitting, question.seed))
    return fitting


def _by_rank_and_weight(fitting: Sequence[Candidate], seed: bytes) -> Iterator[Candidate]:
    for _, equals in groupby(fitting, by_rank):
        yield from drawn(list(equals), seed)


def _fits(candidate: Candidate, question: Question, length: int, witness: Witness | None) -> bool:
    why = candidate.why_not
    if not why and candidate.conditions is not None:
        why = candidate.conditions.complaint(question.number, question.sender, question.at)
    if why and witness is not None:
        witness.note(candidate.id, candidate.target, _prefix(question, length), False, why)
    return not why


def drawn(equals: Sequence[Candidate], seed: bytes) -> Sequence[Candidate]:
    """Return candidates in an order drawn by weight: the same for the same seed, whoever else is drawn.

    Each waits for a time that is exponentially distributed with its weight as the rate; the first to come is
    then any of them in proportion to its weight (Efraimidis and Spirakis, 2006).
    """
    if len(equals) == 1:
        return equals
    return sorted(equals, key=lambda each: _waiting(each, seed))


def _waiting(candidate: Candidate, seed: bytes) -> tuple[float, float]:
    digest = blake2b(candidate.id.encode(), digest_size=8, key=seed[:64]).digest()
    share = (int.from_bytes(digest, "big") + 1) / 2**64
    return (-log(share) / candidate.weight if candidate.weight else inf, share)


def _hop(
    table: RouteTable, question: Question, target: str, candidate: Candidate, length: int, up: bool
) -> Hop:
    formats = table.formats[target]
    return Hop(
        target,
        candidate.id,
        _prefix(question, length),
        written(question.number, formats.destination),
        written(question.sender, formats.sender),
        candidate.cost,
        up,
    )


def _prefix(question: Question, length: int) -> str:
    return question.number[: 1 + length]
