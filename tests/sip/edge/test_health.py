"""A trunk is down after three missed OPTIONS, and back after two good ones (R9)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.edge.health import Health

pytestmark = pytest.mark.unit


def told(*answers: int | None) -> tuple[Health, list[bool]]:
    health = Health()
    return health, [health.heard(each) for each in answers]


def test_two_misses_leave_a_trunk_up_and_the_third_takes_it_down() -> None:
    health, changes = told(None, None, None)
    assert changes == [False, False, True]
    assert not health.up


def test_an_answer_between_misses_begins_the_count_anew() -> None:
    health, _ = told(None, None, 200, None, None)
    assert health.up


@pytest.mark.parametrize("status", [200, 403, 404, 405, 408, 481, 500, 603])
def test_any_final_response_but_503_is_alive(status: int) -> None:
    health, _ = told(status, status, status)
    assert health.up


def test_a_trunk_that_says_503_three_times_is_down() -> None:
    health, _ = told(503, 503, 503)
    assert not health.up


def test_it_is_back_after_two_good_answers_in_a_row() -> None:
    health, changes = told(None, None, None, 200, None, 200, 200)
    assert changes == [False, False, True, False, False, False, True]
    assert health.up


@settings(max_examples=50)
@given(st.lists(st.sampled_from([200, 503, None]), max_size=40))
def test_every_change_is_told_once_and_they_take_turns(answers: list[int | None]) -> None:
    health, changes = told(*answers)
    assert health.up == (sum(changes) % 2 == 0)
