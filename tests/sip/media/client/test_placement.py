"""Which engine a call goes to."""

import pytest

from sip.media.client.placement import Placement
from sip.media.protocol import Load

pytestmark = pytest.mark.unit


def load(
    legs: int = 0, *, most: int = 10, busy: float = 0.1, accepts: bool = True, draining: bool = False
) -> Load:
    return Load(
        legs=legs,
        max_legs=most,
        bridges=0,
        busy=busy,
        received=0,
        sent=0,
        late_ticks=0,
        worst_tick_ms=0.0,
        shed=0,
        ports_free=100,
        io="sockets",
        accepts=accepts,
        draining=draining,
    )


def test_calls_go_by_turns_to_engines_that_have_as_much_to_do() -> None:
    placement = Placement()
    placement.report("a", load())
    placement.report("b", load())
    placed = [placement.place(f"call-{number}") for number in range(6)]
    assert placed.count("a") == placed.count("b") == 3


def test_later_legs_of_a_call_follow_it_even_into_a_full_engine() -> None:
    placement = Placement()
    placement.report("a", load())
    first = placement.place("conference")
    placement.report("b", load())
    placement.report("a", load(10))
    assert [placement.place("conference", 1) for _ in range(3)] == [first] * 3
    assert placement.place("another") == "b"


@pytest.mark.parametrize("full", [load(9), load(accepts=False), load(draining=True)])
def test_an_engine_that_is_full_or_draining_is_passed_over(full: Load) -> None:
    placement = Placement()
    placement.report("a", full)
    assert placement.place("one") is None
    placement.report("b", load(7, busy=0.9))
    assert placement.place("one") == "b"


def test_what_was_placed_since_the_last_report_counts() -> None:
    placement = Placement()
    placement.report("a", load(most=4))
    assert [placement.place(call) for call in ("one", "two", "three")] == ["a", "a", None]
    placement.report("a", load(2, most=4))
    assert placement.place("three") == "a"


def test_a_busy_engine_comes_after_one_that_has_time() -> None:
    placement = Placement()
    placement.report("a", load(1, busy=0.9))
    placement.report("b", load(8, busy=0.5))
    assert placement.place("one") == "b"


def test_an_engine_that_refused_is_passed_over_until_it_reports_again() -> None:
    placement = Placement()
    placement.report("a", load())
    placement.refused("a")
    assert placement.place("one") is None
    placement.report("a", load())
    assert placement.place("one") == "a"


def test_a_lost_engine_names_its_calls_and_an_absent_one_keeps_them() -> None:
    placement = Placement()
    placement.report("a", load())
    placement.place("one")
    placement.place("two")
    placement.ended("two")
    placement.away("a")
    assert placement.where("one") == "a"
    assert placement.place("three") is None
    assert placement.lost("a") == ("one",)
    assert placement.where("one") is None
    assert placement.lost("a") == ()


def test_a_call_that_was_found_after_a_restart_stays_where_it_is() -> None:
    placement = Placement()
    placement.found("one", "b")
    placement.report("a", load())
    placement.report("b", load(5))
    assert placement.place("one", 1) == "b"
    assert placement.calls("b") == ("one",)
