"""When a delivery is tried again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.events.retry import (
    AT_LEAST,
    JITTER,
    SCHEDULE,
    DeadReason,
    Tries,
    decide,
    pause_seconds,
)
from telephony.events.states import DELIVERY, SUBSCRIPTION
from telephony.kernel.clock import HOUR, SECOND

pytestmark = [pytest.mark.unit, pytest.mark.promise("R26")]

FOREVER = 1 << 60


def tries(attempts: int, *, most: int = 30, expires: int = FOREVER, now: int = 0) -> Tries:
    return Tries(attempts, most, expires, now)


@given(
    st.integers(1, 40),
    st.sampled_from([None, 301, 401, 404, 408, 500, 503]),
    st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_never_shorter_than_the_schedule_and_the_status_ask_nor_a_fifth_longer(
    attempts: int, status: int | None, chance: float
) -> None:
    least = max(SCHEDULE[min(attempts, len(SCHEDULE)) - 1], AT_LEAST.get(status or 0, 0))
    assert least <= pause_seconds(attempts, status, chance=chance) <= least * (1 + JITTER)


@pytest.mark.parametrize(
    ("status", "seconds"), [(401, 300), (403, 300), (404, 300), (408, 120), (503, 30), (500, 10)]
)
def test_some_statuses_ask_for_more_patience(status: int, seconds: int) -> None:
    assert pause_seconds(1, status, chance=0) == seconds


def test_a_destination_that_we_refused_waits_for_people() -> None:
    assert pause_seconds(1, None, refused=True, chance=0) == 300


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_a_dead_endpoint_is_tried_at_least_six_times_over_24_hours(chance: float) -> None:
    now, count = 0, 1
    while (due := decide(tries(count, expires=24 * HOUR, now=now), None, chance=chance)[0]) is not None:
        now, count = due, count + 1
    assert count >= 6
    assert 10 * HOUR < now < 24 * HOUR


def test_jitter_spreads_what_failed_together() -> None:
    dues = {decide(tries(3), 500, chance=each / 10)[0] for each in range(10)}
    assert len(dues) == 10


@pytest.mark.parametrize("status", [400, 413])
def test_what_cannot_succeed_is_not_tried_again(status: int) -> None:
    assert decide(tries(1), status, chance=0) == (None, DeadReason.REJECTED)


def test_the_last_try_is_the_last() -> None:
    assert decide(tries(3, most=3), 500, chance=0) == (None, DeadReason.ATTEMPTS)
    assert decide(tries(2, most=3), 500, chance=0) == (30 * SECOND, None)


def test_a_try_after_the_time_to_live_is_not_waited_for() -> None:
    assert decide(tries(1, expires=10 * SECOND), 500, chance=0) == (None, DeadReason.EXPIRED)
    assert decide(tries(1, expires=10 * SECOND + 1), 500, chance=0) == (10 * SECOND, None)


def test_the_machines_end_where_they_should() -> None:
    assert {state.value for state in DELIVERY.final} == {"delivered"}
    assert {state.value for state in SUBSCRIPTION.final} == {"failed"}


def test_the_reference_shows_the_machines_as_they_are() -> None:
    text = (Path(__file__).parents[3] / "docs/reference/webhooks.md").read_text()
    for machine in (DELIVERY, SUBSCRIPTION):
        assert f"```mermaid\n{machine.diagram()}```" in text
