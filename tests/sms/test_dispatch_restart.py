"""What a dispatcher does when its process starts, stops, dies, or takes over from another."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sms.dispatch import Dispatcher
from sms.message import Outbound
from sms.states import MessageState
from sms.store.waiting import Backlog
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode, TakeOver
from tests.support.sms import CARRIER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire


@pytest.fixture
async def on(sqlite_store: Store) -> AsyncIterator[Plane]:
    """A plane whose dispatchers are stopped at the end."""
    made = await plane(sqlite_store)
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


@pytest.fixture
async def both(store: Store) -> AsyncIterator[Plane]:
    """The same on both databases."""
    made = await plane(store)
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


async def _offered(on: Plane, dispatcher: Dispatcher, text: str = "Hello", count: int = 1) -> list[Outbound]:
    messages = await on.accept(text, count)
    dispatcher.offer(messages)
    return messages


async def _until_state(on: Plane, message: Outbound, state: str) -> None:
    async with asyncio.timeout(10):
        while await on.state(message) != state:
            pass


async def _killed(on: Plane, dispatcher: Dispatcher) -> None:
    """Let a dispatcher's process die: nothing it has in mind is written."""
    dispatcher._stopping = True
    on.dispatchers.remove(dispatcher)
    dead = on.node
    on.node = await on.store.write(RegisterNode("next"))
    assert await on.store.write(TakeOver(on.node, alone=True)) > 0
    assert dead != on.node


async def test_after_a_crash_only_what_was_claimed_is_sent_again_and_marked(
    both: Plane,
) -> None:
    link = FakeLink(window=5)
    dispatcher = await both.dispatching(link)
    messages = await _offered(both, dispatcher, count=30)
    await link.until_sent(5)
    link.answer()
    link.answer()
    await _until_state(both, messages[1], "submitted")
    await settled(lambda: not dispatcher._claiming)
    claimed = await both.store.read(Backlog(both.node, CARRIER, MessageState.SUBMITTING))
    await _killed(both, dispatcher)

    link = FakeLink(window=50)
    dispatcher = await both.dispatching(link)
    assert dispatcher.backlog == 28
    await link.until_sent(28)
    for _ in range(28):
        link.answer()
    marked = 0
    for message in messages:
        await _until_state(both, message, "submitted")
        kinds = await both.kinds(message)
        assert kinds.count("part.submitted") == 1
        marked += "part.sent-again" in kinds
    assert marked == claimed
    await settled(lambda: dispatcher.backlog == 0)


async def test_after_a_crash_only_the_parts_without_an_answer_are_sent_again(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher, "x" * 500)
    await link.until_sent(4)
    link.answer(index=2)
    link.answer(index=0)
    async with asyncio.timeout(10):
        while len((await on.view(message)).parts) < 2:
            pass
    before = [pdu.short_message for pdu, unit in link.sent if unit.part.number in (2, 4)]
    await _killed(on, dispatcher)
    link = FakeLink()
    await on.dispatching(link)
    await link.until_sent(2)
    assert link.texts == before  # with the same reference, so that the parts still join
    link.answer()
    link.answer()
    await _until_state(on, message, "submitted")
    marks = [
        entry.data["part"] for entry in (await on.view(message)).timeline if entry.kind == "part.sent-again"
    ]
    assert marks == [2, 4]


async def test_a_take_over_while_running_sends_the_dead_nodes_messages(both: Plane) -> None:
    crashed = FakeLink("crashed", 3)
    dispatcher = await both.dispatching(crashed)
    messages = await _offered(both, dispatcher, count=10)
    await crashed.until_sent(3)
    await _until_state(both, messages[2], "submitting")
    await _killed(both, dispatcher)
    survivor, ours = FakeLink("survivor", 20), replace(both)
    runs = await ours.dispatching(survivor)
    await survivor.until_sent(10)
    await runs.adopt()
    await runs.adopt()
    await settled(lambda: not runs._fetching)
    assert len(survivor.sent) == 10
    for _ in range(10):
        survivor.answer()
    await settled(lambda: runs.backlog == 0)
    await runs.adopt()
    await settled(lambda: not runs._fetching and runs.backlog == 0)
    assert len(survivor.sent) == 10


async def test_adopting_while_answers_come_sends_nothing_twice(on: Plane) -> None:
    link = FakeLink(window=20)
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, count=100)
    adopting = [asyncio.create_task(dispatcher.adopt()) for _ in range(10)]
    for count in range(1, 101):
        await link.until_sent(count)
        link.answer()
    await asyncio.gather(*adopting)
    await settled(lambda: dispatcher.backlog == 0 and not dispatcher._fetching)
    assert len(link.sent) == len({unit.message.id for _, unit in link.sent}) == 100


async def test_a_clean_stop_gives_back_what_was_not_sent_and_marks_nothing(both: Plane) -> None:
    link = FakeLink(window=4)
    dispatcher = await both.dispatching(link)
    messages = await _offered(both, dispatcher, count=8)
    await link.until_sent(4)
    await settled(lambda: dispatcher._outgoing.ready == 4)
    dispatcher.drain()
    for _ in range(3):
        link.answer()
    link.lose("the link stopped")
    await dispatcher.stop()
    states = [await both.state(message) for message in messages]
    assert states == ["submitted"] * 3 + ["submitting"] + ["accepted"] * 4

    again = FakeLink(window=10)
    await both.dispatching(again)
    await again.until_sent(5)
    for _ in range(5):
        again.answer()
    for message in messages:
        await _until_state(both, message, "submitted")
    marks = ["part.sent-again" in await both.kinds(message) for message in messages]
    assert marks == [False] * 3 + [True] + [False] * 4


async def test_a_stop_in_the_middle_of_a_claim_gives_it_back(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    dispatcher.pump()
    await dispatcher.stop()
    assert (await on.state(message), len(link.sent)) == ("accepted", 0)


async def test_a_stop_does_not_wait_for_a_store_that_stays_away(
    on: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    await link.until_sent(1)
    never = asyncio.Event()

    async def away(job: Any) -> Any:
        await never.wait()

    monkeypatch.setattr(on.store, "write_until_done", away)
    monkeypatch.setattr(dispatcher._outcomes._gather, "_write_job", away)
    link.answer()
    await dispatcher.stop(0.01)
    assert await on.state(message) == "submitting"
    on.dispatchers.remove(dispatcher)
    never.set()
