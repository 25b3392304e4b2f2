"""What receipts make of messages."""

import asyncio
from dataclasses import replace
from itertools import permutations

import msgspec
import pytest
from sqlalchemy import func, select

from sms.message import Outbound
from sms.receipts import Receipt, ReceiptState
from sms.smpp.constants import CommandStatus
from sms.states import MessageEvent
from sms.store.life import RequeueMessage
from sms.store.receipts import EARLY_BY, CarrierReceipt, RecordReceipts
from sms.store.submit import ClaimMessages, Ended, RecordOutcomes, Submitted
from sms.store.tables import early_receipts
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, FakeLink, Plane, Subscribers, Wanting, plane

pytestmark = pytest.mark.wire

STATS: dict[str, str] = {
    "delivered": "DELIVRD",
    "failed": "UNDELIV",
    "expired": "EXPIRED",
    "pending": "ENROUTE",
}


async def _submitted(on: Plane, text: str = "Hello", *, parts: int = 1, taken: int | None = None) -> Outbound:
    """Return a message of which the carrier took parts, as `ID-PART`."""
    (message,) = await on.accept(text)
    key = (message.resource, message.id)
    await on.store.write(ClaimMessages(on.node, on.clock.now(), [key]))
    outcomes = [
        Submitted(key, part, parts, CARRIER, "one", _id(message, part), on.clock.now(), part == parts, 3600)
        for part in range(1, (parts if taken is None else taken) + 1)
    ]
    await on.store.write(RecordOutcomes(on.finisher(), outcomes))
    return message


def _id(message: Outbound, part: int = 1) -> str:
    return f"{message.id.hex()}-{part}"


def _receipt(
    on: Plane, remote_id: str, state: ReceiptState = "delivered", error: str = "000"
) -> CarrierReceipt:
    return CarrierReceipt(CARRIER, "one", on.clock.now(), Receipt(remote_id, state, STATS[state], error))


async def _record(on: Plane, *receipts: CarrierReceipt) -> None:
    on.ended(await on.store.write(RecordReceipts(on.finisher(), receipts)))


def _report(on: Plane, index: int = 0) -> dict[str, object]:
    (event,) = msgspec.json.decode(on.deliveries[index].payload)
    data: dict[str, object] = event["data"]
    return data


@pytest.mark.parametrize(
    ("said", "state"), [("delivered", "delivered"), ("failed", "failed"), ("expired", "expired")]
)
async def test_a_receipt_ends_a_message_of_one_part(store: Store, said: ReceiptState, state: str) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on)
    on.clock.advance(5)
    await _record(on, _receipt(on, _id(message), said, "045"))
    view = await on.view(message)
    assert view.message.state == state
    assert [(part.state, part.report) for part in view.parts] == [(said, f"{STATS[said]} 045")]
    assert [entry.kind for entry in view.timeline][-2:] == [f"receipt.{said}", f"message.{state}"]
    report = _report(on)
    assert report["messageId"] == view.message.message_id
    assert report["deliveryStatus"] == ("Delivered" if said == "delivered" else "Failed")
    assert report["deliveryStatusDetails"] == ("No error." if said == "delivered" else f"{STATS[said]} 045")
    assert report["deliveryAttempts"] == [
        {
            "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "segmentsSucceeded": int(said == "delivered"),
            "segmentsFailed": int(said != "delivered"),
        }
    ]
    assert report["receivedTimestamp"] == "2026-01-01T00:00:05.000000+00:00"


async def test_nobody_is_told_who_did_not_ask_for_a_report(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await on.accept(report=False)
    key = (message.resource, message.id)
    await store.write(ClaimMessages(on.node, 1, [key]))
    await store.write(
        RecordOutcomes(on.finisher(), [Submitted(key, 1, 1, CARRIER, "one", "abc", 1, True, 60)])
    )
    await _record(on, _receipt(on, "abc"))
    assert await on.state(message) == "delivered"
    assert on.deliveries == []


async def test_a_pending_receipt_changes_nothing(store: Store) -> None:
    on = await plane(store)
    message = await _submitted(on)
    await _record(on, _receipt(on, _id(message), "pending"))
    assert await on.state(message) == "submitted"
    assert (await on.kinds(message))[-1] == "receipt.pending"
    await _record(on, _receipt(on, _id(message)))
    assert await on.state(message) == "delivered"


@pytest.mark.parametrize("together", [True, False])
async def test_the_first_final_receipt_of_a_part_counts(store: Store, together: bool) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on)
    receipts = [_receipt(on, _id(message), "failed", "001"), _receipt(on, _id(message), "delivered")]
    if together:
        await _record(on, *receipts)
    else:
        for one in receipts:
            await _record(on, one)
    view = await on.view(message)
    assert (view.message.state, view.parts[0].state) == ("failed", "failed")
    assert [entry.kind for entry in view.timeline].count("receipt.delivered") == 1
    assert len(on.deliveries) == 1


async def test_the_same_receipt_twice_is_one_report(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on)
    for _ in range(2):
        await _record(on, _receipt(on, _id(message)), _receipt(on, _id(message)))
    assert (await on.kinds(message)).count("message.delivered") == 1
    assert len(on.deliveries) == 1


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_a_long_message_is_delivered_with_its_last_part_in_any_order(
    sqlite_store: Store, order: tuple[int, ...]
) -> None:
    on = await plane(sqlite_store)
    message = await _submitted(on, "x" * 400, parts=3)
    for part in order[:-1]:
        await _record(on, _receipt(on, _id(message, part)))
        assert await on.state(message) == "submitted"
    await _record(on, _receipt(on, _id(message, order[-1])))
    assert await on.state(message) == "delivered"


async def test_all_receipts_of_a_long_message_at_once(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on, "x" * 400, parts=3)
    await _record(on, *(_receipt(on, _id(message, part)) for part in (3, 1, 2)))
    assert await on.state(message) == "delivered"
    assert _report(on)["deliveryAttempts"] == [
        {"timestamp": "2026-01-01T00:00:00.000000+00:00", "segmentsSucceeded": 3, "segmentsFailed": 0}
    ]


async def test_one_part_that_failed_fails_the_text_and_says_why(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on, "x" * 400, parts=3)
    await _record(
        on,
        _receipt(on, _id(message, 1)),
        _receipt(on, _id(message, 2), "failed", "099"),
        _receipt(on, _id(message, 3)),
    )
    assert await on.state(message) == "failed"
    report = _report(on)
    assert report["deliveryStatusDetails"] == "UNDELIV 099"
    assert report["deliveryAttempts"] == [
        {"timestamp": "2026-01-01T00:00:00.000000+00:00", "segmentsSucceeded": 2, "segmentsFailed": 1}
    ]


@pytest.mark.parametrize(("said", "state"), [("delivered", "delivered"), ("failed", "failed")])
async def test_receipts_may_come_before_the_last_part_is_submitted(
    store: Store, said: ReceiptState, state: str
) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    message = await _submitted(on, "x" * 300, parts=2, taken=1)
    key = (message.resource, message.id)
    early = [_receipt(on, _id(message, 1), said, "007"), _receipt(on, _id(message, 2))]
    await _record(on, *early)
    assert await on.state(message) == "submitting"
    last = Submitted(key, 2, 2, CARRIER, "one", _id(message, 2), on.clock.now(), True, 3600)
    on.ended(await store.write(RecordOutcomes(on.finisher(), [last])))
    assert await on.state(message) == state
    details = "No error." if said == "delivered" else "UNDELIV 007"
    assert _report(on)["deliveryStatusDetails"] == details


async def test_a_receipt_after_the_end_is_noted_and_changes_nothing(store: Store) -> None:
    on = await plane(store)
    message = await _submitted(on, "x" * 300, parts=2)
    await _record(on, _receipt(on, _id(message, 1), "failed", "001"))
    await _record(on, _receipt(on, _id(message, 2)))
    view = await on.view(message)
    assert view.message.state == "failed"
    assert [part.state for part in view.parts] == ["failed", "delivered"]
    assert view.timeline[-1].kind == "receipt.delivered"


async def test_a_receipt_of_another_carrier_with_the_same_id_is_not_ours(store: Store) -> None:
    on = await plane(store)
    message = await _submitted(on)
    other = CarrierReceipt("another", "one", on.clock.now(), Receipt(_id(message), "failed", "UNDELIV"))
    await _record(on, other)
    assert await on.state(message) == "submitted"
    assert (
        await store.read(lambda tx: tx.execute(select(func.count()).select_from(early_receipts)).scalar())
        == 1
    )


async def test_an_id_used_again_belongs_to_the_newest_part(store: Store) -> None:
    on = await plane(store)
    (old,), (new,) = await on.accept(), await on.accept()
    for message in (old, new):
        key = (message.resource, message.id)
        on.clock.advance(1)
        await store.write(ClaimMessages(on.node, 1, [key]))
        taken = Submitted(key, 1, 1, CARRIER, "one", "same", on.clock.now(), True, 3600)
        await store.write(RecordOutcomes(on.finisher(), [taken]))
    await _record(on, _receipt(on, "same"))
    assert (await on.state(old), await on.state(new)) == ("submitted", "delivered")


async def test_an_answer_to_the_old_sending_is_no_part_of_the_new_one(store: Store) -> None:
    """Two parts were on the wire when the first was refused; the second is answered after a requeue."""
    on = await plane(store)
    (message,) = await on.accept("x" * 300)
    key = (message.resource, message.id)
    now = on.clock.now()
    await store.write(ClaimMessages(on.node, now, [key]))
    refused = Ended(key, MessageEvent.REFUSE, now, "link:one", "refused")
    await store.write(RecordOutcomes(on.finisher(), [refused]))
    await store.write(RequeueMessage(on.node, *key, now, 3600, "admin"))
    late = Submitted(key, 2, 2, CARRIER, "one", "old", now, False, 3600, late=True)
    await store.write(RecordOutcomes(on.finisher(), [late]))
    assert (await on.view(message)).parts == ()
    await store.write(ClaimMessages(on.node, now, [key]))
    await store.write(RecordOutcomes(on.finisher(), [replace(late, remote_id="older")]))
    taken = [Submitted(key, part, 2, CARRIER, "one", f"new-{part}", now, part == 2, 3600) for part in (1, 2)]
    await store.write(RecordOutcomes(on.finisher(), taken))
    await _record(on, _receipt(on, "old", "failed"), _receipt(on, "older", "failed"))
    assert await on.state(message) == "submitted"
    await _record(on, _receipt(on, "new-1"), _receipt(on, "new-2"))
    view = await on.view(message)
    assert view.message.state == "delivered"
    assert [part.state for part in view.parts] == ["delivered", "delivered"]
    assert [entry.data for entry in view.timeline if (entry.data or {}).get("late")] == [
        {"part": 2, "carrier": CARRIER, "remote_id": spelled, "late": True} for spelled in ("old", "older")
    ]


async def test_an_answer_that_comes_after_the_end_is_a_part_of_it(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept("x" * 300)
    key = (message.resource, message.id)
    now = on.clock.now()
    await store.write(ClaimMessages(on.node, now, [key]))
    refused = Ended(key, MessageEvent.REFUSE, now, "link:one", "refused")
    late = Submitted(key, 2, 2, CARRIER, "one", "old", now, False, 3600, late=True)
    await store.write(RecordOutcomes(on.finisher(), [refused, late]))
    await _record(on, _receipt(on, "old"))
    view = await on.view(message)
    assert view.message.state == "failed"
    assert [(part.part, part.state) for part in view.parts] == [(2, "delivered")]


async def test_a_requeue_while_an_old_part_is_on_the_wire_matches_only_what_it_sent_itself(
    store: Store,
) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept("x" * 300)
    key = (message.resource, message.id)
    dispatcher.offer([message])
    await link.until_sent(2)
    link.answer(int(CommandStatus.ESME_RINVDSTADR))
    await dispatcher._outcomes.flush()
    assert await on.state(message) == "failed"
    _, anew = await store.write(RequeueMessage(on.node, *key, on.clock.now(), 3600, "admin"))
    assert anew is not None
    dispatcher.offer([anew])
    await link.until_sent(4)
    link.answer(0, "old-2")
    link.answer(0, "new-1")
    link.answer(0, "new-2")
    await dispatcher.stop()
    await _record(on, _receipt(on, "old-2", "failed"), _receipt(on, "new-1"), _receipt(on, "new-2"))
    assert await on.state(message) == "delivered"


async def test_a_receipt_of_long_ago_is_not_that_of_a_new_message_with_the_same_id(store: Store) -> None:
    on = await plane(store)
    await _record(on, _receipt(on, "again", "failed"))
    on.clock.advance(EARLY_BY / SECOND + 1)
    (message,) = await on.accept()
    key = (message.resource, message.id)
    await store.write(ClaimMessages(on.node, on.clock.now(), [key]))
    taken = Submitted(key, 1, 1, CARRIER, "one", "again", on.clock.now(), True, 3600)
    await store.write(RecordOutcomes(on.finisher(), [taken]))
    assert await on.state(message) == "submitted"
    await _record(on, _receipt(on, "again"))
    assert await on.state(message) == "delivered"


async def test_a_thousand_receipts_in_one_job(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept(count_=1000)
    keys = [(message.resource, message.id) for message in messages]
    await store.write(ClaimMessages(on.node, 1, keys))
    outcomes = [
        Submitted(key, 1, 1, CARRIER, "one", key[1].hex(), on.clock.now(), True, 3600) for key in keys
    ]
    await store.write(RecordOutcomes(on.finisher(), outcomes))
    await _record(on, *(_receipt(on, key[1].hex()) for key in keys))
    for message in (messages[0], messages[511], messages[512], messages[999]):
        assert await on.state(message) == "delivered"


async def test_two_gateways_with_a_receipt_each_end_the_message(
    postgresql_url: str, postgresql_store: Store
) -> None:
    """Each sees its own part's receipt and not the other's, unless they wait for each other."""
    on = await plane(postgresql_store)
    other = Store(postgresql_url)
    other.start()
    try:
        for _ in range(10):
            message = await _submitted(on, "x" * 300, parts=2)
            await asyncio.gather(
                on.store.write(RecordReceipts(on.finisher(), [_receipt(on, _id(message, 1))])),
                other.write(RecordReceipts(on.finisher(), [_receipt(on, _id(message, 2))])),
            )
            assert await on.state(message) == "delivered"
    finally:
        await asyncio.to_thread(other.stop)
