"""A lane: what is in memory of one subscription, and what only the store has."""

import pytest

from telephony.events.lanes import NEVER, PROBES, Lane
from telephony.events.states import DeliveryState
from telephony.events.store import Delivery
from telephony.kernel.ids import ResourceId, SubscriptionId

pytestmark = pytest.mark.unit

SUBSCRIPTION = SubscriptionId(b"s" * 16)


def delivery(number: int, due: int = 0) -> Delivery:
    identifier = number.to_bytes(16, "big")
    state = DeliveryState.PENDING
    return Delivery(
        ResourceId(b"r" * 16),
        identifier,
        SUBSCRIPTION,
        None,
        "id",
        "type",
        "1.0",
        b"[]",
        state,
        0,
        0,
        due,
        NEVER,
    )


def ids(lane: Lane) -> list[int]:
    return [int.from_bytes(each.id, "big") for each in lane.queue]


def test_what_is_here_already_is_not_queued_twice() -> None:
    lane = Lane(SUBSCRIPTION)
    assert lane.add(delivery(1))
    assert not lane.add(delivery(1))
    lane.begin_reading()
    assert lane.take_in([delivery(1), delivery(2)], more=False, room=10, now=5) == 1
    assert ids(lane) == [1, 2]


def test_what_was_settled_while_the_store_was_read_is_not_taken_in_as_it_was_before() -> None:
    lane = Lane(SUBSCRIPTION)
    lane.add(delivery(1))
    lane.begin_reading()
    lane.queue.clear()
    lane.release(delivery(1).id)
    lane.look_again(50)  # it failed, and is due again
    assert lane.take_in([delivery(1)], more=False, room=10, now=5) == 0
    assert lane.next_due == 50


def test_what_is_not_due_yet_says_when_to_look_again() -> None:
    lane = Lane(SUBSCRIPTION)
    lane.begin_reading()
    assert lane.take_in([delivery(1, 1), delivery(2, 9)], more=False, room=10, now=5) == 1
    assert lane.next_due == 9


def test_a_full_page_means_that_there_may_be_more() -> None:
    lane = Lane(SUBSCRIPTION)
    lane.begin_reading()
    lane.take_in([delivery(1), delivery(2)], more=True, room=10, now=5)
    assert lane.next_due == 5


def test_what_finds_no_room_stays_in_the_store() -> None:
    lane = Lane(SUBSCRIPTION)
    lane.begin_reading()
    assert lane.take_in([delivery(1), delivery(2, 3)], more=False, room=1, now=5) == 1
    assert lane.next_due == 3


def test_an_emptied_store_is_not_looked_at_again() -> None:
    lane = Lane(SUBSCRIPTION)
    lane.look_again(1)
    lane.begin_reading()
    assert lane.take_in([], more=False, room=10, now=5) == 0
    assert lane.next_due == NEVER


def test_an_endpoint_that_is_silent_gets_few_tries_at_once_until_it_answers() -> None:
    lane = Lane(SUBSCRIPTION)
    assert lane.limit(16) == 16
    lane.silent = 5
    assert lane.limit(16) == PROBES
    lane.silent = 0
    assert lane.limit(16) == 16
