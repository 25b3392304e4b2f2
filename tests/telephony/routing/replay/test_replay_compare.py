"""What becomes of past calls and texts by two sets of rules, and what that adds up to."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.e164 import E164
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.money import Money
from telephony.routing.compiling import compile_set
from telephony.routing.decide import Question, Witness
from telephony.routing.replay.compare import Amount, Basis, Effect, Past, Rules, Way, compare, reasons
from telephony.routing.replay.draft import Draft, DraftSheets, SheetDraft, prepare
from telephony.routing.replay.tally import Group, Tally
from telephony.routing.router import Router, Tables
from telephony.routing.rules import BY_NUMBER, InboundRule, Kind, RouteSet
from telephony.routing.sip_configuration.choice import Choice, CompiledRoutes
from telephony.routing.sip_configuration.configuration import Route as SipRoute
from telephony.routing.sip_configuration.configuration import SipConfiguration, Trunk
from telephony.routing.targets import TargetKinds
from telephony.usage.rating import Kind as RatedKind
from telephony.usage.rating import Rate
from telephony.usage.sheet import Sheet
from tests.support.routing import CARRIERS, questions, route, route_sets

pytestmark = pytest.mark.unit

TENANT = ResourceId(b"t" * 16)
OWN = "+14255550100"
SHEET = Sheet("retail", 1, "EUR", [Rate(2, RatedKind.SMS, "49", 200)])


class NoTrunks:
    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        return None


class OneTrunk:
    def __init__(self) -> None:
        trunks = {"sbc.example.com": Trunk(5061)}
        routes = (SipRoute("own", r"^\+4930", trunks=("sbc.example.com",)),)
        self._routes = CompiledRoutes(SipConfiguration(trunks=trunks, routes=routes))

    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        return self._routes.choose(number, {"sbc.example.com"}, witness)


class Sheets:
    def __init__(self, sell: Sheet | None = None, buy: Mapping[str, Sheet] | None = None) -> None:
        self._sell, self._buy = sell, buy or {}

    def sell(self, resource: ResourceId) -> Sheet | None:
        return self._sell

    def buy(self, carrier: str) -> Sheet | None:
        return self._buy.get(carrier)

    def sheet(self, name: str) -> Sheet | None:
        return self._sell if self._sell is not None and self._sell.name == name else None


def tables(rules: RouteSet) -> Tables:
    compiled = compile_set(rules, CARRIERS, TargetKinds())
    return Tables(compiled.outbound, 3, compiled.inbound)


def rules_of(found: Tables, sheets: Sheets | DraftSheets | None = None, own: object = None) -> Rules:
    router = Router()
    router.tables = found
    return Rules(router, own or NoTrunks(), sheets or Sheets())  # type: ignore[arg-type]


def past(peer: str, **changes: object) -> Past:
    fields: dict[str, object] = {
        "resource": TENANT,
        "id": InteractionId(peer.encode().ljust(16, b"\0")[:16]),
        "kind": Kind.SMS,
        "inbound": False,
        "own": OWN,
        "peer": peer,
        "at": 1_800_000_000_000_000,
        "units": 2,
    }
    return Past(**(fields | changes))  # type: ignore[arg-type]


def prepared(draft: Draft, sheets: Sheets | None = None) -> tuple[Tables, Mapping[str, Sheet]]:
    done = prepare(
        draft,
        carriers=CARRIERS,
        kinds=TargetKinds(),
        knows=lambda _: True,
        sheet=(sheets or Sheets()).sheet,
    )
    return done.tables(Tables()), done.sheets


@settings(max_examples=40, deadline=None)
@given(route_sets, st.lists(questions, max_size=10), st.sampled_from(("", "alpha", "beta")))
def test_replaying_the_set_in_force_changes_nothing(
    rules: RouteSet, asked: list[Question], carrier: str
) -> None:
    known = RouteSet(
        currency=rules.currency,
        exchange=rules.exchange,
        calendars=rules.calendars,
        routes=tuple(each for each in rules.routes if each.target in CARRIERS),
    )
    before = rules_of(tables(known), Sheets(SHEET))
    after = rules_of(prepared(Draft(operator=known))[0], DraftSheets(Sheets(SHEET), {}))
    tally = Tally()
    for place, each in enumerate(asked):
        one = past(
            each.number, kind=each.kind, own=each.sender, at=each.at, carrier=carrier, id=b"%016d" % place
        )
        tally.add(one, *compare(before, after, one))
    assert tally.effects.total() == tally.effects[Effect.SAME] == tally.looked == len(asked)
    assert all(one == other for one, other in tally.sums.values())


def test_a_draft_that_moves_a_prefix_moves_exactly_what_begins_so() -> None:
    before = rules_of(tables(RouteSet(routes=(route(1, cost=10),))), Sheets(SHEET))
    moved = RouteSet(
        routes=(route(1, cost=10), route(2, target="beta", prefixes=("4930",), cost=30, currency="EUR"))
    )
    found, sheets = prepared(Draft(operator=moved))
    after = rules_of(found, DraftSheets(Sheets(SHEET), sheets))
    tally = Tally()
    for number in ("+4930123456", "+4930223456", "+491701234567", "+14255550123"):
        one = past(number)
        tally.add(one, *compare(before, after, one))
    assert tally.effects == {Effect.MOVED: 2, Effect.SAME: 2}
    group = Group(False, Kind.SMS, Effect.MOVED, Way("alpha", "r1"), Way("beta", "r2"))
    assert tally.groups == {group: 2}
    sums = {
        account: (before.count, before.micros, after.count, after.micros)
        for account, (before, after) in tally.sums.items()
    }
    assert sums == {
        ("alpha", Basis.ROUTE, "EUR"): (4, 80, 2, 40),
        ("beta", Basis.ROUTE, "EUR"): (0, 0, 2, 120),
        ("alpha", Basis.PRICE, "EUR"): (3, 1200, 1, 400),
        ("beta", Basis.PRICE, "EUR"): (0, 0, 2, 800),
    }
    told, more = reasons(after, tally.examples[group])
    assert [(each.rule, each.taken) for each in told] == [("r2", True), ("r1", True)]
    assert more == 0


def test_what_is_refused_or_allowed_newly_is_told_apart() -> None:
    german = RouteSet(routes=(route(1, prefixes=("49",)),))
    american = RouteSet(routes=(route(1, prefixes=("1",)),))
    before, after = rules_of(tables(german)), rules_of(tables(american))
    _, other, effect = compare(before, after, past("+4930123456"))
    assert (effect, other.way.refusal) == (Effect.REFUSED, "No route takes this number now.")
    assert compare(before, after, past("+14165550123"))[2] is Effect.ALLOWED
    assert compare(before, after, past("+390612345678"))[2] is Effect.SAME
    assert compare(before, after, past("nonsense"))[2] is Effect.SAME


def test_another_order_behind_the_first_is_a_change_of_the_rest() -> None:
    one = RouteSet(routes=(route(1), route(2, target="beta", priority=1)))
    two = RouteSet(routes=(route(1), route(2, target="gamma", priority=1)))
    three = RouteSet(routes=(route(9), route(2, target="beta", priority=1)))
    before = rules_of(tables(one))
    assert compare(before, rules_of(tables(two)), past("+4930123456"))[2] is Effect.REST
    assert compare(before, rules_of(tables(three)), past("+4930123456"))[2] is Effect.ROUTE


def test_the_carrier_of_the_senders_number_is_the_one_that_it_belongs_to() -> None:
    found = rules_of(tables(RouteSet(routes=(route(1, target=BY_NUMBER),))))
    assert found.judge(past("+4930123456", carrier="gamma")).way == Way("gamma", "r1")
    assert found.judge(past("+4930123456")).way.refusal


def test_a_call_costs_by_its_length_and_own_trunks_are_left_as_they_are() -> None:
    rules = RouteSet(routes=(route(1, kind=Kind.VOICE, cost=600),))
    call = past("+491701234567", kind=Kind.VOICE, units=90_000_000)
    verdict = rules_of(tables(rules)).judge(call)
    assert verdict.amounts == (Amount("alpha", Basis.ROUTE, Money(900, "EUR")),)
    own = rules_of(tables(rules), own=OneTrunk())
    assert own.judge(past("+4930123456", kind=Kind.VOICE)).way == Way("sbc.example.com", "own")
    assert own.judge(past("+4930123456", kind=Kind.VOICE, units=None)).amounts == ()
    assert own.judge(call).way == Way("alpha", "r1")


def test_another_target_of_the_same_inbound_rule_is_a_change() -> None:
    def ways_in(url: str) -> Rules:
        hook = {"kind": "webhook", "url": url}
        return rules_of(tables(RouteSet(inbound=(InboundRule(id="in", target=hook, numbers=(OWN,)),))))

    came = past("+4930123456", inbound=True)
    one, other = ways_in("https://one.example.com/"), ways_in("https://two.example.com/")
    assert compare(one, one, came)[2] is Effect.SAME
    assert compare(one, other, came)[2] is Effect.REST
    assert compare(one, rules_of(Tables()), came)[2] is Effect.REFUSED
    assert one.judge(came).way == Way("webhook", "in")


def test_a_sheet_of_the_draft_stands_in_the_place_of_the_one_of_its_name() -> None:
    sheets = Sheets(SHEET)
    draft = Draft(rates={"retail": SheetDraft(("prefix", "price", "kind"), ("49,0.0005,sms",))})
    _, made = prepared(draft, sheets)
    seen = DraftSheets(sheets, made)
    rules = tables(RouteSet(routes=(route(1),)))
    one, other, effect = compare(rules_of(rules, sheets), rules_of(rules, seen), past("+4930123456"))
    assert effect is Effect.SAME
    assert [each.money.micros for each in one.amounts if each.basis is Basis.PRICE] == [400]
    assert [each.money.micros for each in other.amounts if each.basis is Basis.PRICE] == [1000]
    assert seen.asked == {"retail"}


def test_more_kinds_of_change_than_are_kept_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony.routing.replay.tally.MAX_GROUPS", 1)
    nothing = rules_of(Tables())
    some = rules_of(
        tables(RouteSet(routes=(route(1, prefixes=("49",)), route(2, target="beta", prefixes=("1",)))))
    )
    tally = Tally()
    for number in ("+4930123456", "+14255550123", "+4930223456"):
        one = past(number)
        tally.add(one, *compare(nothing, some, one))
    assert (list(tally.groups.values()), tally.more, tally.looked) == ([2], 1, 3)
