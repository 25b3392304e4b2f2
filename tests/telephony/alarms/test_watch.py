"""When a trouble becomes an alarm, and when an alarm ends."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.alarms.settings import AlarmSettings
from telephony.alarms.watch import GONE, AlarmKind, Observation, Severity, Thing, Turn, Watch
from telephony.kernel.clock import SECOND

pytestmark = pytest.mark.unit

LINK = Thing(AlarmKind.LINK, "one")
OTHER = Thing(AlarmKind.LINK, "two")
SETTINGS = AlarmSettings(after_seconds=30, clear_seconds=60)


def seen(wrong: bool | None, thing: Thing = LINK, text: str = "It is down.") -> Observation:
    return Observation(thing, wrong, text)


def turns(watch: Watch, states: Sequence[bool | None], step: int = 10) -> list[tuple[Turn, int]]:
    """Observe a state every `step` seconds; return the turns and when they came, in seconds."""
    found = []
    for place, wrong in enumerate(states):
        now = place * step * SECOND
        found += [(each.turn, each.at // SECOND) for each in watch.observe([seen(wrong)], now)]
    return found


def fresh(**more: float) -> Watch:
    return Watch(AlarmSettings(**{"after_seconds": 30, "clear_seconds": 60, **more}), {}, 0)


def test_an_alarm_is_raised_after_a_while_and_cleared_after_a_while() -> None:
    assert turns(fresh(), [True] * 10 + [False] * 10) == [(Turn.RAISED, 30), (Turn.CLEARED, 160)]


def test_what_is_wrong_for_a_moment_is_no_alarm() -> None:
    assert turns(fresh(), [True, True, True, False] * 10) == []


def test_what_comes_and_goes_is_one_alarm() -> None:
    flapping = [True] * 4 + [False, True] * 20 + [False] * 7
    assert [turn for turn, _ in turns(fresh(), flapping)] == [Turn.RAISED, Turn.CLEARED]


def test_what_lies_between_two_thresholds_changes_nothing() -> None:
    assert turns(fresh(), [None] * 20) == []
    raised = [True] * 4
    assert turns(fresh(), raised + [None] * 20) == [(Turn.RAISED, 30)]


def test_without_waiting_everything_turns_at_once() -> None:
    assert turns(fresh(after_seconds=0, clear_seconds=0), [True, True, False, False]) == [
        (Turn.RAISED, 0),
        (Turn.CLEARED, 20),
    ]


def test_what_is_not_watched_any_more_is_cleared_with_the_words_it_was_raised_with() -> None:
    watch = Watch(SETTINGS, {}, 0)
    for second in (0, 30):
        watch.observe([seen(True), seen(True, OTHER)], second * SECOND)
    assert len(watch.open()) == 2
    watch.observe([seen(True, OTHER)], 40 * SECOND)
    (cleared,) = watch.observe([seen(True, OTHER)], 100 * SECOND)
    assert (cleared.turn, cleared.thing, cleared.text) == (Turn.CLEARED, LINK, "It is down.")
    assert [each.thing for each in watch.open()] == [OTHER]
    assert GONE not in cleared.text


def test_an_alarm_of_an_earlier_life_goes_on_without_being_raised_again() -> None:
    open_alarms = {LINK: seen(True), OTHER: seen(True, OTHER)}
    watch = Watch(SETTINGS, open_alarms, 0)
    assert watch.observe([seen(True), seen(False, OTHER)], SECOND) == []
    (cleared,) = watch.observe([seen(True), seen(False, OTHER)], 61 * SECOND)
    assert (cleared.turn, cleared.thing) == (Turn.CLEARED, OTHER)
    assert [each.thing for each in watch.open()] == [LINK]


def test_the_words_are_those_of_the_last_trouble() -> None:
    watch = Watch(AlarmSettings(after_seconds=0, clear_seconds=0), {}, 0)
    (raised,) = watch.observe([Observation(LINK, True, "90 %", Severity.WARNING)], 0)
    assert (raised.text, raised.severity) == ("90 %", Severity.WARNING)
    watch.observe([Observation(LINK, True, "95 %", Severity.WARNING)], SECOND)
    assert [each.text for each in watch.open()] == ["95 %"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 100)), max_size=40))
def test_whatever_is_seen_an_alarm_is_raised_and_cleared_by_turns(
    states: list[tuple[bool | None, int]],
) -> None:
    watch, now, found = Watch(SETTINGS, {}, 0), 0, []
    for wrong, seconds in states:
        now += seconds * SECOND
        found += [each.turn for each in watch.observe([seen(wrong)], now)]
    assert found == [Turn.RAISED, Turn.CLEARED] * (len(found) // 2) + [Turn.RAISED] * (len(found) % 2)
    assert len(watch.open()) == len(found) % 2
