"""Which way something goes out: the table against a slow and obvious reference, weights, order, witnesses."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings

from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.money import Money
from telephony.routing.compiling import check_set
from telephony.routing.decide import MAX_TRIED, Decision, Question, Witness, decide
from telephony.routing.formats import DigitRule, NumberFormat, NumberFormats
from telephony.routing.rules import BY_NUMBER, Kind, Route, RouteSet
from telephony.routing.table import compile_table
from telephony.routing.targets import TargetKinds
from tests.support.routing import CARRIERS, naive, questions, route, route_sets

pytestmark = pytest.mark.unit

BERLIN = E164("+4930123456")


def asked(*routes: Route, number: str = BERLIN, seed: bytes = b"", **more: Any) -> Decision:
    """Return what a few routes decide."""
    table = compile_table(RouteSet(routes=routes), CARRIERS)
    return decide(table, Question(Kind.SMS, E164(number), "+14255550123", 0, seed), **more)


def targets(decision: Decision) -> list[str]:
    return [hop.target for hop in decision.hops]


@settings(max_examples=150, deadline=None)
@given(route_sets, questions)
def test_the_table_decides_as_the_naive_reference(rules: RouteSet, question: Question) -> None:
    decision = decide(compile_table(rules, CARRIERS), question)
    assert [(hop.target, hop.route, hop.prefix) for hop in decision.hops] == naive(rules, CARRIERS, question)


@settings(max_examples=60, deadline=None)
@given(route_sets, questions)
def test_a_witness_changes_nothing_and_names_every_route_that_has_a_fitting_prefix(
    rules: RouteSet, question: Question
) -> None:
    table, witness = compile_table(rules, CARRIERS), Witness()
    decision = decide(table, question, witness=witness)
    assert decision == decide(table, question)
    assert [each.rule for each in witness.tried if each.taken] == [hop.route for hop in decision.hops]
    digits = question.number[1:]
    assert {each.rule for each in witness.tried} == {
        each.id
        for each in rules.routes
        if each.kind == question.kind
        and any(digits.startswith(prefix.lstrip("+")) for prefix in each.prefixes or ("",))
    }


def test_the_longest_prefix_goes_first_and_the_shorter_ones_are_behind_it() -> None:
    decision = asked(
        route(1, target="alpha"),
        route(2, target="beta", prefixes=("49",), cost=9, priority=9),
        route(3, target="gamma", prefixes=("+4930", "4940")),
    )
    assert targets(decision) == ["gamma", "beta", "alpha"]
    assert [hop.prefix for hop in decision.hops] == ["+4930", "+49", "+"]


def test_priority_goes_before_cost_and_cost_before_weight() -> None:
    decision = asked(
        route(1, target="alpha", priority=1, cost=1),
        route(2, target="beta", cost=200, weight=100),
        route(3, target="gamma", cost=100),
    )
    assert targets(decision) == ["gamma", "beta", "alpha"]
    assert decision.hops[0].cost == Money(100, "EUR")


def test_costs_are_compared_in_one_currency_exactly() -> None:
    rules = RouteSet(
        exchange={"USD": 909_091},
        routes=(
            route(1, target="alpha", cost=1_000_000),
            route(2, target="beta", cost=1_100_000, currency="USD"),  # 1.0000001 of ours
        ),
    )
    question = Question(Kind.SMS, BERLIN, "", 0)
    assert targets(decide(compile_table(rules, CARRIERS), question)) == ["alpha", "beta"]


def test_a_stop_leaves_shorter_prefixes_out() -> None:
    rules = (route(1), route(2, target="beta", prefixes=("49",), stop=True))
    assert targets(asked(*rules)) == ["beta"]
    assert targets(asked(*rules, number="+14255550123")) == ["alpha"]


def test_nothing_goes_where_no_route_is() -> None:
    decision = asked(route(1, prefixes=("1",)))
    assert decision.hops == ()
    assert decision.refusal == "No route takes this number now."


def test_voice_and_texts_have_routes_of_their_own() -> None:
    table = compile_table(RouteSet(routes=(route(1, kind=Kind.VOICE),)), CARRIERS)
    assert decide(table, Question(Kind.SMS, BERLIN, "", 0)).refusal
    assert not decide(table, Question(Kind.VOICE, BERLIN, "", 0)).refusal


def test_weights_share_out_the_first_place() -> None:
    routes = (
        route(1, target="alpha", weight=6),
        route(2, target="beta", weight=3),
        route(3, target="gamma", weight=1),
    )
    table = compile_table(RouteSet(routes=routes), CARRIERS)
    drawn = [
        targets(decide(table, Question(Kind.SMS, BERLIN, "", 0, place.to_bytes(16, "big"))))
        for place in range(4000)
    ]
    first = Counter(order[0] for order in drawn)
    assert first["alpha"] == pytest.approx(2400, abs=160)  # five standard deviations
    assert first["beta"] == pytest.approx(1200, abs=145)
    assert first["gamma"] == pytest.approx(400, abs=95)
    second = Counter(order[1] for order in drawn if order[0] == "alpha")
    assert second["beta"] / second["gamma"] == pytest.approx(3, abs=0.6)  # their own weights go on


def test_the_same_seed_draws_the_same_order_whoever_else_is_there() -> None:
    routes = [route(place, target=name, weight=2) for place, name in enumerate(CARRIERS)]
    for seed in (b"", b"one", b"x" * 64):
        order = targets(asked(*routes, seed=seed))
        assert order == targets(asked(*reversed(routes), seed=seed))
        assert [name for name in order if name != "beta"] == targets(asked(routes[0], routes[2], seed=seed))


def test_a_route_of_no_weight_is_behind_its_equals() -> None:
    routes = (route(1, target="alpha", weight=0), route(2, target="beta"))
    assert all(targets(asked(*routes, seed=bytes([seed]))) == ["beta", "alpha"] for seed in range(50))


def test_a_carrier_that_cannot_be_reached_stands_behind_the_others() -> None:
    routes = (route(1, target="alpha"), route(2, target="beta", cost=1), route(3, target="gamma", cost=2))
    decision = asked(*routes, usable=lambda target: target != "alpha")
    assert [(hop.target, hop.up) for hop in decision.hops] == [
        ("beta", True),
        ("gamma", True),
        ("alpha", False),
    ]


def test_each_carrier_gets_the_digits_as_it_wants_them() -> None:
    carriers = {
        "alpha": NumberFormats(
            destination=NumberFormat(form="national", country="DE", national_prefix="0", tech_prefix="77#"),
            sender=NumberFormat(form="e164"),
        ),
        "beta": NumberFormats(
            destination=NumberFormat(form="e164", rules=(DigitRule(begins="+49", strip=1, add="0011"),))
        ),
    }
    table = compile_table(RouteSet(routes=(route(1), route(2, target="beta", cost=1))), carriers)
    hops = decide(table, Question(Kind.SMS, BERLIN, "+14255550123", 0)).hops
    assert [(hop.destination, hop.sender) for hop in hops] == [
        ("77#030123456", "+14255550123"),
        ("00114930123456", "14255550123"),
    ]


def test_a_witness_counts_what_it_has_no_room_for() -> None:
    table = compile_table(RouteSet(routes=tuple(route(place) for place in range(MAX_TRIED + 7))), CARRIERS)
    witness = Witness()
    decide(table, Question(Kind.SMS, BERLIN, "", 0), witness=witness)
    assert (len(witness.tried), witness.more) == (MAX_TRIED, 7)


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        (RouteSet(routes=(route(1), route(1))), "routes[1].id"),
        (RouteSet(routes=(route(1, currency="USD"),)), "routes[0].currency"),
        *(
            (RouteSet(routes=(route(1, prefixes=("49", prefix)),)), "routes[0].prefixes[1]")
            for prefix in ("0049", "++49", "4 9", "4_9", "\u0664", "1" * 16, "+0")
        ),
        (RouteSet(routes=(route(1), route(2, pattern="(a)\\1"))), "routes[1].pattern"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_place(rules: RouteSet, place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        compile_table(rules, CARRIERS)
    assert refused.value.target == place


def test_by_the_number_is_the_carrier_of_the_sender_s_number() -> None:
    rules = RouteSet(routes=(route(1, target=BY_NUMBER), route(2, target="beta", priority=1)))
    table = compile_table(rules, CARRIERS)

    def way(own: str, *without: str, witness: Witness | None = None) -> list[str]:
        question = Question(Kind.SMS, BERLIN, "+14255550123", 0, b"", own, without)
        return targets(decide(table, question, witness=witness))

    assert way("gamma") == ["gamma", "beta"]
    assert way("beta") == ["beta"]
    assert way("") == way("elsewhere") == ["beta"]
    assert way("gamma", "gamma") == ["beta"]
    assert way("gamma", "gamma", "beta") == []
    witness = Witness()
    way("gamma", "beta", witness=witness)
    assert [(each.target, each.taken, each.why) for each in witness.tried] == [
        ("gamma", True, "number 1 by the rules: the carrier of the sender's number"),
        ("beta", False, "tried already"),
    ]
    witness = Witness()
    way("", witness=witness)
    way("elsewhere", witness=witness)
    assert [each.why for each in witness.tried if not each.taken] == [
        "the sender is no number of a carrier",
        "the carrier of the sender's number, elsewhere, is not there",
    ]


def test_by_the_number_is_a_target_that_every_set_may_have() -> None:
    rules = RouteSet(routes=(route(1, target=BY_NUMBER),))
    told = check_set(rules, {}, TargetKinds(), operator=True)
    assert not any(each.rules for each in told)
    with pytest.raises(InvalidRequest, match=r"no carrier .delta.; there are alpha, .*, and @number"):
        check_set(RouteSet(routes=(route(1, target="delta"),)), CARRIERS, TargetKinds(), operator=True)
