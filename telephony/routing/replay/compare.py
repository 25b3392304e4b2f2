"""What becomes of one interaction by two sets of rules. Pure.

Both are asked with the interaction's own time, and its id as seed: equal rules draw equal orders. Nothing is
asked of the present: neither which links are bound now nor what was used of limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.money import Money
from telephony.routing.decide import Tried, Witness
from telephony.routing.inbound import Arrival
from telephony.routing.ports import Attempt
from telephony.routing.router import Router
from telephony.routing.rules import Kind
from telephony.routing.voice import OwnRoutes, VoiceRouter, VoiceWay, by_carrier
from telephony.usage.rating import Kind as RatedKind
from telephony.usage.rating import Rate, price_of_call, price_of_message
from telephony.usage.sheet import Sheet

NO_ROUTE: Final = "No route takes this number now."
"""Without the version of the routes: a draft has none."""


class Past(Struct, frozen=True, gc=False):
    """A call or text that happened."""

    resource: ResourceId
    id: InteractionId
    kind: Kind
    inbound: bool
    own: str
    peer: str
    at: int
    """When it began: microseconds UTC."""
    carrier: str = ""
    """The carrier that the own number belongs to; empty: none."""
    units: int | None = None
    """Parts of a text, microseconds for which a call was answered; None: nobody knows."""


class Way(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where something goes first, or why nowhere."""

    target: str = ""
    """Out: the carrier, or the resource's own trunk. In: the kind of target."""
    route: str = ""
    """The route or rule that leads there."""
    refusal: str = ""


class Basis(StrEnum):
    """By what an amount is reckoned."""

    ROUTE = "route"  # the cost that the route says
    SHEET = "sheet"  # the carrier's rate sheet
    PRICE = "price"  # the rate sheet of whoever pays us


class Amount(Struct, frozen=True, gc=False):
    """What an interaction comes to by one basis."""

    carrier: str
    basis: Basis
    money: Money


class Verdict(Struct, frozen=True, gc=False):
    """What becomes of an interaction by one set of rules."""

    way: Way
    all: tuple[object, ...] = ()
    """Every way in its order, with the digits that each is sent: what two sets may still differ in."""
    amounts: tuple[Amount, ...] = ()


class Effect(StrEnum):
    """What other rules change for an interaction."""

    SAME = "same"
    MOVED = "moved"  # it goes elsewhere first
    ROUTE = "route"  # it goes to the same place first, by another route or rule
    REST = "rest"  # only what comes behind differs, or how it is written
    REFUSED = "refused"  # it went somewhere, and goes nowhere any more
    ALLOWED = "allowed"  # it went nowhere, and goes somewhere now


class Sheets(Protocol):
    """Knows who is charged by which rate sheet. `telephony.usage.book.Book` is one."""

    def sell(self, resource: ResourceId) -> Sheet | None:
        """Return the sheet that a resource pays by."""
        ...

    def buy(self, carrier: str) -> Sheet | None:
        """Return the sheet that a carrier charges by."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides and rates."""

    router: Router
    """Without a health: which links are bound now says nothing about then."""
    own: OwnRoutes
    sheets: Sheets

    def judge(self, past: Past, witness: Witness | None = None) -> Verdict:
        """Return what becomes of an interaction."""
        return self._inward(past, witness) if past.inbound else self._out(past, witness)

    def _inward(self, past: Past, witness: Witness | None) -> Verdict:
        arrival = Arrival(past.kind, self.router.own_number(past.own) or past.own, past.peer, past.at)
        found = self.router.inward(past.resource, arrival, witness)
        if not found.stops:
            return Verdict(Way(refusal=found.refusal))
        return Verdict(Way(found.stops[0].kind, found.rule), found.stops)

    def _out(self, past: Past, witness: Witness | None) -> Verdict:
        attempt = Attempt(past.resource, past.kind, past.peer, past.own, past.at, past.id, past.carrier)
        ways: tuple[VoiceWay, ...]
        if past.kind is Kind.VOICE:
            call = VoiceRouter(self.router, self.own).ways(attempt, witness)
            reading, ways, refusal = call.reading, call.ways, call.refusal
        else:
            text = self.router.out(attempt, witness)
            reading, refusal = text.reading, text.refusal
            ways = tuple(by_carrier(hop) for hop in text.hops)
        if not ways:
            return Verdict(Way(refusal=NO_ROUTE if refusal.startswith(NO_ROUTE) else refusal))
        # Costs of routes are amounts, not ways: a route that only became cheaper moves nothing.
        plain = tuple((way.target, way.route, way.destination, way.sender) for way in ways)
        number = reading.number or ""
        return Verdict(Way(ways[0].target, ways[0].route), plain, tuple(self._amounts(past, ways[0], number)))

    def _amounts(self, past: Past, way: VoiceWay, number: str) -> Iterator[Amount]:
        if past.units is None:
            return
        if way.cost is not None:
            yield Amount(way.target, Basis.ROUTE, _route_cost(past.kind, way.cost, past.units))
        for basis, sheet in (
            (Basis.SHEET, self.sheets.buy(way.target)),
            (Basis.PRICE, self.sheets.sell(past.resource)),
        ):
            rate = None if sheet is None else sheet.find(_RATED[past.kind], number, past.at)
            if sheet is not None and rate is not None:
                yield Amount(way.target, basis, Money(_rated(past.kind, rate, past.units), sheet.currency))


def effect_of(before: Verdict, after: Verdict) -> Effect:
    """Return what changes from one verdict to another; amounts do not count."""
    if before.way == after.way:
        return Effect.SAME if before.all == after.all else Effect.REST
    if not before.all or not after.all:
        if before.all:
            return Effect.REFUSED
        return Effect.ALLOWED if after.all else Effect.SAME
    return Effect.MOVED if before.way.target != after.way.target else Effect.ROUTE


def compare(before: Rules, after: Rules, past: Past) -> tuple[Verdict, Verdict, Effect]:
    """Return what becomes of an interaction by either set of rules, and what is different."""
    one, other = before.judge(past), after.judge(past)
    return one, other, effect_of(one, other)


def reasons(rules: Rules, past: Past) -> tuple[tuple[Tried, ...], int]:
    """Return the routes or rules that were looked at and why each was taken or not, and how many more."""
    witness = Witness()
    rules.judge(past, witness)
    return tuple(witness.tried), witness.more


_RATED: Final = {Kind.SMS: RatedKind.SMS, Kind.VOICE: RatedKind.VOICE}


def _route_cost(kind: Kind, cost: Money, units: int) -> Money:
    """Return what a route says that a text of some parts or a call of some microseconds costs."""
    if kind is Kind.SMS:
        return Money(cost.micros * units, cost.currency)
    per_second = Rate(0, RatedKind.VOICE, "", cost.micros)
    return Money(price_of_call(per_second, units), cost.currency)


def _rated(kind: Kind, rate: Rate, units: int) -> int:
    return price_of_message(rate, units) if kind is Kind.SMS else price_of_call(rate, units)
