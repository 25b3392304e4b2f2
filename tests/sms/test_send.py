"""The verb behind Sms send."""

import uuid

import pytest

from sms.message import MAX_TEXT
from sms.send import MALFORMED, Options, Recipient
from sms.settings import SmsSettings
from sms.states import MessageState
from sms.store.queries import Search
from sms.store.waiting import Waiting
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest, LimitReached, Unauthorized
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, plane, settled

pytestmark = pytest.mark.wire


async def _count(on: Plane) -> int:
    return len(await on.store.read(Search(resource=on.resource)))


async def test_every_recipient_has_a_result_in_order(store: Store) -> None:
    on = await plane(store)
    results = await on.send("Hello", PEER, "nonsense", "+12065550101", PEER)
    assert [(result.to, result.status, result.error) for result in results] == [
        (PEER, 202, None),
        ("nonsense", 400, MALFORMED),
        ("+12065550101", 202, None),
        (PEER, 202, None),
    ]
    assert len({result.message_id for result in results if result.message_id}) == 3
    assert await _count(on) == 3


async def test_what_was_accepted_is_sent(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    results = await on.send("Hello", PEER, "+12065550101", dispatcher=dispatcher)
    await link.until_sent(2)
    assert [pdu.destination_addr for pdu, _ in link.sent] == ["12065550100", "12065550101"]
    for _ in range(2):
        link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    assert [await on.state(result) for result in results] == ["submitted", "submitted"]
    await dispatcher.stop()


async def test_a_repeated_recipient_is_sent_once(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    send = on.sender(dispatcher)
    pair = Pair(str(uuid.uuid4()), on.clock.now())

    async def once() -> object:
        recipients = [Recipient(PEER, pair), Recipient("+12065550101")]
        return await send(on.resource, NUMBER, recipients, "Hello", Options(), "request")

    first, second = await once(), await once()
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0] == second[0]
    assert first[0].repeatability == "accepted"
    assert first[1].message_id != second[1].message_id
    assert first[1].repeatability is None
    await link.until_sent(3)
    dispatcher.pump()
    assert len(link.sent) == 3
    await dispatcher.stop()


async def test_an_id_used_for_another_text_is_rejected_alone(store: Store) -> None:
    on = await plane(store)
    send, pair = on.sender(), Pair(str(uuid.uuid4()), on.clock.now())
    await send(on.resource, NUMBER, [Recipient(PEER, pair)], "Hello", Options(), "request")
    both = [Recipient(PEER, pair), Recipient(PEER)]
    rejected, accepted = await send(on.resource, NUMBER, both, "Other", Options(), "request")
    assert (rejected.status, rejected.repeatability, rejected.message_id) == (412, "rejected", None)
    assert rejected.error
    assert accepted.status == 202


async def test_a_number_of_another_resource_is_refused_like_one_of_nobody(store: Store) -> None:
    on = await plane(store)
    stranger = ResourceId(new_id(on.clock.now()))
    refusals = []
    for resource, sender in ((stranger, NUMBER), (on.resource, "+14255550198"), (on.resource, "x" * 1000)):
        with pytest.raises(Unauthorized) as refused:
            await on.sender()(resource, sender, [Recipient(PEER)], "Hello", Options(), "request")
        refusals.append((refused.value.message, refused.value.code, refused.value.target))
    assert len(set(refusals)) == 1
    assert refusals[0][2] == "from"
    assert await _count(on) == 0


async def test_when_no_recipient_is_a_number_the_request_is_refused(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    with pytest.raises(InvalidRequest) as refused:
        await on.send("Hello", "nonsense", "12065550100", "+0123456789")
    assert refused.value.target == "smsRecipients"
    assert MALFORMED in refused.value.message


@pytest.mark.parametrize(
    "text", ["x" * (MAX_TEXT + 1), "😀" * (MAX_TEXT // 2 + 1), "a\ud800b"], ids=["long", "emoji", "surrogate"]
)
async def test_a_text_that_cannot_be_sent_is_refused_by_name(sqlite_store: Store, text: str) -> None:
    on = await plane(sqlite_store)
    with pytest.raises(InvalidRequest) as refused:
        await on.send(text)
    assert refused.value.target == "message"


@pytest.mark.parametrize("text", ["x" * MAX_TEXT, "😀" * (MAX_TEXT // 2), "€" * MAX_TEXT, "я" * MAX_TEXT])
async def test_a_text_of_the_longest_length_is_taken(sqlite_store: Store, text: str) -> None:
    on = await plane(sqlite_store)
    (result,) = await on.send(text)
    assert (await on.view(result)).text == text


async def test_the_text_is_checked_before_the_sender_and_the_sender_before_the_recipients(
    sqlite_store: Store,
) -> None:
    on = await plane(sqlite_store)
    send = on.sender()
    with pytest.raises(InvalidRequest, match="message"):
        await send(on.resource, "+19", [Recipient("nonsense")], "x" * 3000, Options(), "request")
    with pytest.raises(Unauthorized):
        await send(on.resource, "+19", [Recipient("nonsense")], "Hello", Options(), "request")


async def test_too_long_a_backlog_refuses_more(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, settings=SmsSettings(max_backlog=2))
    dispatcher = await on.dispatching()
    await on.send("Hello", PEER, PEER, dispatcher=dispatcher)
    with pytest.raises(LimitReached) as refused:
        await on.send("Hello", dispatcher=dispatcher)
    assert refused.value.limit == "sms.max_backlog"
    assert refused.value.retry_after
    assert await _count(on) == 2
    await dispatcher.stop()


async def test_one_sender_does_not_use_up_what_may_wait(store: Store) -> None:
    on = await plane(store, settings=SmsSettings(max_backlog=6, sender_backlog_percent=50))
    another = "+14255550177"
    await on.store.write(AcquireNumber(OwnedNumber(on.resource, E164(another), CARRIER), on.clock.now()))
    dispatcher = await on.dispatching()
    send = on.sender(dispatcher)

    async def once(sender: str, count: int = 1) -> None:
        await send(on.resource, sender, [Recipient(PEER)] * count, "Hello", Options(), "request")

    await once(NUMBER, 2)
    await once(NUMBER)
    for _ in range(2):
        with pytest.raises(LimitReached) as refused:
            await once(NUMBER)
        assert refused.value.limit == "sms.sender_backlog_percent"
        assert refused.value.retry_after
    await once(another, 2)  # there is room for others
    await once(another)
    with pytest.raises(LimitReached) as full:
        await once(another)
    assert full.value.limit == "sms.max_backlog"
    await dispatcher.stop()


async def test_a_text_is_kept_as_long_as_it_may_be_sent(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, settings=SmsSettings(body_days=0, validity_seconds=3600))
    await on.send("Hello")
    (waiting,) = await on.store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 10))
    assert waiting.expires == on.clock.now() + 3600 * SECOND
    expires = await on.store.read(lambda tx: tx.exec_driver_sql("SELECT expires FROM bodies").scalar_one())
    assert expires == waiting.expires


async def test_options_are_kept_with_the_message(store: Store) -> None:
    on = await plane(store)
    (result,) = await on.send("Hello", tag="käse", report=True, report_seconds=60)
    assert (await on.view(result)).message.tag == "käse"
    (waiting,) = await on.store.read(Waiting(on.node, CARRIER, MessageState.ACCEPTED, 10))
    assert waiting.report_seconds == 60
