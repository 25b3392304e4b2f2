"""Claiming messages, giving them back, and writing down what the carrier answered."""

import asyncio

import pytest
from sqlalchemy import select, update

from sms.message import Outbound
from sms.receipts import Receipt
from sms.states import MessageEvent, MessageState
from sms.store.receipts import CarrierReceipt, RecordReceipts
from sms.store.submit import (
    ClaimMessages,
    Ended,
    Noted,
    Outcome,
    RecordOutcomes,
    ReleaseMessages,
    Submitted,
)
from sms.store.waiting import Backlog, Waiting
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import NodeId, SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import append_many
from tests.support.sms import CARRIER, Plane, Subscribers, Wanting, plane

pytestmark = pytest.mark.wire


def _keys(messages: list[Outbound]) -> list[tuple[object, object]]:
    return [(message.resource, message.id) for message in messages]


async def _claimed(on: Plane, text: str = "Hello", count: int = 1) -> list[Outbound]:
    messages = await on.accept(text, count)
    await on.store.write(ClaimMessages(on.node, on.clock.now(), _keys(messages)))  # type: ignore[arg-type]
    return messages


def _submitted(on: Plane, message: Outbound, part: int = 1, total: int = 1, remote_id: str = "") -> Submitted:
    return Submitted(
        (message.resource, message.id),
        part,
        total,
        CARRIER,
        "one",
        remote_id or f"{message.id.hex()}-{part}",
        on.clock.now(),
        part == total,
        3600,
    )


async def _record(on: Plane, *outcomes: Outcome) -> None:
    on.ended(await on.store.write(RecordOutcomes(on.finisher(), outcomes)))


async def test_a_claim_takes_what_waits_and_nothing_else(store: Store) -> None:
    on = await plane(store)
    first, second, third = await on.accept(count_=3)
    await store.write(
        lambda tx: tx.execute(
            update(interactions).where(interactions.c.id == second.id).values(state="expired", node=None)
        )
    )
    keys = _keys([first, second, third])
    assert await store.write(ClaimMessages(on.node, 1, keys)) == {first.id, third.id}  # type: ignore[arg-type]
    assert await on.state(first) == "submitting"


async def test_a_claim_whose_answer_was_lost_can_be_made_again(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept()
    job = ClaimMessages(on.node, 1, _keys(messages))  # type: ignore[arg-type]
    assert await store.write(job) == await store.write(job) == {messages[0].id}


async def test_a_claim_of_what_another_node_has_takes_nothing(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept()
    other = NodeId(new_id(on.clock.now()))
    assert await store.write(ClaimMessages(other, 1, _keys(messages))) == set()  # type: ignore[arg-type]


async def test_what_is_given_back_waits_again_and_only_that(store: Store) -> None:
    on = await plane(store)
    released, submitted = await _claimed(on, count=2)
    await _record(on, _submitted(on, submitted))
    assert await store.write(ReleaseMessages(on.node, 1, _keys([released, submitted]))) == {released.id}  # type: ignore[arg-type]
    assert (await on.state(released), await on.state(submitted)) == ("accepted", "submitted")
    assert [one.id for one in await store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 10))] == [
        released.id
    ]


async def test_a_taken_message_is_submitted_and_nobodys_work_any_more(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on)
    await _record(on, _submitted(on, message, remote_id="abc"))
    view = await on.view(message)
    assert view.message.state == "submitted"
    assert [(part.part, part.remote_id, part.state, part.link) for part in view.parts] == [
        (1, "abc", "submitted", "one")
    ]
    assert view.timeline[-1].kind == "part.submitted"
    assert view.timeline[-1].data == {"part": 1, "carrier": CARRIER, "remote_id": "abc"}
    row = await store.read(lambda tx: tx.execute(select(interactions.c.node, interactions.c.due)).one())
    assert tuple(row) == (None, on.clock.now() + 3600 * SECOND)
    assert await store.read(Backlog(on.node, CARRIER, MessageState.SUBMITTING)) == 0


async def test_the_last_part_submits_the_message(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on, "x" * 300)
    await _record(on, _submitted(on, message, 1, 2))
    assert await on.state(message) == "submitting"
    await _record(on, _submitted(on, message, 2, 2))
    assert await on.state(message) == "submitted"


async def test_outcomes_written_twice_do_no_harm(store: Store) -> None:
    on = await plane(store)
    messages = await _claimed(on, count=3)
    outcomes = [_submitted(on, message) for message in messages]
    await _record(on, *outcomes[:2])
    await _record(on, *outcomes)  # the answer to the first commit was lost
    for message in messages:
        assert await on.state(message) == "submitted"
        assert len((await on.view(message)).parts) == 1


async def test_a_job_that_runs_twice_makes_each_delivery_once(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await _claimed(on)
    job = RecordOutcomes(
        on.finisher(), [Ended((message.resource, message.id), MessageEvent.REFUSE, 1, "link:one", "no")]
    )

    def spoil(tx: object) -> None:
        raise RuntimeError("a neighbour's mistake")

    results = await asyncio.gather(store.write(job), store.write(spoil), return_exceptions=True)
    assert results[0] is job.finisher
    assert len(job.finisher.deliveries) == 1


@pytest.mark.parametrize(
    ("event", "state"), [(MessageEvent.REFUSE, "failed"), (MessageEvent.EXPIRE, "expired")]
)
async def test_an_ended_message_is_reported(store: Store, event: MessageEvent, state: str) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await _claimed(on)
    await _record(on, Ended((message.resource, message.id), event, on.clock.now(), "link:one", "the reason"))
    view = await on.view(message)
    assert view.message.state == state
    assert (view.timeline[-1].kind, view.timeline[-1].source) == (f"message.{state}", "link:one")
    assert view.timeline[-1].data == {"reason": "the reason"}
    (delivery,) = on.deliveries
    assert delivery.event_type == "Microsoft.Communication.SMSDeliveryReportReceived"
    assert delivery.event_id == view.message.message_id
    assert b'"deliveryStatus":"Failed"' in delivery.payload
    assert b'"deliveryStatusDetails":"the reason"' in delivery.payload


async def test_what_ended_does_not_end_again(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on)
    key = (message.resource, message.id)
    await _record(on, Ended(key, MessageEvent.REFUSE, on.clock.now(), "link:one", "first"))
    await _record(
        on, Ended(key, MessageEvent.EXPIRE, on.clock.now(), "sweep", "second"), _submitted(on, message)
    )
    assert await on.state(message) == "failed"
    assert [kind for kind in await on.kinds(message) if kind.startswith("message.")] == [
        "message.accepted",
        "message.failed",
    ]


async def test_notes_stand_in_the_timeline_however_long_the_links_name(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on)
    key = (message.resource, message.id)
    await _record(on, Noted(key, on.clock.now(), f"link:{'x' * 60}", "part.throttled", {"part": 1}))
    entry = (await on.view(message)).timeline[-1]
    assert (entry.kind, entry.source, entry.data) == ("part.throttled", f"link:{'x' * 27}", {"part": 1})


async def test_a_receipt_that_overtook_the_response_is_found_by_it(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await _claimed(on)
    early = CarrierReceipt(CARRIER, "one", on.clock.now(), Receipt("abc", "delivered", "DELIVRD", "000"))
    await store.write(RecordReceipts(on.finisher(), [early]))
    assert await on.state(message) == "submitting"
    await _record(on, _submitted(on, message, remote_id="abc"))
    assert await on.state(message) == "delivered"
    assert await on.kinds(message) == [
        "message.accepted",
        "part.submitted",
        "receipt.delivered",
        "message.delivered",
    ]
    assert len(on.deliveries) == 1


async def test_an_answer_without_an_id_matches_no_receipt(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on)
    zero = CarrierReceipt(CARRIER, "one", on.clock.now(), Receipt("0", "failed", "UNDELIV", "001"))
    await store.write(RecordReceipts(on.finisher(), [zero]))
    submitted = Submitted((message.resource, message.id), 1, 1, CARRIER, "one", "", 1, True, 60)
    await _record(on, submitted)
    await store.write(RecordReceipts(on.finisher(), [zero]))
    assert await on.state(message) == "submitted"


async def test_after_a_restart_parts_that_were_taken_are_known(store: Store) -> None:
    on = await plane(store)
    long, short = (await _claimed(on, "x" * 400))[0], (await _claimed(on))[0]
    await _record(on, _submitted(on, long, 1, 3), _submitted(on, long, 3, 4))
    found = await store.read(Waiting(on.node, CARRIER, MessageState.SUBMITTING, 10))
    assert [(one.id, one.done, one.doubt) for one in found] == [
        (long.id, {1, 3}, True),
        (short.id, set(), True),
    ]
    assert [one.text for one in found] == ["x" * 400, "Hello"]


async def test_waiting_messages_come_in_pages_oldest_first(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept(count_=5)
    await on.accept(carrier="another")
    first = await store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 3))
    rest = await store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 3, first[-1]))
    assert [one.id for one in first + rest] == [one.id for one in messages]
    assert {one.expires for one in first} == {messages[0].expires}
    assert not first[0].doubt


async def test_a_receipt_in_the_group_of_its_response_is_matched(store: Store) -> None:
    on = await plane(store)
    (message,) = await _claimed(on)
    came = CarrierReceipt(CARRIER, "one", on.clock.now(), Receipt("abc", "failed", "UNDELIV", "001"))
    await asyncio.gather(
        store.write(lambda tx: append_many(tx, [])),
        store.write(RecordReceipts(on.finisher(), [came])),
        store.write(RecordOutcomes(on.finisher(), [_submitted(on, message, remote_id="abc")])),
    )
    assert await on.state(message) == "failed"
