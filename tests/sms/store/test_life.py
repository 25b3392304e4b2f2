"""Messages taken back before they are sent, and messages sent again by hand."""

import pytest

from sms.life import MessageLife
from sms.optouts.store import AddOptOuts
from sms.smpp.constants import CommandStatus
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import InteractionId, ResourceId, SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import PEER, FakeLink, Plane, Subscribers, Wanting, plane, receipt

pytestmark = pytest.mark.wire

REFUSED = int(CommandStatus.ESME_RINVDSTADR)


def life(on: Plane) -> MessageLife:
    """Return the verbs of a plane's dispatchers."""

    def cancelled(carrier: str, identifier: InteractionId) -> None:
        for dispatcher in on.dispatchers:
            dispatcher.swept([identifier])

    return MessageLife(
        store=on.store,
        clock=on.clock,
        node=on.node,
        settings=on.settings,
        finisher=on.finisher,
        ended=on.ended,
        offer=lambda _, messages: on.dispatchers[0].offer(messages),
        cancelled=cancelled,
    )


async def test_a_message_that_waits_is_taken_back_and_never_sent(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    link = FakeLink()
    link.bound = False
    dispatcher = await on.dispatching(link)
    one, two = await on.accept(count_=2)
    dispatcher.offer([one, two])
    await life(on).cancel(on.resource, one.id)
    assert (await on.state(one), dispatcher.backlog) == ("cancelled", 1)
    assert (await on.kinds(one))[-1] == "message.cancelled"
    assert b'"deliveryStatus":"Failed"' in on.deliveries[0].payload
    link.bind()
    await link.until_sent(1)
    link.answer()
    await dispatcher.stop()
    assert len(link.sent) == 1
    assert [await on.state(one), await on.state(two)] == ["cancelled", "submitted"]


async def test_what_is_being_sent_or_over_cannot_be_taken_back(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept()
    dispatcher.offer([message])
    await link.until_sent(1)
    with pytest.raises(Conflict, match="submitting"):
        await life(on).cancel(on.resource, message.id)
    link.answer()
    await dispatcher.stop()
    with pytest.raises(Conflict, match="submitted"):
        await life(on).cancel(on.resource, message.id)


async def test_a_refused_message_is_sent_again_and_delivered(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept("x" * 200)
    dispatcher.offer([message])
    await link.until_sent(2)
    link.answer(0, "first")
    link.answer(REFUSED)
    await dispatcher._outcomes.flush()
    assert await on.state(message) == "failed"
    await life(on).requeue(on.resource, message.id)
    assert (await on.kinds(message))[-1] == "message.requeued"
    await link.until_sent(4)
    link.answer(0, "a")
    link.answer(0, "b")
    await dispatcher.stop()
    inlet = on.inlet()
    for number, name in enumerate("ab"):
        inlet.delivered(link, receipt(name), number)
    await inlet.flush()
    view = await on.view(message)
    assert view.message.state == "delivered"
    assert [part.remote_id for part in view.parts] == ["a", "b"]


async def test_what_was_taken_back_can_be_sent_after_all(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    link = FakeLink()
    link.bound = False
    dispatcher = await on.dispatching(link)
    await life(on).cancel(on.resource, message.id)
    await life(on).requeue(on.resource, message.id)
    link.bind()
    await link.until_sent(1)
    link.answer()
    await dispatcher.stop()
    assert await on.state(message) == "submitted"


async def test_what_is_not_over_is_not_sent_again(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    with pytest.raises(Conflict, match="message is accepted and cannot be sent again"):
        await life(on).requeue(on.resource, message.id)


async def test_nothing_is_sent_again_to_whoever_opted_out(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    await life(on).cancel(on.resource, message.id)
    await store.write(AddOptOuts(on.finisher(), on.resource, message.own, [PEER], on.clock.now()))
    with pytest.raises(Conflict, match="opted out"):
        await life(on).requeue(on.resource, message.id)


async def test_another_resources_message_is_not_found(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    stranger = ResourceId(new_id(on.clock.now()))
    with pytest.raises(NotFound):
        await life(on).cancel(stranger, message.id)
    with pytest.raises(NotFound):
        await life(on).requeue(stranger, message.id)
    assert await on.state(message) == "accepted"
