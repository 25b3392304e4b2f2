"""Rules that others leave nothing for are told of, and only those."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from telephony.routing.compiling import check_set
from telephony.routing.decide import Question, decide
from telephony.routing.inbound import compile_inbound
from telephony.routing.overlaps import MAX_ODDITIES, Oddity, oddities
from telephony.routing.rules import BY_NUMBER, InboundRule, Kind, Route, RouteSet
from telephony.routing.table import compile_table
from telephony.routing.targets import TargetKinds
from telephony.routing.windows import Window
from tests.support.routing import CARRIERS, questions, route, route_sets

pytestmark = pytest.mark.unit

HOOK = {"kind": "webhook", "url": "https://app.example.com/in"}
NEVER = (Window(first=date(2026, 11, 23), last=date(2026, 11, 23), days=("sun",)),)


def told(*routes: Route, inbound: tuple[InboundRule, ...] = ()) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.what, each.rules) for each in found(RouteSet(routes=routes, inbound=inbound))]


def found(rules: RouteSet) -> tuple[Oddity, ...]:
    return oddities(rules, compile_table(rules, CARRIERS), compile_inbound(rules, TargetKinds()))


@settings(max_examples=150, deadline=None)
@given(route_sets, questions)
def test_a_route_that_is_told_to_be_unreachable_is_never_chosen(rules: RouteSet, question: Question) -> None:
    dead = {
        each.rules[0] for each in found(rules) if each.what in ("unreachable", "never in force", "no carrier")
    }
    chosen = {hop.route for hop in decide(compile_table(rules, CARRIERS), question).hops}
    assert not dead & chosen


def test_right_rules_are_not_odd() -> None:
    assert (
        told(
            route(1),
            route(2, prefixes=("49",)),
            route(3, prefixes=("49",), target="beta", cost=5),
            route(4, prefixes=("49",), priority=1, target="gamma", stop=True),
        )
        == []
    )


def test_a_route_behind_one_that_always_goes_to_the_same_carrier_is_unreachable() -> None:
    assert told(route(1, prefixes=("49", "43")), route(2, prefixes=("49",), cost=5)) == [
        ("unreachable", ("r2", "r1"))
    ]
    assert told(route(1, prefixes=("49",)), route(2, prefixes=("49", "43"), cost=5)) == []
    assert told(route(1, senders=("+1",)), route(2, cost=5)) == []
    assert told(route(1, enabled=False), route(2, cost=5)) == []
    assert told(route(1), route(2, cost=5, stop=True)) == []  # it still stops


def test_routes_that_differ_in_nothing_overlap() -> None:
    assert told(route(1), route(2, weight=5)) == [("overlap", ("r1", "r2"))]
    assert told(route(1, pattern="^.4"), route(2, pattern="^.4")) == [("overlap", ("r1", "r2"))]


def test_a_route_whose_longer_prefixes_all_stop_is_unreachable() -> None:
    stops = [route(10 + digit, prefixes=(f"49{digit}",), stop=True) for digit in range(10)]
    assert told(route(1, prefixes=("49",)), *stops) == [("unreachable", ("r1",))]
    assert told(route(1, prefixes=("49",)), *stops[:9]) == []
    deeper = [route(30 + digit, prefixes=(f"499{digit}",), stop=True) for digit in range(10)]
    assert told(route(1, prefixes=("49",)), *stops[:9], *deeper) == [("unreachable", ("r1",))]


def test_a_prefix_that_may_be_a_whole_number_is_never_covered_by_longer_ones() -> None:
    stops = [route(10 + digit, prefixes=(f"4930123{digit}",), stop=True) for digit in range(10)]
    assert told(route(1, prefixes=("4930123",)), *stops) == []


@pytest.mark.parametrize(
    ("pattern", "prefixes", "odd"),
    [
        (r"^\+1425", ("49",), True),
        (r"^\+49", ("49",), False),
        (r"^\+4930\d+$", ("49", "1"), False),
        (r"^\+49", ("4930",), False),
        (r"1425", ("49",), False),
        (r"^\+(1|7)", ("49", "33"), False),  # what lies in parentheses is not looked at
        (r"^\+15|49", ("49",), False),
        (r"^\+15?", ("12",), False),
        (r"^\+15?", ("2",), True),
        (r"^[+]15{1}", ("17",), False),
        (r"^\+7", ("49", "33"), True),
    ],
)
def test_a_pattern_outside_of_its_prefixes_is_unreachable(
    pattern: str, prefixes: tuple[str, ...], odd: bool
) -> None:
    expected = [("unreachable", ("r1",))] if odd else []
    assert told(route(1, pattern=pattern, prefixes=prefixes)) == expected


def test_windows_without_a_date_and_carriers_that_are_not_there_are_told() -> None:
    assert told(route(1, windows=NEVER), route(2, target="nobody", prefixes=("1",))) == [
        ("never in force", ("r1",)),
        ("no carrier", ("r2",)),
    ]


def inbound(number: int, **changes: Any) -> InboundRule:
    return InboundRule(**({"id": f"i{number}", "target": HOOK, "numbers": ("+4930123456",)} | changes))


def test_an_inbound_rule_behind_one_that_takes_everything_is_unreachable() -> None:
    assert told(inbound=(inbound(1), inbound(2))) == [("unreachable", ("i2", "i1"))]
    assert told(inbound=(inbound(1, kinds=(Kind.SMS,)), inbound(2))) == []
    assert told(inbound=(inbound(1, windows=(Window(days=("mon",)),)), inbound(2))) == []
    assert told(inbound=(inbound(1), inbound(2, numbers=("+4930123456", "+4930123457")))) == []
    closed = {"kind": "schedule", "alternatives": [{"windows": [{}], "target": HOOK}]}
    assert told(inbound=(inbound(1, target=closed), inbound(2))) == []
    assert told(inbound=(inbound(1, windows=NEVER), inbound(2))) == [("never in force", ("i1",))]


def test_numbers_that_are_sent_on_in_a_circle_are_told() -> None:
    def onward(number: int, to: int) -> InboundRule:
        target = {"kind": "number", "number": f"+493012345{to}"}
        return inbound(number, numbers=(f"+493012345{number}",), target=target)

    assert told(inbound=(onward(1, 2), onward(2, 3), onward(3, 1))) == [("loop", ("i1", "i2", "i3"))]
    assert told(inbound=(onward(1, 1),)) == [("loop", ("i1",))]
    assert told(inbound=(onward(1, 2), onward(2, 3))) == []


def test_there_is_an_end_to_what_is_told() -> None:
    routes = tuple(route(number) for number in range(MAX_ODDITIES + 10))
    assert len(found(RouteSet(routes=routes))) == MAX_ODDITIES


def test_a_set_that_lets_no_text_in_is_told() -> None:
    texts = InboundRule(id="texts", target=HOOK, kinds=(Kind.SMS,), prefixes=("",))
    cases: tuple[tuple[tuple[InboundRule, ...], list[str]], ...] = (
        ((), ["refused"]),
        ((replace(texts, enabled=False),), ["refused"]),
        ((replace(texts, kinds=(Kind.VOICE,)),), ["refused"]),
        ((texts,), []),
        ((replace(texts, kinds=()),), []),
    )
    for inbound, expected in cases:
        rules = RouteSet(inbound=inbound)
        odd = check_set(replace(rules, routes=(route(1),)), CARRIERS, TargetKinds(), operator=True)
        assert [each.what for each in odd] == expected
        assert check_set(rules, CARRIERS, TargetKinds(), operator=False) == ()


def test_a_set_that_lets_no_text_out_is_told() -> None:
    texts = InboundRule(id="texts", target=HOOK, kinds=(Kind.SMS,), prefixes=("",))
    for routes, expected in (
        ((), ["No route is for texts: none leaves."]),
        ((route(1, kind=Kind.VOICE), route(2, enabled=False)), ["No route is for texts: none leaves."]),
        ((route(1, target=BY_NUMBER),), []),
    ):
        rules = RouteSet(inbound=(texts,), routes=routes)
        odd = check_set(rules, CARRIERS, TargetKinds(), operator=True)
        assert [each.text for each in odd if not each.rules] == expected
