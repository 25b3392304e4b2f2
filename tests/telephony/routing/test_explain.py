"""Explanations say what the router does, and nothing else."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.money import Money
from telephony.routing.compiling import compile_set
from telephony.routing.decide import Hop, Question
from telephony.routing.explain import Asked, Explain, Explanation
from telephony.routing.inbound import Arrival
from telephony.routing.ports import Attempt, LimitState, Price
from telephony.routing.router import Router, Tables
from telephony.routing.rules import InboundRule, Kind, RouteSet
from telephony.routing.targets import TargetKinds
from tests.support.clock import ManualClock
from tests.support.routing import CARRIERS, questions, route, route_sets

pytestmark = pytest.mark.unit

TENANT, STRANGER = ResourceId(b"t" * 16), ResourceId(b"s" * 16)
OWN, NUMBER = "+14255550100", "+4930123456"


class Books:
    """Whose numbers are, what things cost, and what is allowed."""

    async def owner(self, number: str) -> ResourceId | None:
        return {OWN: TENANT, "+14165550100": STRANGER}.get(number)

    async def carrier(self, number: str) -> str:
        return "gamma" if number == OWN else ""

    async def price(self, attempt: Attempt, number: str, hop: Hop) -> Price | None:
        return Price(Money(2 * hop.cost.micros, "EUR"), "part", "retail", "+49") if number else None

    async def preview(
        self, attempt: Attempt, number: str, price: Price | None, carrier: str
    ) -> Sequence[LimitState]:
        assert price is not None
        assert carrier
        return (LimitState("daily_budget", price.amount.micros < 100, f"{price.amount} of 0.000100 EUR"),)


class Down:
    """A health that knows one carrier to be down."""

    def usable(self, carrier: str, kind: Kind) -> bool:
        return carrier != "beta"


def explainer(rules: RouteSet, tenant: RouteSet | None = None) -> tuple[Router, Explain]:
    router, kinds = Router(Down()), TargetKinds()
    compiled = compile_set(rules, CARRIERS, kinds)
    resources = {} if tenant is None else {TENANT: compile_set(tenant, CARRIERS, kinds).inbound}
    router.tables = Tables(compiled.outbound, 7, compiled.inbound, resources)
    books = Books()
    return router, Explain(router, clock=ManualClock(), owners=books, prices=books, limits=books)


def explained(explain: Explain, **asked: object) -> Explanation:
    body = {"to": NUMBER, "from": OWN} | asked
    return asyncio.run(explain(msgspec.convert(body, Asked)))


@settings(max_examples=60, deadline=None)
@given(route_sets, questions, st.sampled_from(("{}", "tel:{};isub=1", " {} ", "sip:{}@example.com")))
def test_an_explanation_of_a_way_out_is_what_the_router_does(
    rules: RouteSet, question: Question, spelling: str
) -> None:
    router, explain = explainer(rules)
    written, seed = spelling.format(question.number), question.seed.ljust(16, b"\0")
    told = explained(
        explain,
        to=written,
        **{"from": question.sender},
        kind=question.kind.value,
        at=to_iso(question.at),
        seed=to_text(seed),
    )
    own = "gamma" if question.sender == OWN else ""
    done = router.out(Attempt(TENANT, question.kind, written, question.sender, question.at, seed, own))
    assert [(hop.target, hop.route, hop.destination, hop.sender, hop.up) for hop in told.hops] == [
        (hop.target, hop.route, hop.destination, hop.sender, hop.up) for hop in done.hops
    ]
    assert (told.number, told.written) == (question.number, written)
    assert bool(told.hops) == (not done.refusal)
    taken = [each.rule for each in told.tried if each.taken]
    assert sorted(taken) == sorted(hop.route for hop in done.hops)


def test_a_way_out_is_told_with_its_reasons_digits_price_and_limits() -> None:
    rules = (
        route(1, cost=10),
        route(2, target="beta", prefixes=("49",), cost=20),
        route(3, target="gamma", prefixes=("4930",), senders=("+49",)),
        route(4, target="gamma", prefixes=("49",), enabled=False),
        route(5, target="gamma", pattern="7$"),
    )
    _, explain = explainer(RouteSet(routes=rules))
    told = explained(explain, to="tel:0049 (0)30 123456")
    assert [(step.what, step.text) for step in told.steps][-1] == ("national prefix taken off", NUMBER)
    assert (told.number, told.country, told.version, told.resource) == (NUMBER, "DE", 7, to_text(TENANT))
    assert [(each.rule, each.taken, each.prefix, each.why) for each in told.tried] == [
        ("r3", False, "+4930", "not for this party"),
        ("r4", False, "+49", "disabled"),
        ("r2", True, "+49", "number 1 by the rules"),
        ("r1", True, "+", "number 2 by the rules"),
        ("r5", False, "+", "its pattern is not in the number"),
    ]
    assert [(hop.target, hop.up, hop.destination, hop.cost.micros) for hop in told.hops] == [
        ("alpha", True, "4930123456", 10),
        ("beta", False, "4930123456", 20),
    ]
    first = told.hops[0].price
    assert first is not None
    assert (first.amount.micros, first.sheet) == (20, "retail")
    assert [(each.limit, each.allowed) for each in told.limits] == [("from", True), ("daily_budget", True)]
    assert told.refusal == ""


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"to": "1-800-FLOWERS"}, "It has a character that no number has."),
        ({"kind": "voice"}, "No route takes this number now. Version 7 of the routes is in force."),
        ({"from": "+4930999999"}, "The limit from forbids it."),
        ({"from": "+14165550100", "resource": to_text(TENANT)}, "The limit from forbids it."),
        ({"to": "+14165550123"}, "The limit daily_budget forbids it."),
    ],
)
def test_a_refusal_names_its_reason(asked: dict[str, str], refusal: str) -> None:
    rules = (route(1, prefixes=("49",)), route(2, prefixes=("1",), cost=500))
    assert explained(explainer(RouteSet(routes=rules))[1], **asked).refusal == refusal


def test_a_way_in_is_told_as_the_router_goes_it() -> None:
    hook = {"kind": "webhook", "url": "https://app.example.com/in"}
    tenant = RouteSet(
        inbound=(
            InboundRule(id="calls", target=hook, numbers=(OWN,), kinds=(Kind.VOICE,)),
            InboundRule(id="some", target=hook, numbers=(OWN,), callers=("+1",)),
        )
    )
    operator = RouteSet(inbound=(InboundRule(id="rest", target={"kind": "reject"}, prefixes=("",)),))
    router, explain = explainer(operator, tenant)
    for caller, rule, kind in ((NUMBER, "rest", "reject"), ("+14255550123", "some", "webhook")):
        told = explained(
            explain, to="1 (425) 555-0100".replace("1 ", "+1 "), **{"from": caller}, direction="in"
        )
        done = router.inward(TENANT, Arrival(Kind.SMS, OWN, caller, 0))
        assert (told.rule, [stop.kind for stop in told.stops]) == (rule, [kind])
        assert (done.rule, [stop.kind for stop in done.stops]) == (rule, [kind])
        assert told.resource == to_text(TENANT)
        assert told.tried[0].why == "not for sms"
    unknown = explained(explainer(RouteSet())[1], to="12345", direction="in")
    assert (unknown.number, unknown.refusal) == ("12345", "No rule is for this number.")
    assert (
        explained(explain, to="nobody", direction="in").refusal == "It is neither a number nor a short code."
    )


@pytest.mark.parametrize(("name", "text"), [("at", "tomorrow"), ("at", "2026-11-23T12:00"), ("seed", "x")])
def test_a_time_or_id_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{name}: "):
        explained(explainer(RouteSet())[1], **{name: text})
