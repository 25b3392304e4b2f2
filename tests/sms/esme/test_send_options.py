"""What only SMPP's customers may ask of sending."""

import pytest

from sms.send import Result
from sms.states import MessageState
from sms.store.held import ReleaseHeld
from sms.store.waiting import Waiting
from sms.text import Concat
from telephony.kernel.clock import HOUR, MINUTE, SECOND
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, FakeLink, Plane, plane

pytestmark = pytest.mark.wire

PART = Concat(300, 2, 1, wide=True)


async def waiting(on: Plane) -> list[tuple[str, int, Concat | None]]:
    found = await on.store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 10))
    return [(message.text, message.expires, message.concat) for message in found]


async def test_a_part_is_still_one_when_the_store_gives_it_back(store: Store) -> None:
    on = await plane(store)
    await on.send("Hello", account="a", concat=PART, validity_seconds=60)
    assert await waiting(on) == [("Hello", on.clock.now() + MINUTE, PART)]
    link = FakeLink()
    await on.dispatching(link)  # as after a restart
    await link.until_sent(1)
    assert link.texts == [b"\x06\x08\x04\x01\x2c\x02\x01Hello"]
    for dispatcher in on.dispatchers:
        await dispatcher.stop()


async def test_no_validity_is_longer_than_the_operators(store: Store) -> None:
    on = await plane(store)
    await on.send("Hello", validity_seconds=10**9)
    ((_, expires, _),) = await waiting(on)
    assert expires == on.clock.now() + on.settings.validity_seconds * SECOND


async def test_a_scheduled_message_waits_for_its_time(store: Store) -> None:
    on = await plane(store)
    result: Result
    (result,) = await on.send("Hello", not_before=on.clock.now() + HOUR, account="a")
    assert await on.state(result) == "accepted"
    assert await waiting(on) == []
    on.clock.advance(3601)
    now = on.clock.now()
    assert await store.write(ReleaseHeld(on.node, now, 3600)) == {CARRIER: 1}
    assert [text for text, _, _ in await waiting(on)] == ["Hello"]


async def test_an_earlier_time_is_now(store: Store) -> None:
    on = await plane(store)
    await on.send("Hello", not_before=on.clock.now() - HOUR)
    assert len(await waiting(on)) == 1
