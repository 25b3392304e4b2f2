"""The queue of what is to be delivered: order, bounds, pauses."""

import pytest

from carriers.simulated.deliveries import Delivery
from carriers.simulated.outbox import Outbox, Verdict
from sms.smpp.pdu import DeliverSm

pytestmark = pytest.mark.unit


def delivery(name: str) -> Delivery:
    return Delivery("receipt", DeliverSm(), name)


def outbox(capacity: int = 100, max_tries: int = 4) -> Outbox:
    return Outbox(capacity, max_tries, (1.0, 3.0))


def names(deliveries: list[Delivery]) -> list[str]:
    return [each.message_id for each in deliveries]


def test_deliveries_leave_in_order_as_far_as_there_is_room() -> None:
    box = outbox()
    for name in "abc":
        assert box.add(delivery(name))
    assert names(box.take(0.0, 2)) == ["a", "b"]
    assert box.ready
    assert names(box.take(0.0, 2)) == ["c"]
    assert not box.ready
    assert len(box) == 3


def test_what_has_a_time_waits_for_it() -> None:
    box = outbox()
    box.add(delivery("late"), 5.0)
    box.add(delivery("later"), 6.0)
    box.add(delivery("late too"), 5.0)
    assert box.next_due == 5.0
    assert box.take(4.9, 10) == []
    assert names(box.take(5.0, 10)) == ["late", "late too"]
    assert box.next_due == 6.0


def test_beyond_the_capacity_nothing_is_taken_until_something_is_done() -> None:
    box = outbox(capacity=2)
    assert box.add(delivery("a"))
    assert box.add(delivery("b"), 9.0)
    assert not box.add(delivery("c"))
    (flying,) = box.take(0.0, 1)
    assert not box.add(delivery("c"))
    assert box.answered(flying, True, 0.0) is Verdict.DONE
    assert box.add(delivery("c"))


def test_an_error_is_tried_again_after_pauses_that_double_up_to_the_longest_and_then_given_up() -> None:
    box = outbox(max_tries=4)
    box.add(delivery("a"))
    now = 0.0
    for pause in (1.0, 2.0, 3.0):
        (flying,) = box.take(now, 1)
        assert box.answered(flying, False, now) is Verdict.AGAIN
        assert box.next_due == now + pause
        assert box.take(now + pause - 0.01, 1) == []
        now += pause
    (flying,) = box.take(now, 1)
    assert box.answered(flying, False, now) is Verdict.GIVEN_UP
    assert len(box) == 0
    assert box.next_due is None


def test_what_flew_on_a_lost_bind_comes_first_again_and_that_was_no_try() -> None:
    box = outbox()
    for name in "abc":
        box.add(delivery(name))
    flying = box.take(0.0, 2)
    box.lost(flying)
    assert len(box) == 3
    again = box.take(0.0, 3)
    assert names(again) == ["a", "b", "c"]
    assert [each.tries for each in again] == [0, 0, 0]
