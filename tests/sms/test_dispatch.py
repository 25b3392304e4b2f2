"""From the store to a carrier's links, with links that do what they are told and real stores."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import update

from sms.answers import RETRY_SECONDS
from sms.dispatch import Dispatcher
from sms.message import Outbound
from sms.pace import PAUSE_SECONDS
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import FieldError, LinkFull
from sms.states import MessageState
from sms.store.submit import ClaimMessages, RecordOutcomes
from sms.store.sweep import SweepDue
from sms.store.waiting import Backlog, Waiting
from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from tests.support.sms import CARRIER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire

OK, THROTTLED, FULL = 0, int(CommandStatus.ESME_RTHROTTLED), int(CommandStatus.ESME_RMSGQFUL)
BUSY, REFUSED = int(CommandStatus.ESME_RSYSERR), int(CommandStatus.ESME_RINVDSTADR)


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


async def test_a_message_is_claimed_before_it_is_sent_and_submitted_when_it_is_taken(both: Plane) -> None:
    link = FakeLink()
    dispatcher = await both.dispatching(link)
    (message,) = await _offered(both, dispatcher)
    await link.until_sent(1)
    assert await both.state(message) == "submitting"
    assert dispatcher.backlog == 1
    link.answer(OK, "abc")
    await _until_state(both, message, "submitted")
    await settled(lambda: dispatcher.backlog == 0)
    assert (await both.view(message)).parts[0].remote_id == "abc"


async def test_the_window_is_filled_and_never_overfilled(on: Plane) -> None:
    link = FakeLink(window=10)
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, count=50)
    for answered in range(40):
        await link.until_sent(10 + answered)
        assert link.outstanding == 10
        link.answer()
    await link.until_sent(50)


async def test_messages_leave_in_the_order_in_which_they_were_accepted(on: Plane) -> None:
    link = FakeLink(window=5)
    dispatcher = await on.dispatching(link)
    messages = [message for _ in range(10) for message in await _offered(on, dispatcher, count=3)]
    for count in range(1, 31):
        await link.until_sent(count)
        link.answer()
    assert [unit.message.id for _, unit in link.sent] == [message.id for message in messages]


async def test_the_emptiest_link_is_used(on: Plane) -> None:
    one, two = FakeLink("one", 4), FakeLink("two", 4)
    dispatcher = await on.dispatching(one, two)
    await _offered(on, dispatcher, count=8)
    await one.until_sent(4)
    await two.until_sent(4)


async def test_nothing_is_claimed_while_no_link_is_bound(on: Plane) -> None:
    link = FakeLink()
    link.bound = False
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    dispatcher.pump()
    assert await on.state(message) == "accepted"
    link.bind()
    await link.until_sent(1)


async def test_messages_of_a_carrier_without_links_wait(on: Plane) -> None:
    dispatcher = await on.dispatching()
    (message,) = await _offered(on, dispatcher)
    dispatcher.pump()
    assert (await on.state(message), dispatcher.backlog) == ("accepted", 1)


async def test_no_more_than_a_window_is_claimed_ahead(on: Plane) -> None:
    link = FakeLink(window=10)
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, count=100)
    await link.until_sent(10)
    for count in range(11, 40):
        link.answer()
        await link.until_sent(count)
    assert await on.store.read(Backlog(on.node, CARRIER, MessageState.SUBMITTING)) <= 3 * link.window


# --- what carriers answer ---


@pytest.mark.promise("R19")
async def test_a_refused_message_fails_with_the_carriers_reason(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    await link.until_sent(1)
    link.answer(REFUSED)
    await _until_state(on, message, "failed")
    entry = (await on.view(message)).timeline[-1]
    assert (entry.kind, entry.source) == ("message.failed", "link:one")
    assert "destination address is invalid" in entry.data["reason"]
    await settled(lambda: dispatcher.backlog == 0)


@pytest.mark.parametrize("status", [THROTTLED, FULL])
@pytest.mark.promise("R19")
async def test_a_throttled_link_rests_and_the_message_goes_again_unmarked(on: Plane, status: int) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    await link.until_sent(1)
    link.answer(status)
    dispatcher.pump()
    assert len(link.sent) == 1
    on.clock.advance(PAUSE_SECONDS[0])
    dispatcher.pump()
    assert len(link.sent) == 2
    link.answer()
    await _until_state(on, message, "submitted")
    assert await on.kinds(message) == ["message.accepted", "part.throttled", "part.submitted"]


@pytest.mark.promise("R19")
async def test_being_throttled_never_fails_a_message(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher)
    await link.until_sent(1)
    for count in range(2, 30):
        link.answer(THROTTLED)
        on.clock.advance(PAUSE_SECONDS[-1])
        dispatcher.pump()
        assert len(link.sent) == count


@pytest.mark.promise("R19")
async def test_what_one_link_may_not_send_goes_over_the_next(on: Plane) -> None:
    one, two = FakeLink("one", 2), FakeLink("two", 1)
    dispatcher = await on.dispatching(one, two)
    (message,) = await _offered(on, dispatcher)
    await one.until_sent(1)
    one.answer(THROTTLED)
    await two.until_sent(1)
    assert two.sent[0][1].message.id == message.id


async def test_throttled_parts_keep_their_order(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, "".join(chr(97 + number // 153) for number in range(153 * 5)))
    await link.until_sent(5)
    for _ in range(5):
        link.answer(THROTTLED)
    while len(link.sent) < 10:
        on.clock.advance(1)
        dispatcher.pump()
        if link.flying:
            link.answer()
    assert [text[-1:] for text in link.texts[5:]] == [b"a", b"b", b"c", b"d", b"e"]


async def test_a_busy_carrier_is_asked_again_and_in_the_end_no_more(on: Plane) -> None:
    on.settings = SmsSettings(attempts=3)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    for count in (1, 2, 3):
        await link.until_sent(count)
        link.answer(BUSY)
        dispatcher.pump()
        assert len(link.sent) == count
        on.clock.advance(RETRY_SECONDS[count - 1])
        dispatcher.pump()
    await _until_state(on, message, "failed")
    assert len(link.sent) == 3
    assert await on.kinds(message) == [
        "message.accepted",
        "part.postponed",
        "part.postponed",
        "message.failed",
    ]


async def test_a_busy_carriers_message_holds_nobody_up(on: Plane) -> None:
    link = FakeLink(window=1)
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher, count=2)
    await link.until_sent(1)
    link.answer(BUSY)
    await link.until_sent(2)
    assert link.sent[0][1].message is not link.sent[1][1].message


async def test_a_part_that_fails_fails_the_text_and_the_rest_is_not_sent(on: Plane) -> None:
    link = FakeLink(window=2)
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher, "x" * 700)
    await link.until_sent(2)
    link.answer(REFUSED, index=0)
    link.answer(OK, "abc")
    await _until_state(on, message, "failed")
    await settled(lambda: dispatcher.backlog == 0)
    dispatcher.pump()
    assert len(link.sent) == 2
    assert [part.remote_id for part in (await on.view(message)).parts] == ["abc"]


async def test_the_parts_of_a_long_text_are_answered_in_any_order(both: Plane) -> None:
    link = FakeLink()
    dispatcher = await both.dispatching(link)
    (message,) = await _offered(both, dispatcher, "Привет " * 40)
    await link.until_sent(5)
    for index in (4, 1, 2, 0):
        link.answer(index=index)
    assert await both.state(message) == "submitting"
    link.answer()
    await _until_state(both, message, "submitted")
    assert len((await both.view(message)).parts) == 5


# --- what goes wrong ---


@pytest.mark.promise("R19")
async def test_a_lost_answer_is_asked_for_again_and_marked(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    await link.until_sent(1)
    link.lose("no answer within 10 s")
    dispatcher.pump()
    assert len(link.sent) == 1
    on.clock.advance(RETRY_SECONDS[0])
    dispatcher.pump()
    link.answer()
    await _until_state(on, message, "submitted")
    (again,) = [entry for entry in (await on.view(message)).timeline if entry.kind == "part.sent-again"]
    assert again.data == {"part": 1, "reason": "no answer within 10 s", "possible_duplicate": True}


async def test_what_is_never_answered_fails_in_the_end(on: Plane) -> None:
    on.settings = SmsSettings(attempts=3)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    for count in (1, 2, 3):
        await link.until_sent(count)
        link.lose()
        on.clock.advance(RETRY_SECONDS[-1])
        dispatcher.pump()
    await _until_state(on, message, "failed")
    assert (await on.view(message)).timeline[-1].data == {"reason": "no answer within 10 s (3 times)"}


@pytest.mark.promise("R19")
async def test_what_a_lost_link_had_on_the_wire_goes_over_the_next_in_order_and_marked(on: Plane) -> None:
    one, two = FakeLink("one", 8), FakeLink("two", 8)
    two.bound = False
    dispatcher = await on.dispatching(one, two)
    messages = await _offered(on, dispatcher, count=8)
    await one.until_sent(8)
    one.answer()
    one.break_off()
    two.bind()
    await two.until_sent(7)
    assert [unit.message.id for _, unit in two.sent] == [message.id for message in messages[1:]]
    for _ in range(7):
        two.answer()
    for message in messages:
        await _until_state(on, message, "submitted")
        assert ("part.sent-again" in await on.kinds(message)) == (message is not messages[0])


async def test_a_link_that_is_lost_over_and_over_loses_no_message(on: Plane) -> None:
    on.settings = SmsSettings(attempts=2)
    link = FakeLink(window=3)
    dispatcher = await on.dispatching(link)
    messages = await _offered(on, dispatcher, count=3)
    for sent in (3, 6, *range(7, 15)):  # one at a time from the third life on: see sms.suspicion
        await link.until_sent(sent)
        link.break_off()
        link.bind()
        await settled(lambda: not dispatcher._pump_due)
        on.clock.advance(RETRY_SECONDS[-1])
        dispatcher.pump()
    for sent in (15, 16, 17):
        await link.until_sent(sent)
        link.answer()
    for message in messages:
        await _until_state(on, message, "submitted")


async def test_a_link_that_has_no_room_after_all_gets_it_later(on: Plane) -> None:
    link = FakeLink()
    link.refuses = LinkFull("the socket is full")
    dispatcher = await on.dispatching(link)
    await _offered(on, dispatcher)
    await settled(lambda: dispatcher._outgoing.ready == 1)
    dispatcher.pump()
    link.refuses = None
    dispatcher.pump()
    assert len(link.sent) == 1
    assert link.sent[0][1].message.on_wire == 1


async def test_what_no_link_can_carry_fails_and_holds_nobody_up(on: Plane) -> None:
    link = FakeLink()
    link.refuses = FieldError("destination_addr: 21 octets", target="destination_addr", command_status=0x0B)
    dispatcher = await on.dispatching(link)
    (bad,) = await _offered(on, dispatcher)
    await _until_state(on, bad, "failed")
    link.refuses = None
    await _offered(on, dispatcher)
    await link.until_sent(1)


async def test_a_claim_that_fails_is_made_again(on: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    write, failures = on.store.write_until_done, [RuntimeError("a mistake"), Unavailable("stopping")]

    async def failing(job: Any) -> Any:
        if isinstance(job, ClaimMessages) and failures:
            raise failures.pop()
        return await write(job)

    monkeypatch.setattr(on.store, "write_until_done", failing)
    await _offered(on, dispatcher)
    while failures:
        dispatcher.pump()
        await asyncio.sleep(0)
    dispatcher.pump()
    await link.until_sent(1)
    assert dispatcher.backlog == 1


async def test_a_claim_that_another_write_spoils_keeps_the_order(
    on: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink(window=4)
    dispatcher = await on.dispatching(link)
    write, failures = on.store.write_until_done, [RuntimeError("a mistake")]

    async def failing(job: Any) -> Any:
        if failures:
            raise failures.pop()
        return await write(job)

    monkeypatch.setattr(on.store, "write_until_done", failing)
    messages = await _offered(on, dispatcher, count=8)
    await settled(lambda: not failures)
    dispatcher.pump()
    for count in range(1, 9):
        await link.until_sent(count)
        link.answer()
    assert [unit.message.id for _, unit in link.sent] == [message.id for message in messages]


async def test_outcomes_are_written_when_the_store_is_back(
    on: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await _offered(on, dispatcher)
    await link.until_sent(1)
    write, away = on.store.write, [True, True]

    async def failing(job: Any) -> Any:
        if isinstance(job, RecordOutcomes) and away:
            away.pop()
            raise Unavailable("away")
        return await write(job)

    monkeypatch.setattr(on.store, "write", failing)
    link.answer()
    await _until_state(on, message, "submitted")
    assert not away


# --- validity ---


@pytest.mark.promise("R19")
async def test_what_expired_before_a_link_had_room_is_not_sent(on: Plane) -> None:
    link = FakeLink(window=1)
    dispatcher = await on.dispatching(link)
    first, second = await _offered(on, dispatcher, count=2)
    await link.until_sent(1)
    await settled(lambda: dispatcher._outgoing.ready == 1)
    on.clock.advance(on.settings.validity_seconds)
    link.answer()
    await _until_state(on, second, "expired")
    assert await on.state(first) == "submitted"
    assert len(link.sent) == 1


async def test_what_expires_while_all_links_are_down_ends_in_its_time(on: Plane) -> None:
    link = FakeLink(window=2)
    dispatcher = await on.dispatching(link)
    sent, unsent = await _offered(on, dispatcher, count=2)
    await link.until_sent(2)
    link.answer(THROTTLED, index=1)
    link.break_off()
    on.clock.advance(on.settings.validity_seconds)
    dispatcher.expire()
    await _until_state(on, sent, "expired")
    await _until_state(on, unsent, "expired")
    assert (await on.view(sent)).timeline[-1].data == {"reason": "validity ran out; the carrier may have it"}
    assert (await on.view(unsent)).timeline[-1].data == {"reason": "validity ran out before submission"}
    await settled(lambda: dispatcher.backlog == 0)


async def test_what_the_sweep_ended_is_forgotten(on: Plane) -> None:
    on.settings = SmsSettings(max_in_memory=100)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    link.bound = False
    await _offered(on, dispatcher, count=90)
    await _offered(on, dispatcher, count=20)
    assert dispatcher.backlog == 110
    on.clock.advance(on.settings.validity_seconds)
    _, swept = await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    dispatcher.swept(swept.unsent[CARRIER])
    assert dispatcher.backlog == 0


async def test_what_ended_in_the_store_meanwhile_is_not_sent(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    first, second = await on.accept(count_=2)
    await on.store.write(
        lambda tx: tx.execute(
            update(interactions).where(interactions.c.id == first.id).values(state="expired", node=None)
        )
    )
    dispatcher.offer([first, second])
    await link.until_sent(1)
    assert link.sent[0][1].message.id == second.id
    assert dispatcher.backlog == 1


# --- memory, and the store behind it ---


async def test_what_memory_has_no_room_for_is_fetched_in_order(both: Plane) -> None:
    both.settings = SmsSettings(max_in_memory=100)
    link = FakeLink(window=20)
    dispatcher = await both.dispatching(link)
    messages = [message for _ in range(6) for message in await _offered(both, dispatcher, count=60)]
    assert dispatcher.backlog == 360
    for count in range(1, 361):
        await link.until_sent(count)
        link.answer()
    assert [unit.message.id for _, unit in link.sent] == [message.id for message in messages]
    await settled(lambda: dispatcher.backlog == 0)


async def test_what_was_fetched_and_offered_is_sent_once(on: Plane) -> None:
    """A fetch may see a message between its commit and its hand-over."""
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept()
    dispatcher.look_again()
    await settled(lambda: dispatcher.backlog == 1)
    dispatcher.offer([message])
    await link.until_sent(1)
    link.answer()
    await _until_state(on, message, "submitted")
    await settled(lambda: dispatcher.backlog == 0)
    assert len(link.sent) == 1


async def test_a_message_that_was_never_handed_over_is_found(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept()
    dispatcher.look_again()
    await link.until_sent(1)
    assert link.sent[0][1].message.id == message.id
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)


async def test_a_fetch_that_fails_is_made_again(on: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    read, failures = on.store.read, [RuntimeError("a mistake"), Unavailable("away")]

    async def failing(query: Any) -> Any:
        if isinstance(query, Waiting) and failures:
            raise failures.pop()
        return await read(query)

    monkeypatch.setattr(on.store, "read", failing)
    await on.accept()
    dispatcher.look_again()
    while failures:
        dispatcher.pump()
        await asyncio.sleep(0)
    await settled(lambda: not dispatcher._fetching)
    dispatcher.pump()
    await link.until_sent(1)


async def test_an_answer_inside_the_submission_is_no_harm(on: Plane) -> None:
    link = FakeLink(window=3)
    dispatcher = await on.dispatching(link)
    submit: Callable[[Any, object], None] = link.submit

    def at_once(pdu: Any, token: object) -> None:
        submit(pdu, token)
        link.answer()

    link.submit = at_once  # type: ignore[method-assign]
    messages = await _offered(on, dispatcher, count=50)
    await link.until_sent(50)
    for message in messages:
        await _until_state(on, message, "submitted")
    await settled(lambda: dispatcher.backlog == 0)


@pytest.mark.promise("R19")
async def test_a_refusal_to_be_retried_goes_to_another_link(store: Store) -> None:
    on = await plane(store)
    one, two = FakeLink("one", window=20), FakeLink("two", window=5)
    dispatcher = await on.dispatching(one, two)
    (message,) = await on.accept()
    dispatcher.offer([message])
    await one.until_sent(1)
    unit = one.sent[0][1]
    one.answer(int(CommandStatus.ESME_RSYSERR))
    assert unit.avoid == "one"
    on.clock.advance(RETRY_SECONDS[0] + 0.1)
    dispatcher.pump()
    await two.until_sent(1)
    two.answer()
    await dispatcher.stop()
    assert await on.state(message) == "submitted"
    assert len(one.sent) == 1


async def test_urgent_messages_overtake_those_that_wait(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    link = FakeLink(window=1)
    link.bound = False
    dispatcher = await on.dispatching(link)
    messages = await on.accept(count_=4)
    messages[3].priority = 2
    dispatcher.offer(messages)
    link.bind()
    await link.until_sent(1)
    assert link.sent[0][1].message is messages[3]
    await dispatcher.stop()
