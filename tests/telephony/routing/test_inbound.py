"""Where what comes in goes: rules against an obvious reference, kinds of target, schedules, default deny."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.routing.decide import Witness
from telephony.routing.inbound import DENIED, Arrival, WayIn, compile_inbound, decide_inbound
from telephony.routing.rules import InboundRule, Kind, RouteSet
from telephony.routing.targets import BASIC, Stop, TargetKind, TargetKinds, Webhook
from telephony.routing.windows import Window
from tests.support.routing import NUMBERS

pytestmark = pytest.mark.unit

HOOK = {"kind": "webhook", "url": "https://app.example.com/in"}
BUSY = {"kind": "reject", "reason": "busy"}
DESK = {"kind": "sip", "uri": "sip:desk@pbx.example.com"}
NUMBER = "+4930123456"
MONDAY_NOON = 1_795_435_200_000_000  # 2026-11-23T12:00Z


def rule(number: int = 0, **changes: Any) -> InboundRule:
    settings_: dict[str, Any] = {"id": f"i{number}", "target": HOOK} | changes
    if not any(changes.get(name) for name in ("numbers", "prefixes", "pattern")):
        settings_["numbers"] = (NUMBER,)
    return InboundRule(**settings_)


def asked(*rules: InboundRule, kind: Kind = Kind.SMS, number: str = NUMBER, **more: Any) -> WayIn:
    table = compile_inbound(RouteSet(inbound=rules), TargetKinds())
    return decide_inbound(table, Arrival(kind, number, "+14255550123", MONDAY_NOON), **more)


_rules = st.builds(
    rule,
    kinds=st.lists(st.sampled_from(Kind), max_size=2, unique=True).map(tuple),
    numbers=st.lists(st.sampled_from((*NUMBERS, "12345")), max_size=2).map(tuple),
    prefixes=st.lists(st.sampled_from(("", "49", "+4930", "1", "+1425")), max_size=2).map(tuple),
    pattern=st.none() | st.sampled_from((r"^\+49", "6$", r"^\d{5}$")),
    callers=st.sampled_from(((), (), ("+1425",), ("+49", "ACME"))),
    windows=st.sampled_from(((), (), (Window(days=("mon",)),), (Window(days=("tue",)),))),
    enabled=st.sampled_from((True, True, False)),
)


def naive(rules: list[InboundRule], arrival: Arrival) -> str:
    """Return the rule that decides, by looking at everything."""
    import re

    def width(one: InboundRule) -> list[int]:
        found = [0] if arrival.number in one.numbers else []
        found += [
            20 - len(prefix.lstrip("+"))
            for prefix in one.prefixes
            if arrival.number.startswith("+" + prefix.lstrip("+"))
        ]
        if one.pattern is not None and re.search(one.pattern, arrival.number):
            found.append(30)
        return found

    fitting = [
        (wide, place, one.id)
        for place, one in enumerate(rules)
        for wide in width(one)
        if one.enabled
        and arrival.kind in (one.kinds or tuple(Kind))
        and (not one.callers or any(arrival.caller.startswith(each) for each in one.callers))
        and (not one.windows or one.windows[0].days == ("mon",))
    ]
    return min(fitting)[2] if fitting else ""


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_rules, max_size=8),
    st.sampled_from(Kind),
    st.sampled_from((*NUMBERS, "12345", "54321")),
    st.sampled_from(("+14255550123", "ACME")),
)
def test_the_table_decides_as_the_naive_reference(
    rules: list[InboundRule], kind: Kind, number: str, caller: str
) -> None:
    rules = [msgspec.structs.replace(one, id=f"i{place}") for place, one in enumerate(rules)]
    table = compile_inbound(RouteSet(inbound=tuple(rules)), TargetKinds())
    arrival, witness = Arrival(kind, number, caller, MONDAY_NOON), Witness()
    found = decide_inbound(table, arrival)
    assert found.rule == naive(rules, arrival)
    assert decide_inbound(table, arrival, witness) == found
    assert [each.rule for each in witness.tried if each.taken] == ([found.rule] if found.rule else [])


def test_what_no_rule_is_for_is_refused() -> None:
    assert asked().refusal == DENIED
    assert asked(rule(number=1, numbers=("+4930999999",))).refusal == DENIED
    assert asked(rule(enabled=False)).refusal == DENIED
    assert asked(rule(pattern=".*"), number="").refusal == DENIED
    assert asked(rule(prefixes=("",)), number="12345").refusal == DENIED


def test_a_whole_number_goes_before_a_prefix_and_a_pattern_comes_last() -> None:
    rules = (
        rule(1, pattern=r"^\+49"),
        rule(2, prefixes=("+49",)),
        rule(3, prefixes=("4930",)),
        rule(4, numbers=(NUMBER,)),
    )
    assert [asked(*rules[:count]).rule for count in (1, 2, 3, 4)] == ["i1", "i2", "i3", "i4"]


def test_a_schedule_takes_the_first_alternative_that_is_open() -> None:
    schedule: dict[str, Any] = {
        "kind": "schedule",
        "alternatives": [
            {"windows": [{"days": ["sun"]}], "target": BUSY},
            {"windows": [{"begin": "08:00", "end": "18:00"}], "target": HOOK},
            {"windows": [{}], "target": BUSY},
        ],
    }
    assert [stop.kind for stop in asked(rule(target=schedule)).stops] == ["webhook"]


def test_a_schedule_that_says_nothing_about_this_time_leaves_the_next_rule_to_decide() -> None:
    closed = {"kind": "schedule", "alternatives": [{"windows": [{"days": ["sun"]}], "target": HOOK}]}
    assert asked(rule(1, target=closed)).refusal == DENIED
    assert asked(rule(1, target=closed), rule(2, target=BUSY)).rule == "i2"
    assert asked(rule(1, target=closed | {"otherwise": BUSY}), rule(2)).rule == "i1"


def test_a_sequence_is_tried_one_after_the_other() -> None:
    sequence = {
        "kind": "sequence",
        "targets": [
            {"target": DESK, "seconds": 20},
            {"target": {"kind": "sequence", "targets": [{"target": {"kind": "number", "number": NUMBER}}]}},
            {"target": BUSY},
        ],
    }
    found = asked(rule(target=sequence, kinds=(Kind.VOICE,)), kind=Kind.VOICE)
    assert [(stop.kind, stop.seconds) for stop in found.stops] == [
        ("sip", 20),
        ("number", None),
        ("reject", None),
    ]


def nested(depth: int) -> dict[str, Any]:
    target: dict[str, Any] = HOOK
    for _ in range(depth):
        target = {"kind": "sequence", "targets": [{"target": target}]}
    return target


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            {"kind": "user", "id": "8:acs:x"},
            "inbound[0].target.kind: There is no target of the kind 'user'; there are",
        ),
        ({}, "There is no target of the kind 'None'"),
        ({"kind": ["webhook"]}, "There is no target of the kind"),
        (DESK, "inbound[0].target.kind: sip takes no sms; say so in kinds."),
        ({"kind": "webhook"}, "inbound[0].target: Object missing required field 'url'"),
        (HOOK | {"extra": 1}, "unknown field 'extra'"),
        ({"kind": "webhook", "url": "ftp://example.com"}, "The URL must begin with https"),
        ({"kind": "webhook", "url": "http://example.com"}, "The URL must begin with https://."),
        ({"kind": "webhook", "url": "https://user@example.com"}, "must not hold a user name"),
        ({"kind": "number", "number": "110"}, "inbound[0].target: Expected `str` matching".replace("`", "'")),
        ({"kind": "reject", "reason": "because"}, "Invalid enum value 'because'"),
        ({"kind": "sequence", "targets": []}, "length >= 1"),
        (
            {"kind": "schedule", "alternatives": [{"windows": [{"zone": "X"}], "target": HOOK}]},
            "no time zone 'X'",
        ),
        (
            {"kind": "sequence", "targets": [{"target": HOOK}, {"target": {"kind": "thread"}}]},
            "inbound[0].target.targets[1].target.kind: There is no target of the kind 'thread'",
        ),
        (nested(5), "Targets are nested too deeply."),
    ],
)
def test_a_target_that_is_not_there_or_cannot_be_used_is_refused(target: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(rule(target=target))
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        ("sip:desk@pbx.example.com", True),
        ("sips:+4930@192.0.2.1:5061;transport=tls", True),
        ("sip:pbx.example.com", True),
        ("sip:a@[2001:db8::1]:5060", True),
        ("sip:a@b\r\nVia: x", False),
        ("sip:a b@example.com", False),
        ("tel:+4930", False),
        ("sip:<a@b>", False),
        ("sip:a@b@c", False),
        ("sip:" + "a" * 300 + "@b", False),
    ],
)
def test_a_sip_uri_is_looked_at(uri: str, right: bool) -> None:
    voice = rule(target={"kind": "sip", "uri": uri}, kinds=(Kind.VOICE,))
    if right:
        assert asked(voice, kind=Kind.VOICE).stops[0].kind == "sip"
    else:
        with pytest.raises(InvalidRequest):
            asked(voice, kind=Kind.VOICE)


def test_a_plane_registers_a_kind_of_its_own_once() -> None:
    class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        id: str

    kinds = TargetKinds(BASIC)
    kinds.register(TargetKind("user", User))
    table = compile_inbound(RouteSet(inbound=(rule(target={"kind": "user", "id": "u"}),)), kinds)
    found = decide_inbound(table, Arrival(Kind.SMS, NUMBER, "", 0))
    assert found.stops == (Stop("user", User("u")),)
    for name in ("user", "webhook", "schedule", "sequence"):
        with pytest.raises(ValueError, match="already"):
            kinds.register(TargetKind(name, Webhook))


def test_a_rule_for_nothing_at_all_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="numbers, prefixes or a pattern"):
        msgspec.convert({"id": "a", "target": HOOK}, InboundRule)
