"""What time makes of messages and receipts."""

import msgspec
import pytest
from sqlalchemy import func, select, update

from sms.message import Outbound
from sms.receipts import Receipt
from sms.store.receipts import EARLY_FOR, CarrierReceipt, RecordReceipts
from sms.store.submit import ClaimMessages, RecordOutcomes, Submitted
from sms.store.sweep import ANSWER_GRACE, SLICE, MatchEarly, SweepDue, Swept
from sms.store.tables import early_receipts, parts
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import NodeId, SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.retention import PurgeExpired
from telephony.kernel.store.schema import EXPIRES, interactions, of_interaction
from tests.support.sms import CARRIER, Plane, Subscribers, Wanting, plane

pytestmark = pytest.mark.wire


async def _sweep(on: Plane) -> Swept:
    finisher, swept = await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    on.ended(finisher)
    return swept


async def _submit(on: Plane, message: Outbound, remote_id: str = "abc", wait: int = 3600) -> None:
    key = (message.resource, message.id)
    await on.store.write(ClaimMessages(on.node, 1, [key]))
    taken = Submitted(key, 1, 1, CARRIER, "one", remote_id, on.clock.now(), True, wait)
    await on.store.write(RecordOutcomes(on.finisher(), [taken]))


async def _early(store: Store) -> int:
    return int(
        await store.read(lambda tx: tx.execute(select(func.count()).select_from(early_receipts)).scalar_one())
    )


async def test_nothing_is_swept_before_its_time(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    on.clock.advance(on.settings.validity_seconds - 1)
    assert (await _sweep(on)).looked_at == 0
    assert await on.state(message) == "accepted"


async def test_what_nobody_could_send_expires_and_is_reported(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await on.accept(carrier="gone")
    on.clock.advance(on.settings.validity_seconds)
    assert await _sweep(on) == Swept(1, {"gone": [message.id]})
    view = await on.view(message)
    assert view.message.state == "expired"
    assert view.timeline[-1].data == {"reason": "validity ran out before submission"}
    assert len(on.deliveries) == 1
    assert (await _sweep(on)).looked_at == 0


async def test_a_message_without_a_receipt_is_given_up_in_its_own_time(store: Store) -> None:
    on = await plane(store)
    (patient,), (hasty,) = await on.accept(), await on.accept()
    await _submit(on, patient, "a", 3600)
    await _submit(on, hasty, "b", 60)
    on.clock.advance(60)
    assert await _sweep(on) == Swept(1, {})
    assert (await on.state(patient), await on.state(hasty)) == ("submitted", "unreported")


async def test_what_is_being_submitted_is_left_to_its_dispatcher_for_a_while(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept(carrier="gone")
    await store.write(ClaimMessages(on.node, 1, [(message.resource, message.id)]))
    on.clock.advance(on.settings.validity_seconds)
    assert (await _sweep(on)).looked_at == 0
    on.clock.advance(ANSWER_GRACE / SECOND)
    assert await _sweep(on) == Swept(1, {"gone": [message.id]})
    assert await on.state(message) == "expired"


async def test_what_another_node_works_on_is_left_to_it(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    other = NodeId(new_id(on.clock.now()))
    await store.write(lambda tx: tx.execute(update(interactions).values(node=other)))
    on.clock.advance(on.settings.validity_seconds)
    assert (await _sweep(on)).looked_at == 0
    assert await on.state(message) == "accepted"


async def test_a_sweep_says_when_there_is_more(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    await on.accept(count_=SLICE + 1)
    on.clock.advance(on.settings.validity_seconds)
    assert [(await _sweep(on)).looked_at for _ in range(3)] == [SLICE, 1, 0]


async def test_a_receipt_that_crossed_its_response_is_matched(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (message,) = await on.accept()
    await _submit(on, message, "abc")
    receipts = [Receipt("abc", "failed", "UNDELIV", "001"), Receipt("abc", "delivered", "DELIVRD", "000")]
    rows = [
        {
            "carrier": CARRIER,
            "remote_id": "abc",
            "id": new_id(on.clock.now()),
            "receipt": msgspec.json.encode(receipt),
            "expires": on.clock.now() + EARLY_FOR,
        }
        for receipt in receipts
    ]
    await store.write(lambda tx: tx.execute(early_receipts.insert(), rows))
    on.ended(await store.write(MatchEarly(on.finisher(), on.clock.now())))
    assert await on.state(message) == "failed"
    assert len(on.deliveries) == 1
    assert await _early(store) == 0


async def test_a_receipt_that_belongs_to_nothing_is_dropped_in_the_end(store: Store) -> None:
    on = await plane(store)
    stray = CarrierReceipt(CARRIER, "one", on.clock.now(), Receipt("stray", "delivered", "DELIVRD"))
    await store.write(RecordReceipts(on.finisher(), [stray]))
    on.clock.advance(EARLY_FOR / SECOND - 1)
    assert await store.write(PurgeExpired(early_receipts, on.clock.now(), 10)) == 0
    await store.write(MatchEarly(on.finisher(), on.clock.now()))
    assert await _early(store) == 1
    on.clock.advance(1)
    assert await store.write(PurgeExpired(early_receipts, on.clock.now(), 10)) == 1
    assert early_receipts.info == EXPIRES


async def test_what_retention_takes_goes_with_its_parts() -> None:
    assert parts.info == of_interaction("message")
