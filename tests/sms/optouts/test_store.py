"""Opt-outs in the store, and what they do to messages."""

import asyncio
import threading
import uuid

import pytest
from sqlalchemy import Connection, text

from sms.message import SmsDetail
from sms.optouts.store import REFUSED, AddOptOuts, CheckOptOuts, RemoveOptOuts
from sms.send import Options, Recipient
from sms.store.accept import AcceptMessages, NewMessage
from telephony.kernel.clock import DAY
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import InteractionId, ResourceId, SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, Subscribers, Wanting, plane, settled

pytestmark = pytest.mark.wire

OTHER = "+12065550101"


async def _opt_out(on: Plane, *peers: str, own: str = NUMBER) -> None:
    on.ended(await on.store.write(AddOptOuts(on.finisher(), on.resource, own, peers, on.clock.now())))


async def _check(on: Plane, *peers: str, own: str = NUMBER, resource: ResourceId | None = None) -> set[str]:
    return await on.store.read(CheckOptOuts(resource or on.resource, own, peers))


async def test_opt_outs_are_of_one_number_and_one_recipient(store: Store) -> None:
    on = await plane(store)
    await _opt_out(on, PEER)
    assert await _check(on, PEER, OTHER) == {PEER}
    assert await _check(on, PEER, own="+14255550100") == set()
    assert await _check(on, PEER, resource=ResourceId(new_id(1))) == set()


async def test_twice_is_once_and_both_ways(store: Store) -> None:
    on = await plane(store)
    await _opt_out(on, PEER, OTHER, PEER)
    await _opt_out(on, PEER)
    assert await _check(on, PEER, OTHER) == {PEER, OTHER}
    remove = RemoveOptOuts(on.resource, NUMBER, [PEER, PEER, "+12065550199"])
    assert (await on.store.write(remove), await on.store.write(remove)) == (1, 0)
    assert await _check(on, PEER, OTHER) == {OTHER}


async def test_a_hundred_at_once(store: Store) -> None:
    on = await plane(store)
    peers = [f"+1206555{number:04d}" for number in range(1000)]
    await _opt_out(on, *peers)
    assert await _check(on, *peers, OTHER) == set(peers)
    assert await on.store.write(RemoveOptOuts(on.resource, NUMBER, peers)) == 1000


async def test_a_message_to_whoever_opted_out_is_refused_alone_and_on_record(store: Store) -> None:
    on = await plane(store)
    await _opt_out(on, PEER)
    refused, sent = await on.send("Hello", PEER, OTHER, report=True)
    assert (refused.status, refused.error) == (400, REFUSED)
    assert (sent.status, sent.error) == (202, None)
    view = await on.view(refused)
    assert (view.message.state, view.text) == ("failed", None)
    (entry,) = view.timeline
    assert (entry.source, entry.kind) == ("opt-outs", "message.failed")
    assert entry.data == {"reason": REFUSED, "request": "request"}
    assert await on.state(sent) == "accepted"


async def test_nothing_of_it_is_sent(store: Store) -> None:
    on = await plane(store)
    await _opt_out(on, PEER)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await on.send("Hello", PEER, OTHER, dispatcher=dispatcher)
    await link.until_sent(1)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    assert [pdu.destination_addr for pdu, _ in link.sent] == [OTHER[1:]]
    await dispatcher.stop()


async def test_undone_it_is_sent_again(store: Store) -> None:
    on = await plane(store)
    await _opt_out(on, PEER)
    await on.store.write(RemoveOptOuts(on.resource, NUMBER, [PEER]))
    (result,) = await on.send("Hello", PEER)
    assert result.status == 202


@pytest.mark.parametrize("refused_first", [True, False])
async def test_a_repetition_gets_the_first_answer(store: Store, refused_first: bool) -> None:
    on = await plane(store)
    pair = Pair(str(uuid.uuid4()), on.clock.now())

    async def send() -> tuple[int, str | None, str | None]:
        recipient = Recipient(PEER, pair)
        (result,) = await on.sender()(on.resource, NUMBER, [recipient], "Hello", Options(), "request")
        return result.status, result.message_id, result.repeatability

    if refused_first:
        await _opt_out(on, PEER)
    first = await send()
    if refused_first:
        await on.store.write(RemoveOptOuts(on.resource, NUMBER, [PEER]))
    else:
        await _opt_out(on, PEER)
    assert await send() == first
    assert first[0] == (400 if refused_first else 202)
    assert first[2] == "accepted"


async def test_what_waits_to_be_sent_ends_with_a_report(store: Store) -> None:
    subscribers = Subscribers((Wanting(SubscriptionId(new_id(1))),))
    on = await plane(store, subscribers=subscribers)
    waiting, to_another = await on.send("Hello", PEER, OTHER, report=True)
    await _opt_out(on, PEER)
    assert [await on.state(one) for one in (waiting, to_another)] == ["failed", "accepted"]
    (delivery,) = on.deliveries
    assert waiting.message_id is not None
    assert waiting.message_id.encode() in delivery.payload
    assert REFUSED.encode() in delivery.payload


async def test_what_is_being_sent_goes_on(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (result,) = await on.send("Hello", PEER, dispatcher=dispatcher)
    await link.until_sent(1)
    await _opt_out(on, PEER)
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    assert await on.state(result) == "submitted"
    await dispatcher.stop()


async def test_a_message_that_waits_in_memory_is_not_sent_either(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    link.bound = False
    dispatcher = await on.dispatching(link)
    (result,) = await on.send("Hello", PEER, dispatcher=dispatcher)
    await _opt_out(on, PEER)
    link.bind()
    await settled(lambda: dispatcher.backlog == 0)
    assert link.sent == []
    assert await on.state(result) == "failed"
    await dispatcher.stop()


async def test_in_one_group_the_opt_out_comes_first(store: Store) -> None:
    on = await plane(store)
    held, release = threading.Event(), threading.Event()

    def hold(tx: Connection) -> None:
        held.set()
        assert release.wait(10)

    blocker = asyncio.ensure_future(store.write(hold))
    await asyncio.to_thread(held.wait, 10)
    sending = asyncio.ensure_future(store.write(_accept(on)))
    stopping = asyncio.ensure_future(
        store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
    )
    await settled(lambda: store.queued == 2)
    release.set()
    await asyncio.gather(blocker, stopping)
    (answer,) = await sending
    assert answer.refused == REFUSED


def _accept(on: Plane) -> AcceptMessages:
    now = on.clock.now()
    message = NewMessage(
        on.resource, InteractionId(new_id(now)), NUMBER, PEER, CARRIER, b"Hello", SmsDetail()
    )
    return AcceptMessages(on.node, now, "request", now + DAY, now + DAY, [message])


async def test_no_gateway_accepts_a_message_while_another_writes_the_opt_out(
    postgresql_store: Store,
) -> None:
    """PostgreSQL alone has several writers: each transaction here stands for one gateway."""
    store = postgresql_store
    on = await plane(store)
    with store.engine.connect() as other, other.begin() as stop:
        AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now())(other)
        sending = asyncio.ensure_future(store.write(_accept(on)))
        await asyncio.to_thread(_until_somebody_waits_for_the_lock, other)
        assert not sending.done()
        stop.commit()
    (answer,) = await sending
    assert answer.refused == REFUSED


async def test_an_opt_out_waits_for_messages_being_accepted_and_ends_them(postgresql_store: Store) -> None:
    store = postgresql_store
    on = await plane(store)
    with store.engine.connect() as other, other.begin() as accept:
        (answer,) = _accept(on)(other)
        stopping = asyncio.ensure_future(
            store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
        )
        await asyncio.to_thread(_until_somebody_waits_for_the_lock, other)
        accept.commit()
    await stopping
    assert answer.id is not None
    assert await on.state((on.resource, answer.id)) == "failed"


def _until_somebody_waits_for_the_lock(tx: Connection) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    while tx.execute(waiting).scalar_one() == 0:
        pass
