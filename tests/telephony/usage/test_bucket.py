"""The tokens of a rate, whoever asks and however often."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.usage.bucket import Bucket

pytestmark = pytest.mark.unit


@given(
    st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 25)), min_size=1, max_size=60),
)
@settings(max_examples=200)
def test_no_stretch_of_time_sees_more_than_its_rate_and_the_largest_request(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    bucket, now, taken = Bucket(rate, 0.0), 0.0, list[tuple[float, int]]()
    for pause, count in asked:
        now += pause
        if bucket.wait(now, count) == 0.0:
            bucket.take(now, count)
            taken.append((now, count))
    largest = max(count for _, count in asked)
    for first, (begin, _) in enumerate(taken):
        total = 0
        for at, count in taken[first:]:
            total += count
            assert total <= rate * (at - begin) + max(1.0, rate) + largest + 1e-6


def test_whoever_waits_as_long_as_told_may_go() -> None:
    bucket = Bucket(10.0, 0.0)
    bucket.take(0.0, 25)
    wait = bucket.wait(0.0, 5)
    assert wait is not None
    assert wait == pytest.approx(2.0)
    assert bucket.wait(wait, 5) == 0.0


def test_nothing_ever_goes_at_a_rate_of_nothing() -> None:
    assert Bucket(0.0, 0.0).wait(1e9, 1) is None


def test_what_did_not_go_is_given_back() -> None:
    bucket = Bucket(1.0, 0.0)
    bucket.take(0.0, 1)
    bucket.give_back(1)
    assert bucket.wait(0.0, 1) == 0.0
    assert bucket.full(0.0)
