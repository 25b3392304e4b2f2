"""What many comparisons add up to. Pure; what it keeps is bounded, however many there are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from telephony.routing.replay.compare import Basis, Effect, Past, Verdict, Way
from telephony.routing.rules import Kind

MAX_GROUPS: Final = 1_000
"""Different changes that are told apart; further ones are only counted."""


class Group(Struct, frozen=True, gc=False):
    """A change: what all interactions that it happens to have in common."""

    inbound: bool
    kind: Kind
    effect: Effect
    before: Way
    after: Way


@dataclass(slots=True)
class Sum:
    """What some interactions come to, in 10⁻⁶ units."""

    count: int = 0
    micros: int = 0

    def add(self, micros: int) -> None:
        """Count one."""
        self.count += 1
        self.micros += micros


Account = tuple[str, Basis, str]
"""Carrier, basis, currency."""


@dataclass(slots=True)
class Tally:
    """Counts of changes, and sums of money before and after."""

    looked: int = 0
    unmeasured: int = 0
    """Of those that go out: how many have no known length, and so no cost."""
    effects: Counter[Effect] = field(default_factory=Counter)
    groups: Counter[Group] = field(default_factory=Counter)
    examples: dict[Group, Past] = field(default_factory=dict)
    """The first interaction of each."""
    more: int = 0
    """Changes beyond `MAX_GROUPS`."""
    sums: dict[Account, tuple[Sum, Sum]] = field(default_factory=dict)
    """Before and after."""

    def add(self, past: Past, before: Verdict, after: Verdict, effect: Effect) -> None:
        """Take one comparison."""
        self.looked += 1
        self.unmeasured += past.units is None and not past.inbound
        self.effects[effect] += 1
        for place, verdict in enumerate((before, after)):
            for amount in verdict.amounts:
                account = (amount.carrier, amount.basis, amount.money.currency)
                self.sums.setdefault(account, (Sum(), Sum()))[place].add(amount.money.micros)
        if effect is Effect.SAME:
            return
        group = Group(past.inbound, past.kind, effect, before.way, after.way)
        if group not in self.groups and len(self.groups) >= MAX_GROUPS:
            self.more += 1
            return
        self.groups[group] += 1
        self.examples.setdefault(group, past)
