"""A sender with a rate of its own and a long backlog, beside others: over real stores."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, text

from carriers.model.carrier import Carrier
from sms import dispatch, pending
from sms.dispatch import Dispatcher
from sms.message import Outbound, SmsDetail
from sms.settings import SmsSettings
from sms.states import MessageState
from sms.store.accept import AcceptMessages, NewMessage
from sms.store.waiting import Backlog, Waiting
from telephony.kernel.clock import DAY
from telephony.kernel.e164 import E164
from telephony.kernel.ids import InteractionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire

SLOW, QUICK = NUMBER, E164("+14255550111")
IN_MEMORY = 100


@pytest.fixture
async def on(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plane]:
    """A plane with a slow sender and little memory, whose dispatchers are stopped at the end."""
    monkeypatch.setattr(pending, "MOST_ASIDE", 20)
    monkeypatch.setattr(dispatch, "PAGE", 50)
    made = await plane(
        store,
        settings=SmsSettings(max_in_memory=IN_MEMORY),
        carrier=Carrier(sender_rates={SLOW: 1.0}),
    )
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


async def accepted(
    on: Plane, own: str, count: int, *, priority: int = 0, text: str = "Hello"
) -> list[Outbound]:
    """Put messages of a sender into the store, as its gateway does."""
    now = on.clock.now()
    expires = now + on.settings.validity_seconds * 1_000_000
    detail = SmsDetail(priority=priority)
    new = [
        NewMessage(on.resource, InteractionId(new_id(now)), own, PEER, CARRIER, text.encode(), detail)
        for _ in range(count)
    ]
    await on.store.write(AcceptMessages(on.node, now, "request", expires, now + 30 * DAY, new))
    return [Outbound(one.resource, one.id, own, PEER, text, expires, 0, priority=priority) for one in new]


async def idle(dispatcher: Dispatcher) -> None:
    """Wait until it has nothing to do before time passes."""
    await settled(lambda: not dispatcher._tasks and not dispatcher._pump_due)


def of(link: FakeLink, sender: str) -> list[InteractionId]:
    """Return what was sent of a sender, in order."""
    return [unit.message.id for _, unit in link.sent if unit.message.own == sender]


def answer_all(link: FakeLink) -> None:
    while link.flying:
        link.answer()


async def a_second_later(on: Plane, dispatcher: Dispatcher, link: FakeLink) -> None:
    answer_all(link)
    on.clock.advance(1)
    dispatcher.pump()
    await idle(dispatcher)


@pytest.mark.parametrize("when", ["as it comes", "after a restart"])
async def test_a_slow_senders_backlog_keeps_nobody_waiting(on: Plane, when: str) -> None:
    link = FakeLink(window=50)
    if when == "as it comes":
        dispatcher = await on.dispatching(link)
        slow = await accepted(on, SLOW, 3 * IN_MEMORY)
        dispatcher.offer(slow)
        await idle(dispatcher)
        quick = await accepted(on, QUICK, 3 * IN_MEMORY)
        dispatcher.offer(quick)
    else:
        slow = await accepted(on, SLOW, 3 * IN_MEMORY)
        quick = await accepted(on, QUICK, 3 * IN_MEMORY)
        dispatcher = await on.dispatching(link)
    async with asyncio.timeout(10):
        while len(of(link, QUICK)) < len(quick):
            answer_all(link)
            await asyncio.sleep(0)
            assert len(dispatcher._held) <= 2 * IN_MEMORY
    assert of(link, QUICK) == [one.id for one in quick]
    answer_all(link)
    await settled(lambda: len(dispatcher._held) <= 20 + 2)
    assert len(of(link, SLOW)) == 1
    assert dispatcher.backlog == len(slow) - 1
    claimed = await on.store.read(Backlog(on.node, CARRIER, MessageState.SUBMITTING))
    assert claimed <= 2 * 2, "what waits for its turn is not in doubt after a crash"


async def test_all_of_a_slow_sender_goes_in_order_at_its_rate(on: Plane) -> None:
    link = FakeLink(window=50)
    dispatcher = await on.dispatching(link)
    slow = await accepted(on, SLOW, 45)
    dispatcher.offer(slow[:30])
    await idle(dispatcher)
    dispatcher.offer(slow[30:])  # behind those that memory has no place for
    for _ in range(len(slow) + 5):
        await a_second_later(on, dispatcher, link)
        assert len(dispatcher._held) <= 20 + 4
    assert of(link, SLOW) == [one.id for one in slow]
    await settled(lambda: dispatcher.backlog == 0)


async def test_urgent_messages_go_first_after_a_restart_too(store: Store) -> None:
    on = await plane(store)
    usual = await accepted(on, QUICK, 5)
    urgent = await accepted(on, QUICK, 2, priority=3)
    between = await accepted(on, QUICK, 2, priority=1)
    wanted = [one.id for one in (*urgent, *between, *usual)]
    first = await store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 3))
    rest = await store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 9, first[-1]))
    assert [one.id for one in first + rest] == wanted
    link = FakeLink(window=1)
    dispatcher = await on.dispatching(link)
    for count in range(1, len(wanted) + 1):
        await link.until_sent(count)
        link.answer()
    assert of(link, QUICK) == wanted
    await dispatcher.stop()


async def test_what_waits_is_found_in_order_without_sorting(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    statements: list[tuple[str, object]] = []

    def plan(tx: Connection) -> list[str]:
        kept = tx.connection.dbapi_connection
        assert kept is not None
        kept.set_trace_callback(lambda said: statements.append((said, None)))
        Waiting(on.node, CARRIER, MessageState.ACCEPTED, 10, without=[SLOW])(tx)
        kept.set_trace_callback(None)
        (said,) = [each for each, _ in statements if each.startswith("SELECT")]
        return [row[-1] for row in tx.execute(text(f"EXPLAIN QUERY PLAN {said}".replace(":", "\\:")))]

    steps = await sqlite_store.read(plan)
    assert any("interactions_node" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
