"""The pure parts of calls: circles, emergency numbers, the order of trunks, channels, timers, states."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.calling.ceilings import TrunkCeilings
from telephony.calling.conversation import passed_on
from telephony.calling.emergency import emergency_number
from telephony.calling.hops import MOST, diversion, entries, hops_of
from telephony.calling.hunt import Hunt, Way, in_order
from telephony.calling.inbound import CAUSES, Why
from telephony.calling.outbound import cause_of_error
from telephony.calling.ports import CarrierFacts, TrunkFacts
from telephony.calling.states import CALL, CallEvent, CallState
from telephony.calling.targets import PLAY, Play
from telephony.calling.timers import Timers
from telephony.kernel.errors import (
    Conflict,
    InvalidRequest,
    LimitForbids,
    LimitReached,
    NotFound,
    TandemError,
)
from tests.support.calls import trunk
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("headers", "hops"),
    [
        ((), 0),
        ((("Diversion", "<tel:+1>"),), 1),
        ((("diversion", "<tel:+1>;counter=2, <tel:+2>;reason=user-busy"),), 3),
        ((("Diversion", '"a, b <c" <sip:x,y@z>;counter=2'), ("Diversion", "<tel:+1>")), 3),
        ((("History-Info", "<sip:a@b>;index=1"),), 0),
        (
            (
                ("History-Info", "<sip:a@b>;index=1, <sip:c@d>;index=1.1"),
                ("History-Info", "<sip:e>;index=1.1.1"),
            ),
            2,
        ),
        ((("Diversion", "<tel:+1>;counter=999"),), MOST),
        ((("Diversion", "<tel:+1>;counter=0"),), 1),
        ((("X-Diversion", "<tel:+1>"),), 0),
    ],
)
def test_how_often_a_call_was_passed_on_is_read(headers: tuple[tuple[str, str], ...], hops: int) -> None:
    assert hops_of(headers) == hops


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("Diversion", "History-Info")), st.text('<>",;=\\counteridx1 ', max_size=60)
        )
    )
)
def test_no_header_is_too_broken_to_count(headers: list[tuple[str, str]]) -> None:
    assert 0 <= hops_of(headers) <= MOST
    for _, value in headers:
        assert all(entries(value))


def test_what_we_write_is_what_we_read() -> None:
    for hops in range(1, 6):
        assert hops_of(diversion("diversion", "+1", "+2", "unconditional", hops)) == hops
    assert hops_of(diversion("history-info", "+1", "+2", "unconditional", 1)) == 1
    assert diversion("none", "+1", "+2", "unconditional", 1) == ()


@pytest.mark.parametrize(
    ("written", "caller", "country", "digits"),
    [
        ("911", "+12065550100", None, "911"),
        ("9-1-1", "+12065550100", None, "911"),
        ("tel:112", "+4930123456", None, "112"),
        ("110", "+4930123456", None, "110"),
        ("110", "+12065550100", None, ""),
        ("110", "+12065550100", "DE", "110"),
        ("999", "+442071838750", None, "999"),
        ("+112", "+4930123456", None, ""),
        ("911;ext=1", "+12065550100", None, ""),
        ("٩١١", "+12065550100", None, ""),
        ("", "+12065550100", None, ""),
        ("911", "", None, ""),
        ("+12065550911", "+12065550100", None, ""),
    ],
)
def test_emergency_numbers_are_those_of_the_callers_country(
    written: str, caller: str, country: str | None, digits: str
) -> None:
    assert emergency_number(written, caller, country) == digits


def test_trunks_go_by_priority_then_by_weight_and_the_same_seed_draws_the_same() -> None:
    trunks = [
        trunk("a", "last", priority=2),
        trunk("a", "heavy", weight=900, priority=1),
        trunk("a", "light", weight=100, priority=1),
        trunk("a", "never", weight=0, priority=1),
    ]
    first = Counter[str]()
    for number in range(1000):
        order = [one.trunk.name for one in in_order(trunks, number.to_bytes(4, "big"))]
        assert order == [one.trunk.name for one in in_order(trunks, number.to_bytes(4, "big"))]
        assert order[2:] == ["never", "last"]
        first[order[0]] += 1
    assert 850 < first["heavy"] < 950


def test_what_an_operator_added_lets_the_next_trunk_be_tried() -> None:
    ways = [
        Way(CarrierFacts("a"), trunk("a", "one", retry_on=frozenset({480, 580})), "1", "2", "+2"),
        Way(CarrierFacts("a"), trunk("a", "two"), "1", "2", "+2"),
    ]
    hunt = Hunt(ways)
    hunt.take()
    hunt.attempts = 1
    assert hunt.goes_on(580, rang=False) == ""
    assert hunt.goes_on(480, rang=False)
    assert hunt.goes_on(503, rang=False, cancelled=True) == "the caller has hung up"
    hunt.take()
    assert hunt.goes_on(503, rang=False) == "there is no other trunk"


def test_channels_and_rates_hold_for_carrier_and_trunk() -> None:
    clock = ManualClock()
    ceilings = TrunkCeilings(clock)
    one = trunk("a", "one", channels=2)
    other: TrunkFacts = trunk("a", "other", calls_per_second=1.0)
    carrier = CarrierFacts("a", (one, other), channels=3)
    assert [bool(ceilings.take(carrier, each)) for each in (one, one, one, other, other)] == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert ceilings.held == 3
    ceilings.release("a", "one")
    assert "calls_per_second" in ceilings.take(carrier, other)
    clock.advance(1)
    assert ceilings.take(carrier, other) == ""
    for name in ("one", "other", "other"):
        ceilings.release("a", name)
    assert ceilings.held == 0


def test_timers_fire_in_their_order_once_and_not_when_they_were_stopped() -> None:
    clock, told, changes = ManualClock(), list[str](), list[int]()
    timers = Timers(clock, lambda: changes.append(1))
    assert timers.next_in() is None
    timers.after(5, lambda: told.append("five"))
    timers.after(2, lambda: told.append("two"))
    stopped = timers.after(1, lambda: told.append("never"))
    stopped.stop()
    assert len(changes) == 3
    assert timers.next_in() == 2
    clock.at -= 10**12  # a clock that is set changes nothing
    clock.advance(2)
    timers.fire()
    assert told == ["two"]
    clock.advance(10)
    timers.fire()
    timers.fire()
    assert told == ["two", "five"]


def test_every_call_can_be_lost_and_ends_somewhere() -> None:
    live = {CallState.SETUP, CallState.RINGING, CallState.TALKING}
    assert CALL.final == set(CallState) - live
    assert all(CALL.allows(state, CallEvent.LOSE) for state in live)
    assert not CALL.allows(CallState.TALKING, CallEvent.FIND_BUSY)


def test_every_refusal_has_a_status_and_a_cause() -> None:
    assert set(CAUSES) == set(Why)
    assert all(cause.sip >= 400 and 0 < cause.q850 < 128 and cause.text for cause in CAUSES.values())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LimitReached("slow", limit="calls_per_second", retry_after=1.0), 503),
        (LimitForbids("no", limit="calls"), 403),
        (InvalidRequest("what"), 484),
        (NotFound("where"), 404),
        (Conflict("else"), 403),
    ],
)
def test_errors_stand_in_records_as_statuses(error: TandemError, status: int) -> None:
    assert cause_of_error(error).sip == status  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "told"), [(302, 480), (401, 503), (407, 503), (486, 486), (603, 603)])
def test_what_was_meant_for_us_is_not_passed_on(status: int, told: int) -> None:
    assert passed_on(status) == told


@pytest.mark.parametrize(
    "what", ["../secret", "http://example.com/a", "file:///etc/passwd", ".hidden", "a b"]
)
def test_prompts_are_names_or_safe_urls(what: str) -> None:
    with pytest.raises(InvalidRequest):
        PLAY.check(Play(what))
    PLAY.check(Play("welcome.wav"))
    PLAY.check(Play("https://example.com/a.wav"))
