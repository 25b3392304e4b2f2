"""R8: when the next trunk is tried, and when never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.calling.failover import MOST_ATTEMPTS, NEVER, Fault, tries_next, why_not

pytestmark = pytest.mark.unit

OUTCOMES = st.one_of(st.sampled_from(list(Fault)), st.integers(200, 699))


@pytest.mark.parametrize("outcome", [*Fault, 408, 500, 502, 503, 504])
def test_a_trunk_that_does_not_work_is_followed_by_the_next(outcome: int | Fault) -> None:
    assert tries_next(outcome, rang=False, attempts=1)


@pytest.mark.parametrize(
    "outcome",
    [200, 202, 300, 301, 302, 305, 380, 401, 403, 404, 407, 480, 484, 486, 487, 600, 603, 604, 607, 608],
)
def test_an_answer_is_an_answer(outcome: int) -> None:
    assert not tries_next(outcome, rang=False, attempts=1)
    assert str(outcome) in why_not(outcome, rang=False, attempts=1)


def test_codecs_that_differ_make_488_worth_another_try() -> None:
    assert tries_next(488, rang=False, attempts=1, codecs_differ=True)
    assert not tries_next(488, rang=False, attempts=1)


def test_a_trunk_may_extend_the_list_by_name() -> None:
    assert tries_next(410, rang=False, attempts=1, extended=frozenset({410}))
    assert not tries_next(486, rang=False, attempts=1, extended=frozenset({486}))


@given(OUTCOMES, st.booleans(), st.sets(st.sampled_from([*sorted(NEVER), 410, 488])))
def test_nothing_is_tried_once_somebody_was_called_or_gave_up(
    outcome: int | Fault, differ: bool, extended: set[int]
) -> None:
    more = frozenset(extended)
    assert not tries_next(outcome, rang=True, attempts=1, codecs_differ=differ, extended=more)
    assert not tries_next(
        outcome, rang=False, attempts=1, codecs_differ=differ, extended=more, cancelled=True
    )
    assert not tries_next(outcome, rang=False, attempts=MOST_ATTEMPTS, codecs_differ=differ, extended=more)
