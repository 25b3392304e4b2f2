"""How fast a throttled link is used."""

import pytest

from sms.pace import PAUSE_SECONDS, Pace

pytestmark = pytest.mark.unit


def test_a_link_is_used_whole_until_it_is_throttled() -> None:
    assert Pace().room(100, 0, 0.0) == 100


def test_a_throttled_link_rests_and_comes_back_with_half() -> None:
    pace = Pace()
    pace.throttled(outstanding=39, now=10.0)
    assert pace.room(61, 39, 10.0) == 0
    assert pace.room(100, 0, 10.0 + PAUSE_SECONDS[0]) == 20


def test_answers_to_what_was_on_the_wire_do_not_count_again() -> None:
    pace = Pace()
    for outstanding in range(39, 0, -1):
        pace.throttled(outstanding, 10.0)
    assert pace.until == 10.0 + PAUSE_SECONDS[0]
    assert pace.room(100, 0, pace.until) == 20


def test_pauses_grow_until_something_is_taken() -> None:
    pace, now, pauses = Pace(), 0.0, []
    for _ in range(7):
        pace.throttled(0, now)
        pauses.append(pace.until - now)
        now = pace.until
    assert pauses == [*PAUSE_SECONDS, PAUSE_SECONDS[-1], PAUSE_SECONDS[-1]]
    pace.taken(0, 100)
    pace.throttled(0, now)
    assert pace.until - now == PAUSE_SECONDS[0]


def test_a_link_always_gets_one_more_try() -> None:
    pace, now = Pace(), 0.0
    for _ in range(20):
        pace.throttled(0, now)
        now = pace.until
        assert pace.room(100, 0, now) == 1


def test_a_link_grows_back_to_its_window() -> None:
    pace = Pace()
    pace.throttled(9, 0.0)
    taken = 0
    while pace.room(10, 0, 1.0) < 10:
        pace.taken(0, 10)
        taken += 1
    assert 20 < taken < 100


def test_a_carrier_that_takes_twenty_a_second_gets_about_twenty() -> None:
    """A token bucket of 20 a second, answers at once: what is taken, and what is refused, in a minute."""
    pace, now, tokens, taken, refused = Pace(), 0.0, 20.0, 0, 0
    while now < 60.0:
        room = pace.room(100, 0, now)
        for sent in range(room):
            if tokens >= 1.0:
                tokens -= 1.0
                taken += 1
                pace.taken(room - sent - 1, 100 - room + sent + 1)
            else:
                refused += 1
                pace.throttled(room - sent - 1, now)
        later = max(pace.until, now + 0.001)
        tokens = min(20.0, tokens + (later - now) * 20.0)
        now = later
    assert taken > 0.9 * (60 * 20)
    assert refused < taken / 2


def test_a_link_may_have_pauses_of_its_own() -> None:
    pace = Pace((3.0, 7.0))
    pace.throttled(0, 0.0)
    assert pace.until == 3.0
    pace.throttled(0, 3.0)
    pace.throttled(0, 10.0)
    assert pace.until == 17.0
