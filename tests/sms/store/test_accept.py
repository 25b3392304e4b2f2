"""Accepting messages."""

import asyncio
import uuid

import pytest

from sms.message import SmsDetail
from sms.states import MessageState
from sms.store.accept import Accepted, AcceptMessages, NewMessage
from sms.store.waiting import Backlog
from telephony.kernel.clock import DAY
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import InteractionId, new_id
from telephony.kernel.store import Store
from telephony.usage.counters import MESSAGES, Most, lock_of
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, plane

pytestmark = pytest.mark.wire


def _new(on: Plane, text: str = "Hello", repeat: Pair | None = None, to: str = PEER) -> NewMessage:
    identifier = InteractionId(new_id(on.clock.now()))
    return NewMessage(on.resource, identifier, NUMBER, to, CARRIER, text.encode(), SmsDetail(tag="t"), repeat)


def _job(on: Plane, *messages: NewMessage) -> AcceptMessages:
    now = on.clock.now()
    return AcceptMessages(on.node, now, "request", now + DAY, now + 30 * DAY, messages)


def _pair(on: Plane) -> Pair:
    return Pair(str(uuid.uuid4()), on.clock.now())


async def test_an_accepted_message_is_there_with_its_text_and_timeline(store: Store) -> None:
    on = await plane(store)
    new = _new(on, "Grüße")
    assert await store.write(_job(on, new)) == [Accepted(new.id)]
    view = await on.view((on.resource, new.id))
    assert (view.message.state, view.text, view.message.tag) == ("accepted", "Grüße", "t")
    (entry,) = view.timeline
    assert (entry.kind, entry.source) == ("message.accepted", "http")
    assert entry.data == {"segments": 1, "alphabet": "gsm", "request": "request"}


async def test_requests_of_one_group_are_accepted_together(store: Store) -> None:
    on = await plane(store)
    jobs = [_job(on, _new(on), _new(on)) for _ in range(20)]
    results = await asyncio.gather(*(store.write(job) for job in jobs))
    assert [[answer.id for answer in result] for result in results] == [
        [message.id for message in job.messages] for job in jobs
    ]
    assert await store.read(Backlog(on.node, CARRIER, MessageState.ACCEPTED)) == 40


async def test_a_request_names_the_resources_whose_counters_it_adds_to(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    job = _job(on, _new(on), _new(on))
    assert job.locks() == set()
    job.counters = (Most(MESSAGES, 10),)
    assert job.locks() == {lock_of(on.resource)}


async def test_a_repeated_recipient_gets_the_first_message_and_no_second_one(store: Store) -> None:
    on = await plane(store)
    pair = _pair(on)
    first = _new(on, repeat=pair)
    await store.write(_job(on, first))
    again = await store.write(_job(on, _new(on, repeat=pair), _new(on)))
    assert again[0] == Accepted(first.id, repeated=True)
    assert again[1].id is not None
    assert await store.read(Backlog(on.node, CARRIER, MessageState.ACCEPTED)) == 2


async def test_two_requests_with_one_id_at_once_have_one_effect(store: Store) -> None:
    on = await plane(store)
    pair = _pair(on)
    jobs = [_job(on, _new(on, repeat=pair)) for _ in range(5)]
    results = await asyncio.gather(*(store.write(job) for job in jobs))
    assert {answer.id for (answer,) in results} == {jobs[0].messages[0].id}
    assert [answer.repeated for (answer,) in results] == [False, True, True, True, True]
    assert await store.read(Backlog(on.node, CARRIER, MessageState.ACCEPTED)) == 1


@pytest.mark.parametrize("change", ["text", "recipient"])
async def test_an_id_used_for_something_else_is_refused(store: Store, change: str) -> None:
    on = await plane(store)
    pair = _pair(on)
    await store.write(_job(on, _new(on, repeat=pair)))
    other = _new(on, "Other", pair) if change == "text" else _new(on, repeat=pair, to="+12065550101")
    ((answer,),) = [await store.write(_job(on, other))]
    assert answer.id is None
    assert answer.refused


async def test_an_id_first_sent_too_long_ago_is_refused(store: Store) -> None:
    on = await plane(store)
    pair = Pair(str(uuid.uuid4()), on.clock.now() - 2 * DAY)
    (answer,) = await store.write(_job(on, _new(on, repeat=pair)))
    assert answer.id is None


async def test_resources_do_not_share_ids_of_requests(store: Store) -> None:
    on = await plane(store)
    other = Plane(on.store, on.clock, on.node, type(on.resource)(new_id(on.clock.now())))
    pair = _pair(on)
    (first,) = await store.write(_job(on, _new(on, repeat=pair)))
    (second,) = await store.write(_job(on, _new(other, repeat=pair)))
    assert not first.repeated
    assert not second.repeated
