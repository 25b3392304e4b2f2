"""R21: a rate of N a second by link and 1 a second by sender holds, whatever the timers do."""

import heapq
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carriers.model.smpp import SmppLink
from sms.rates import MAX_SENDERS, SLACK_SECONDS, UNLIMITED, Bucket, Rates, Turns

pytestmark = pytest.mark.unit

MINUTE = 60.0


def sent_in_a_minute(bucket: Bucket, lag: list[float]) -> list[float]:
    """Return when messages went, for a minute, by a loop that is late by one of `lag` at each turn."""
    now, times, turn = 1000.0, list[float](), 0
    while now < 1000.0 + MINUTE:
        while bucket.wait(now) == 0.0:
            bucket.take(now)
            times.append(now)
        now += bucket.wait(now) + lag[turn % len(lag)] + 1e-6
        turn += 1
    return times


@settings(max_examples=25)
@given(
    rate=st.floats(0.5, 2000.0),
    lag=st.lists(st.floats(0.0, SLACK_SECONDS * 0.9), min_size=1, max_size=5),
)
def test_a_rate_holds_within_two_percent_of_a_minute_however_late_timers_are(
    rate: float, lag: list[float]
) -> None:
    if rate > 200:
        lag = [each + 0.002 for each in lag]  # or the test is slow, not the code
    times = sent_in_a_minute(Bucket(rate), lag)
    expected = rate * MINUTE
    assert len(times) <= max(expected * 1.02, expected + 1 + SLACK_SECONDS * rate)
    assert len(times) >= min(expected * 0.98, expected - 1)


@settings(max_examples=25)
@given(rate=st.floats(1.0, 500.0), seed=st.integers(0, 1000))
def test_no_second_sees_more_than_its_share_and_the_slack(rate: float, seed: int) -> None:
    dice = Random(seed)
    times = sent_in_a_minute(Bucket(rate), [dice.uniform(0.0, 0.2) for _ in range(7)])
    for index, begun in enumerate(times[::10]):
        inside = sum(1 for at in times[index * 10 : index * 10 + int(rate * 1.2) + 5] if at < begun + 1.0)
        assert inside <= rate * (1.0 + SLACK_SECONDS) + 1.0


@given(rate=st.floats(0.5, 2000.0), takes=st.lists(st.floats(0.0, 0.3), max_size=30))
def test_room_is_exactly_what_may_go_now(rate: float, takes: list[float]) -> None:
    bucket, now = Bucket(rate), 5.0
    for pause in takes:
        now += pause
        room = bucket.room(now)
        went = 0
        while bucket.wait(now) == 0.0 and went < room + 3:
            bucket.take(now)
            went += 1
        assert abs(went - room) <= (1 if rate > 100 else 0) or went == room


def test_one_a_second_is_one_a_second() -> None:
    times = sent_in_a_minute(Bucket(1.0), [0.0])
    assert 60 <= len(times) <= 61
    assert all(later - earlier >= 1.0 - SLACK_SECONDS for earlier, later in pairwise(times))


def test_a_silent_night_saves_up_nothing() -> None:
    bucket = Bucket(10.0)
    bucket.take(0.0)
    assert bucket.room(86_400.0) == 1
    assert bucket.idle(86_400.0)


def rates() -> Rates:
    return Rates({"a": 10.0, "b": None}, sender=1.0, senders={"+1": 5.0})


def test_a_message_goes_when_link_and_sender_allow_it_and_counts_for_both_or_neither() -> None:
    house = rates()
    assert house.allow("a", "x", 0.0) == 0.0
    assert house.allow("a", "x", 0.06) == pytest.approx(1.0 - SLACK_SECONDS - 0.06, abs=1e-5)
    assert house.allow("a", "y", 0.06) == 0.0  # the refused one cost the link nothing
    assert house.link_wait("a", 0.06) == pytest.approx(0.2 - SLACK_SECONDS - 0.06, abs=1e-5)
    assert house.allow("a", "z", 0.06) == house.link_wait("a", 0.06)
    assert house.allow("b", "z", 0.06) == 0.0  # nor did the refusal cost the sender anything


def test_a_sender_has_its_rate_over_all_links_and_its_own_where_it_has_one() -> None:
    house = rates()
    assert house.allow("a", "x", 0.0) == 0.0
    assert house.allow("b", "x", 0.0) > 0.9
    assert house.allow("b", "+1", 0.0) == 0.0
    assert house.allow("b", "+1", 0.0) == pytest.approx(0.2 - SLACK_SECONDS, abs=1e-5)


def test_what_did_not_go_after_all_is_given_back() -> None:
    house = rates()
    assert house.allow("a", "x", 0.0) == 0.0
    house.give_back("a", "x")
    assert house.allow("a", "x", 0.0) == 0.0


def test_without_rates_nothing_need_be_asked() -> None:
    house = Rates.of({"a": SmppLink(host="smsc", system_id="me")}, None, {})
    assert not house.limited
    assert house.room("a", 0.0) == UNLIMITED
    assert house.link_wait("a", 0.0) == 0.0
    assert all(house.allow("a", "x", 0.0) == 0.0 for _ in range(10_000))
    assert Rates.of({"a": SmppLink(host="smsc", system_id="me", per_second=5)}, None, {}).room("a", 0.0) == 1
    assert rates().limited


def test_a_rate_of_the_carrier_is_that_of_all_its_links_and_senders_together() -> None:
    house = Rates({"a": 20.0, "b": None}, every=10.0)
    assert house.limited
    gone, now = 0, 0.0
    while now < 10.0:
        gone += sum(house.allow(link, sender, now) == 0.0 for link in "ab" for sender in "xy")
        now += 0.01
    assert 99 <= gone <= 102
    assert house.link_wait("b", now) <= 0.1
    assert house.room("b", now) <= 1
    while house.allow("b", "x", now) > 0.0:
        now += 0.01
    assert house.allow("a", "x", now) > 0.0
    house.give_back("b", "x")
    assert house.allow("a", "x", now) == 0.0


def test_idle_senders_are_forgotten() -> None:
    house = Rates({}, sender=1.0)
    for each in range(3 * MAX_SENDERS):
        house.allow("a", str(each), each * 0.01)
    assert len(house._senders) <= MAX_SENDERS + 1


def test_turns_come_in_order_and_cost_nothing_while_they_wait() -> None:
    turns = Turns[int]()
    for item in range(5):
        turns.wait("x", item, 1.0 + item)
    turns.wait("y", 100, 3.0)
    assert (len(turns), turns.next_turn, turns.waits("x"), turns.waits("z")) == (6, 1.0, True, False)
    assert sorted(turns.items()) == [0, 1, 2, 3, 4, 100]
    assert turns.ripe(0.9) == []
    assert turns.ripe(1.0) == [("x", 0)]
    turns.wait_first("x", 0, 2.0)
    turns.again("x", 2.0)
    assert turns.ripe(3.0) == [("x", 0), ("y", 100)]
    turns.again("x", 4.0)
    turns.again("y", 4.0)
    assert not turns.waits("y")
    assert turns.ripe(4.0) == [("x", 1)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 3.0)), max_size=60), st.integers(0, 99))
def test_everything_that_waits_goes_once_and_each_sender_keeps_its_order(
    asked: list[tuple[str, float]], seed: int
) -> None:
    """A dispatcher in small: messages of three senders at 2 a second each."""
    house, turns, dice = Rates({}, sender=2.0), Turns[int](), Random(seed)
    arrivals = [(at, number, sender) for number, (sender, at) in enumerate(asked)]
    heapq.heapify(arrivals)
    sent: list[tuple[str, int, float]] = []
    now = 0.0

    def ask(sender: str, number: int) -> float:
        wait = house.allow("link", sender, now)
        if wait == 0.0:
            sent.append((sender, number, now))
        return wait

    while arrivals or turns.next_turn is not None:
        now = min(
            when for when in (arrivals[0][0] if arrivals else None, turns.next_turn) if when is not None
        )
        now += dice.uniform(0.0, 0.01)
        for sender, number in turns.ripe(now):
            if (wait := ask(sender, number)) > 0.0:
                turns.wait_first(sender, number, now + wait)
            turns.again(sender, now + house.sender_wait(sender, now))
        while arrivals and arrivals[0][0] <= now:
            _, number, sender = heapq.heappop(arrivals)
            if turns.waits(sender):
                turns.wait(sender, number, now)
            elif (wait := ask(sender, number)) > 0.0:
                turns.wait(sender, number, now + wait)
    assert len(sent) == len(asked)
    assert len(turns) == 0
    for sender in "abc":
        mine = [(number, at) for who, number, at in sent if who == sender]
        assert [number for number, _ in mine] == [
            number
            for _, number, who in sorted((at, number, who) for number, (who, at) in enumerate(asked))
            if who == sender
        ]
        assert len(mine) <= 1 or mine[-1][1] - mine[0][1] >= (len(mine) - 1) / 2.0 - 2 * SLACK_SECONDS


def test_a_bucket_with_another_rate_remembers_what_was_taken() -> None:
    bucket = Bucket(10.0, slack=0.9)
    for _ in range(10):
        assert bucket.wait(0.0) == 0.0
        bucket.take(0.0)
    bucket.change(1.0, SLACK_SECONDS)
    assert bucket.wait(0.0) > 0.9
    bucket.take(1.0)
    assert bucket.wait(1.0) == pytest.approx(1.0 - SLACK_SECONDS, abs=1e-3)
    bucket.change(10.0, 0.9)
    assert bucket.room(10.0) == 10
