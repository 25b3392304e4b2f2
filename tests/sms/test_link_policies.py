"""What settings say about rates, addresses, throttling and lost answers, and the dispatcher does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier
from carriers.model.smpp import SmppLink
from sms.answers import RETRY_SECONDS
from sms.dispatch import Dispatcher
from sms.message import Outbound
from sms.smpp.constants import CommandStatus
from telephony.kernel.store import Store
from tests.support.sms import NUMBER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire

OK, THROTTLED = 0, int(CommandStatus.ESME_RTHROTTLED)


@pytest.fixture
async def on(sqlite_store: Store) -> AsyncIterator[Plane]:
    """A plane whose dispatchers are stopped at the end."""
    made = await plane(sqlite_store)
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


def carrier(link: dict[str, Any] | None = None, **changes: Any) -> Carrier:
    return Carrier(smpp={"one": SmppLink(host="smsc", system_id="me", **(link or {}))}, **changes)


async def _offered(on: Plane, dispatcher: Dispatcher, count: int = 1) -> list[Outbound]:
    messages = await on.accept("Hello", count)
    dispatcher.offer(messages)
    return messages


async def _idle(dispatcher: Dispatcher) -> None:
    """Wait until it has nothing to do before time passes: the next of a sender is claimed."""
    await settled(lambda: not dispatcher._tasks and not dispatcher._pump_due)


async def test_a_sender_sends_one_a_second_in_order_and_others_do_not_wait(on: Plane) -> None:
    on.carrier = carrier(sender_per_second=1.0)
    link = FakeLink(window=100)
    dispatcher = await on.dispatching(link)
    messages = await _offered(on, dispatcher, 5)
    await link.until_sent(1)
    for sent in range(1, 5):
        assert [unit.message.id for _, unit in link.sent] == [one.id for one in messages[:sent]]
        await _idle(dispatcher)
        on.clock.advance(0.5)
        dispatcher.pump()
        assert len(link.sent) == sent
        on.clock.advance(0.5)
        dispatcher.pump()
    assert [unit.message.id for _, unit in link.sent] == [one.id for one in messages]


async def test_a_message_that_expires_before_its_turn_costs_none(on: Plane) -> None:
    on.carrier = carrier(sender_per_second=1.0)
    link = FakeLink(window=100)
    dispatcher = await on.dispatching(link)
    messages = await _offered(on, dispatcher, 3)
    await link.until_sent(1)
    await _idle(dispatcher)
    messages[1].expires = on.clock.now() - 1
    dispatcher.expire()
    on.clock.advance(1.0)
    dispatcher.pump()
    on.clock.advance(0.001)
    dispatcher.pump()
    assert [unit.message.id for _, unit in link.sent] == [messages[0].id, messages[2].id]


async def test_a_link_sends_so_many_a_second(on: Plane) -> None:
    on.carrier = carrier({"per_second": 10.0})
    link = FakeLink(window=1000)
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, 50)
    await link.until_sent(1)
    for _ in range(200):  # two seconds
        on.clock.advance(0.01)
        dispatcher.pump()
    assert 19 <= len(link.sent) <= 22


async def test_addresses_are_written_as_the_carrier_wants_them(on: Plane) -> None:
    form = AddressForm(ton=0, npi=1, plus=True)
    on.carrier = carrier(addressing=Addressing(e164=form, destination=AddressForm(ton=2, npi=8)))
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher)
    await link.until_sent(1)
    pdu, _ = link.sent[0]
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr) == (0, 1, str(NUMBER))
    assert (pdu.dest_addr_ton, pdu.dest_addr_npi) == (2, 8)


async def test_a_throttled_link_pauses_as_its_settings_say(on: Plane) -> None:
    on.carrier = carrier({"throttle_seconds": (7.0,)})
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher)
    await link.until_sent(1)
    link.answer(THROTTLED)
    on.clock.advance(6.9)
    dispatcher.pump()
    assert len(link.sent) == 1
    on.clock.advance(0.2)
    dispatcher.pump()
    assert len(link.sent) == 2


async def test_a_lost_answer_fails_the_message_where_the_link_says_so(on: Plane) -> None:
    on.carrier = carrier({"on_lost_response": "fail"})
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    [message] = await _offered(on, dispatcher)
    await link.until_sent(1)
    link.lose()
    await settled(lambda: message.over)
    while await on.state(message) != "failed":
        pass
    assert len(link.sent) == 1
    entry = (await on.view(message)).timeline[-1]
    assert b"the carrier may have it" in str(entry.data).encode()


async def test_a_lost_answer_counts_as_taken_where_the_link_says_so(on: Plane) -> None:
    on.carrier = carrier({"on_lost_response": "wait"})
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    [message] = await _offered(on, dispatcher)
    await link.until_sent(1)
    link.lose()
    while await on.state(message) != "submitted":
        pass
    assert len(link.sent) == 1
    assert "part.unanswered" in await on.kinds(message)


async def test_a_refusal_by_an_smsc_that_is_unbinding_is_tried_again(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher)
    await link.until_sent(1)
    link.answer(int(CommandStatus.ESME_RINVBNDSTS))
    on.clock.advance(RETRY_SECONDS[0])
    dispatcher.pump()
    assert len(link.sent) == 2
