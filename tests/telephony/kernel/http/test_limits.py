"""Limits of a resource."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import LimitReached
from telephony.kernel.http.limits import Bucket, RequestGate, RequestLimits
from telephony.kernel.ids import ResourceId

pytestmark = pytest.mark.unit
ONE, OTHER = ResourceId(b"1" * 16), ResourceId(b"2" * 16)


@given(st.lists(st.floats(min_value=0, max_value=0.5), max_size=200))
def test_a_bucket_gives_no_more_than_its_rate_and_burst(pauses: list[float]) -> None:
    bucket, now, given_out = Bucket(10, 5, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now) == 0
    assert given_out <= 5 + now * 10 + 1e-6


def test_an_empty_bucket_says_when_to_come_back() -> None:
    bucket = Bucket(rate=4, burst=1, now=0.0)
    assert bucket.take(0.0) == 0
    assert bucket.take(0.0) == pytest.approx(0.25)
    assert bucket.take(0.25) == 0


def test_a_clock_that_goes_back_earns_nothing() -> None:
    bucket = Bucket(rate=1, burst=1, now=100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) > 0
    assert bucket.take(100.5) == pytest.approx(0.5)


def test_a_resource_that_asks_too_often_is_refused_and_the_other_is_not() -> None:
    gate = RequestGate(RequestLimits(rate=1, burst=2, concurrent=10))
    gate.enter(ONE, 0.0)
    gate.enter(ONE, 0.0)
    with pytest.raises(LimitReached) as refused:
        gate.enter(ONE, 0.0)
    assert (refused.value.limit, refused.value.retry_after) == (
        "http.requests_per_second",
        pytest.approx(1.0),
    )
    gate.enter(OTHER, 0.0)


def test_too_many_at_a_time_are_refused_until_one_leaves() -> None:
    gate = RequestGate(RequestLimits(rate=100, burst=100, concurrent=2))
    gate.enter(ONE, 0.0)
    gate.enter(ONE, 0.0)
    with pytest.raises(LimitReached) as refused:
        gate.enter(ONE, 0.0)
    assert refused.value.limit == "http.concurrent_requests"
    gate.leave(ONE)
    gate.enter(ONE, 0.0)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0)])
def test_a_bucket_that_never_gives_anything_cannot_be_made(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="bucket"):
        Bucket(rate, burst, 0.0)
