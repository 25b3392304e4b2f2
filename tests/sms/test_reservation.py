"""Messages that are claimed by the write that accepts them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sms.optouts.store import AddOptOuts
from sms.send import Options, Recipient
from sms.store.submit import ClaimMessages
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import InteractionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import NUMBER, PEER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire


@pytest.fixture
async def on(store: Store) -> AsyncIterator[Plane]:
    """A plane whose dispatchers are stopped at the end."""
    made = await plane(store)
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


def _ids(on: Plane, count: int = 1) -> list[InteractionId]:
    return [InteractionId(new_id(on.clock.now())) for _ in range(count)]


async def test_on_an_idle_way_a_message_is_accepted_and_claimed_by_one_write(
    on: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    monkeypatch.setattr(ClaimMessages, "__call__", None)  # nobody needs it
    (result,) = await on.send("Hello", dispatcher=dispatcher)
    assert await on.state(result) == "submitting"
    await link.until_sent(1)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    assert await on.state(result) == "submitted"


async def test_nobody_overtakes_a_message_that_waits(on: Plane) -> None:
    link = FakeLink(window=1)
    dispatcher = await on.dispatching(link)
    texts = [f"Number {number}" for number in range(5)]
    for text in texts:
        await on.send(text, dispatcher=dispatcher)
    for count in range(1, 6):
        await link.until_sent(count)
        link.answer()
    assert [text.decode() for text in link.texts] == texts


async def test_room_is_kept_while_it_is_reserved_and_free_again_afterwards(on: Plane) -> None:
    dispatcher = await on.dispatching(FakeLink(window=3))
    reservation = dispatcher.reserve(_ids(on, 2))
    assert reservation is not None
    assert dispatcher.reserve(_ids(on, 2)) is None
    assert dispatcher.backlog == 2
    reservation.fulfil(())
    assert dispatcher.backlog == 0
    whole = dispatcher.reserve(_ids(on, 3))
    assert whole is not None
    whole.fulfil(())  # a stop would wait for it


async def test_nothing_is_reserved_while_no_link_is_bound_or_the_end_is_near(on: Plane) -> None:
    link = FakeLink()
    link.bound = False
    dispatcher = await on.dispatching(link)
    assert dispatcher.reserve(_ids(on)) is None
    link.bind()
    dispatcher.drain()
    assert dispatcher.reserve(_ids(on)) is None


async def test_a_recipient_who_opted_out_leaves_no_room_taken(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await on.store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
    (result,) = await on.send("Hello", dispatcher=dispatcher)
    assert result.status == 400
    assert dispatcher.backlog == 0
    assert not link.sent


async def test_a_claim_whose_answer_was_lost_is_found_again(
    on: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    send = on.sender(dispatcher)
    write = on.store.write

    async def committed_but_not_told(job: object) -> object:
        await write(job)  # type: ignore[arg-type]
        raise Unavailable("The database is away; try again.")

    monkeypatch.setattr(on.store, "write", committed_but_not_told)
    with pytest.raises(Unavailable):
        await send(on.resource, NUMBER, [Recipient(PEER)], "Hello", Options(), "request")
    monkeypatch.undo()
    assert dispatcher.backlog == 0
    await dispatcher.find_astray()
    await link.until_sent(1)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)


async def test_looking_for_lost_claims_leaves_alone_what_is_being_accepted(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    identifiers = _ids(on, 2)
    lost, held = (dispatcher.reserve([one]) for one in identifiers)
    assert lost is not None
    assert held is not None
    await on.accept(identifiers=identifiers[1:], claimed=True)
    lost.abandon()
    await dispatcher.find_astray()
    await asyncio.sleep(0)
    assert not link.sent
    held.fulfil(())


async def test_a_dispatcher_that_stops_waits_for_what_it_keeps_room_for_and_gives_it_back(on: Plane) -> None:
    before = await on.dispatching(FakeLink())
    identifiers = _ids(on)
    reservation = before.reserve(identifiers)
    assert reservation is not None
    assert before.unsettled
    stopping = asyncio.create_task(before.stop())
    made = await on.accept(identifiers=identifiers, claimed=True)
    assert not stopping.done()
    reservation.fulfil(made)
    await stopping
    assert not before.unsettled
    assert await on.state(made[0]) == "accepted"
    link = FakeLink()
    await on.dispatching(link)
    await link.until_sent(1)
    link.answer()
    await settled(lambda: link.sent[0][1].again == "")
