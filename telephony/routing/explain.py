"""Why something goes where it goes: what the router decided, told by a witness of that very decision."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta, Struct

from telephony.kernel.clock import Clock, from_iso, to_iso
from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.kernel.money import Money
from telephony.routing.decide import Hop, Tried, Witness
from telephony.routing.dialled import MAX_WRITTEN, Reading, country_of
from telephony.routing.inbound import Arrival
from telephony.routing.ports import Attempt, Limits, LimitState, Price, Prices
from telephony.routing.router import Router
from telephony.routing.rules import Kind
from telephony.routing.voice import VoiceRouter, VoiceWay, Whose, by_carrier

Written = Annotated[str, Meta(min_length=1, max_length=MAX_WRITTEN)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"sender": "from"}):
    """What is to be explained."""

    to: Written
    """Whom it is for, in any spelling; with `direction` in, an own number."""
    sender: Written
    """Whom it is from; with `direction` in, the caller."""
    kind: Kind = Kind.SMS
    direction: Literal["out", "in"] = "out"
    resource: str | None = None
    """Whose message or call; unset: that of the own number."""
    at: str | None = None
    """When, ISO 8601 with a zone; unset: now."""
    seed: str | None = None
    """The id of an interaction, whose order of equal routes is drawn again; unset: any."""


class StepView(Struct, frozen=True):
    """What was done to a spelling, and what it was then."""

    what: str
    text: str


class MoneyView(Struct, frozen=True):
    """An amount in 10⁻⁶ units."""

    micros: int
    currency: str


class PriceView(Struct, frozen=True, omit_defaults=True):
    """What the resource pays."""

    amount: MoneyView
    per: str
    sheet: str = ""
    prefix: str = ""


class HopView(Struct, frozen=True, omit_defaults=True):
    """A carrier to try, or a trunk of the resource's own."""

    target: str
    route: str
    prefix: str
    destination: str
    """The number as the carrier gets it."""
    sender: str
    up: bool
    cost: MoneyView | None = None
    """Not there: it is the resource's own trunk, of which nobody knows a cost."""
    price: PriceView | None = None
    whose: Whose = Whose.OPERATOR
    """Whose trunk or link it is."""


class StopView(Struct, frozen=True, omit_defaults=True):
    """A place to try."""

    kind: str
    settings: msgspec.Raw
    seconds: int | None = None


class Explanation(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Everything that led to a decision, and the decision."""

    direction: Literal["out", "in"]
    kind: Kind
    written: str
    """The number as it was asked for."""
    steps: tuple[StepView, ...]
    """How it became `number`."""
    number: str
    """In E.164; empty when it is none."""
    country: str
    version: int
    """Of the operator's routes."""
    at: str
    resource: str = ""
    """Whose it is; empty: nobody's."""
    tried: tuple[Tried, ...] = ()
    """Routes and rules in the order in which they were looked at."""
    more: int = 0
    """How many more there were."""
    hops: tuple[HopView, ...] = ()
    """Out: carriers, or the resource's own trunks, in the order in which they are tried."""
    rule: str = ""
    """In: the rule that decided."""
    stops: tuple[StopView, ...] = ()
    """In: places in the order in which they are tried."""
    limits: tuple[LimitState, ...] = ()
    """Out: what it is held against on its first way."""
    refusal: str = ""
    """Why it goes nowhere; empty when it goes somewhere."""


class Owners(Protocol):
    """Knows whose numbers are."""

    async def owner(self, number: str) -> ResourceId | None:
        """Return whose number it is; None: nobody's. Raises Unavailable."""
        ...

    async def carrier(self, number: str) -> str:
        """Return the carrier that a number belongs to; empty: none. Raises Unavailable."""
        ...


class Explain:
    """Asks the router as whoever sends and receives does, and writes down what it says."""

    def __init__(
        self,
        router: Router,
        *,
        clock: Clock,
        owners: Owners,
        prices: Prices,
        limits: Limits,
        voice: VoiceRouter | None = None,
    ) -> None:
        """`voice` knows the resources' own trunks as well; without it calls go by carriers alone."""
        self._router, self._clock, self._owners = router, clock, owners
        self._prices, self._limits = prices, limits
        self._voice: Final = voice or VoiceRouter(router)

    async def __call__(self, asked: Asked) -> Explanation:
        """Explain. Raises InvalidRequest for a time or id that is none, Unavailable."""
        at = self._clock.now() if asked.at is None else from_iso(asked.at)
        if at is None:
            raise InvalidRequest("at: It is no ISO 8601 time with a zone.", target="at")
        return await (self._inward(asked, at) if asked.direction == "in" else self._out(asked, at))

    async def _out(self, asked: Asked, at: int) -> Explanation:
        seed = b"" if asked.seed is None else _id(asked.seed, "seed")
        sender = self._router.own_number(asked.sender) or asked.sender
        owner = await self._owners.owner(sender)
        resource = owner if asked.resource is None else ResourceId(_id(asked.resource, "resource"))
        attempt = Attempt(
            resource or ResourceId(bytes(16)),
            asked.kind,
            asked.to,
            sender,
            at,
            seed,
            await self._owners.carrier(sender),
        )
        witness = Witness()
        reading, ways, refusal = self._ways(attempt, witness)
        number = reading.number or ""
        priced = [(way, await self._prices.price(attempt, number, _hop(way))) for way in ways]
        limits: Sequence[LimitState] = ()
        if priced:
            way, price = priced[0]
            if way.whose is Whose.RESOURCE and way.sender != sender:  # the route shows another caller
                owner = await self._owners.owner(way.sender)
            limits = (
                _own_sender(owner, resource),
                *await self._limits.preview(attempt, number, price, way.target),
            )
        refused = next((each for each in limits if not each.allowed), None)
        return Explanation(
            "out",
            asked.kind,
            reading.written,
            tuple(StepView(step.what, step.text) for step in reading.steps),
            number,
            country_of(E164(number)) if number else "",
            self._router.tables.version,
            to_iso(at),
            "" if resource is None else to_text(resource),
            tuple(witness.tried),
            witness.more,
            tuple(_shown(way, price) for way, price in priced),
            limits=tuple(limits),
            refusal=refusal or ("" if refused is None else f"The limit {refused.limit} forbids it."),
        )

    def _ways(self, attempt: Attempt, witness: Witness) -> tuple[Reading, Sequence[VoiceWay], str]:
        """Return where a call or text goes, and why nowhere: asked of whoever decides it."""
        if attempt.kind is Kind.VOICE:
            found = self._voice.ways(attempt, witness)
            return found.reading, found.ways, found.refusal
        way = self._router.out(attempt, witness)
        return way.reading, tuple(by_carrier(hop) for hop in way.hops), way.refusal

    async def _inward(self, asked: Asked, at: int) -> Explanation:
        number = self._router.own_number(asked.to)
        caller = self._router.own_number(asked.sender) or asked.sender
        if asked.resource is not None:
            resource: ResourceId | None = ResourceId(_id(asked.resource, "resource"))
        else:
            resource = await self._owners.owner(number) if number else None
        witness = Witness()
        arrival = Arrival(asked.kind, number, caller, at)
        way = self._router.inward(resource or ResourceId(bytes(16)), arrival, witness)
        return Explanation(
            "in",
            asked.kind,
            asked.to,
            (StepView("own number", number),) if number not in ("", asked.to) else (),
            number,
            country_of(E164(number)) if number.startswith("+") else "",
            self._router.tables.version,
            to_iso(at),
            "" if resource is None else to_text(resource),
            tuple(witness.tried),
            witness.more,
            rule=way.rule,
            stops=tuple(
                StopView(stop.kind, msgspec.Raw(msgspec.json.encode(stop.settings)), stop.seconds)
                for stop in way.stops
            ),
            refusal=way.refusal if number else "It is neither a number nor a short code.",
        )


def _own_sender(owner: ResourceId | None, resource: ResourceId | None) -> LimitState:
    """Return whether the sender is the resource's own (R31)."""
    if owner is None:
        return LimitState("from", False, "The sender is nobody's number.")
    if owner != resource:
        return LimitState("from", False, "The sender is another resource's number.")
    return LimitState("from", True, "The sender is the resource's number.")


def _id(text: str, target: str) -> bytes:
    found = from_text(text)
    if found is None:
        raise InvalidRequest(f"{target}: It is no GUID.", target=target)
    return found


def _money(amount: Money) -> MoneyView:
    return MoneyView(amount.micros, amount.currency)


def _hop(way: VoiceWay) -> Hop:
    """Return a way as prices are asked of it."""
    cost = way.cost or Money(0, "")
    return Hop(way.target, way.route, way.prefix, way.destination, way.sender, cost, way.up)


def _shown(way: VoiceWay, price: Price | None) -> HopView:
    return HopView(
        way.target,
        way.route,
        way.prefix,
        way.destination,
        way.sender,
        way.up,
        None if way.cost is None else _money(way.cost),
        None if price is None else PriceView(_money(price.amount), price.per, price.sheet, price.prefix),
        way.whose,
    )
