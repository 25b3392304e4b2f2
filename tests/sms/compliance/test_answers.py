"""Words in inbound texts: what they change, and how they are answered."""

import asyncio
from typing import Any

import pytest

from sms.compliance.settings import ComplianceSettings, LanguageWords
from sms.message import wire_id
from sms.optouts.store import AddOptOuts, CheckOptOuts
from sms.optouts.tables import automatic_replies
from sms.settings import SmsSettings
from sms.smpp.pdu import DeliverSm
from sms.store.queries import MessageSummary, Search
from telephony.kernel.clock import DAY, HOUR
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.retention import PurgeExpired
from tests.support.promises import Report
from tests.support.sms import NUMBER, PEER, FakeLink, Plane, Subscribers, Wanting, plane, settled, text

pytestmark = pytest.mark.wire

DEFAULTS = ComplianceSettings()


async def _say(on: Plane, *texts: str, **fields: Any) -> None:
    """Let texts come in, each after the last one is kept."""
    for one in texts:
        await _deliver(on, text(one.encode(), **fields))


async def _deliver(on: Plane, *pdus: DeliverSm) -> None:
    inlet, link = on.inlet(), FakeLink()
    for sequence, pdu in enumerate(pdus):
        inlet.delivered(link, pdu, sequence)
    await inlet.flush()
    assert [status for _, status in link.answers] == [0] * len(pdus)


async def _opted_out(on: Plane, peer: str = PEER) -> bool:
    return peer in await on.store.read(CheckOptOuts(on.resource, NUMBER, [peer]))


async def _outbound(on: Plane) -> list[MessageSummary]:
    return await on.store.read(Search(resource=on.resource, direction="outbound"))


def _answers(on: Plane) -> list[str]:
    return [message.text for _, message in on.replies]


def _with(**changes: Any) -> SmsSettings:
    return SmsSettings(compliance=ComplianceSettings(**changes))


@pytest.mark.promise("R22")
@pytest.mark.parametrize("word", DEFAULTS.stop)
async def test_a_word_opts_out_and_start_undoes_it(sqlite_store: Store, word: str, promise: Report) -> None:
    on = await plane(sqlite_store)
    await _say(on, f" {word.lower()}\r\n")
    (refused,) = await on.send("Hello")
    assert refused.status == 400
    assert refused.error is not None
    assert refused.error.startswith("4007: ")
    await _say(on, "Start")
    (sent,) = await on.send("Hello")
    assert sent.status == 202
    promise(word=word, refused=refused.error, after_start=sent.status)


async def test_it_is_confirmed_once_each_time_it_changes(store: Store) -> None:
    on = await plane(store)
    await _say(on, "STOP", "stop", "END", "START", "start", "YES")
    assert _answers(on) == [DEFAULTS.stop_reply, DEFAULTS.start_reply]
    assert not await _opted_out(on)


async def test_yes_from_one_who_never_opted_out_is_an_ordinary_text(store: Store) -> None:
    on = await plane(store)
    await _say(on, "YES")
    assert on.replies == []
    assert await _outbound(on) == []


async def test_words_of_one_batch_are_obeyed_in_their_order(store: Store) -> None:
    on = await plane(store)
    await _deliver(on, *(text(word) for word in (b"STOP", b"START", b"STOP")))
    assert await _opted_out(on)
    assert _answers(on) == [DEFAULTS.stop_reply, DEFAULTS.start_reply, DEFAULTS.stop_reply]


async def test_the_application_gets_the_word_as_any_other_text(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    await _say(on, "STOP")
    (delivery,) = on.deliveries
    assert delivery.event_type == "Microsoft.Communication.SMSReceived"
    assert b'"message":"STOP"' in delivery.payload


async def test_an_answer_is_an_ordinary_message_marked_in_its_timeline(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await _say(on, "STOP")
    for _, message in on.replies:
        dispatcher.offer([message])
    await link.until_sent(1)
    ((pdu, unit),) = link.sent
    assert (pdu.source_addr, pdu.destination_addr) == (NUMBER[1:], PEER[1:])
    assert pdu.short_message.decode() == DEFAULTS.stop_reply
    link.answer()
    await settled(lambda: dispatcher.backlog == 0)
    view = await on.view(unit.message)
    assert view.message.state == "submitted"
    (inbound,) = await on.store.read(Search(resource=on.resource, direction="inbound"))
    first = view.timeline[0]
    assert (first.kind, first.source, first.data["request"]) == (
        "message.accepted",
        "compliance",
        inbound.message_id,
    )
    await dispatcher.stop()


async def test_the_timeline_of_the_word_tells_what_it_did(store: Store) -> None:
    on = await plane(store)
    await _say(on, "STOP", "START", "HELP")
    told = []
    for message in await on.store.read(Search(resource=on.resource, direction="inbound")):
        view = await on.view(_key(on, message))
        told += [(entry.kind, entry.source, entry.data["word"]) for entry in view.timeline[1:]]
    assert told[::-1] == [
        ("opt-out.added", "compliance", "STOP"),
        ("opt-out.removed", "compliance", "START"),
        ("asked-for-help", "compliance", "HELP"),
    ]


def _key(on: Plane, message: MessageSummary) -> Any:
    from sms.message import from_wire_id

    identifier = from_wire_id(message.message_id)
    assert identifier is not None
    assert wire_id(identifier, message.direction) == message.message_id
    return on.resource, identifier


async def test_help_is_answered_also_to_one_who_opted_out(store: Store) -> None:
    on = await plane(store)
    await _say(on, "STOP", "HELP")
    assert _answers(on) == [DEFAULTS.stop_reply, DEFAULTS.help_reply]
    assert [message.state for message in await _outbound(on)] == ["accepted", "accepted"]


async def test_answers_are_in_the_language_of_the_word(store: Store) -> None:
    german = LanguageWords(stop=("STOPP",), stop_reply="Sie bekommen nichts mehr.")
    on = await plane(store, settings=_with(languages={"de": german}))
    await _say(on, "stopp", "start")
    assert _answers(on) == ["Sie bekommen nichts mehr.", DEFAULTS.start_reply]


async def test_an_answer_that_is_switched_off_is_not_given(store: Store) -> None:
    on = await plane(store, settings=_with(stop_reply="", help_reply=""))
    await _say(on, "STOP", "HELP")
    assert on.replies == []
    assert await _opted_out(on)


async def test_words_that_are_switched_off_do_nothing_but_opt_outs_hold(store: Store) -> None:
    on = await plane(store, settings=_with(enabled=False))
    await _say(on, "STOP", "HELP")
    assert on.replies == []
    assert not await _opted_out(on)
    await on.store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], on.clock.now()))
    (refused,) = await on.send("Hello")
    assert refused.status == 400


@pytest.mark.parametrize(("address", "ton"), [("12345", 3), ("Contoso", 5), ("0800123", 2)])
async def test_what_is_no_telephone_number_gets_no_answer_but_its_way(
    store: Store, address: str, ton: int
) -> None:
    on = await plane(store)
    await _say(on, "STOP", source_addr=address, source_addr_ton=ton)
    assert on.replies == []
    assert await _opted_out(on, address)


async def test_octets_that_are_no_text_are_no_word(store: Store) -> None:
    on = await plane(store)
    await _say(on, "STOP", data_coding=4)
    assert not await _opted_out(on)


async def test_what_waits_for_the_sender_of_the_word_is_not_sent(store: Store) -> None:
    on = await plane(store)
    waiting, other = await on.send("Hello", PEER, "+12065550101")
    await _say(on, "STOP")
    assert [await on.state(one) for one in (waiting, other)] == ["failed", "accepted"]


@pytest.mark.promise("R32")
async def test_two_numbers_that_answer_each_other_by_themselves_stop(
    sqlite_store: Store, promise: Report
) -> None:
    """The other side answers every text of ours with HELP, and never tires."""
    on = await plane(sqlite_store)
    await _say(on, "HELP")
    rounds = 0
    while len(on.replies) > rounds:
        rounds = len(on.replies)
        assert rounds < 100
        on.clock.advance(1)
        await _say(on, "HELP")
    assert rounds == DEFAULTS.replies_an_hour
    promise(answers_until_it_stopped=rounds)


async def test_the_limits_are_by_hour_and_day_and_for_each_pair(store: Store) -> None:
    on = await plane(store, settings=_with(replies_an_hour=2, replies_a_day=3))
    await _say(on, "HELP", "HELP", "HELP")
    assert len(on.replies) == 2
    await _say(on, "HELP", source_addr="12065550177")
    assert len(on.replies) == 3
    on.clock.at += HOUR
    await _say(on, "HELP", "HELP")
    assert len(on.replies) == 4
    on.clock.at += DAY - HOUR
    await _say(on, "HELP")
    assert len(on.replies) == 5


async def test_a_word_beyond_the_limit_still_counts(store: Store) -> None:
    on = await plane(store, settings=_with(replies_an_hour=1))
    await _say(on, "STOP", "START", "STOP")
    assert _answers(on) == [DEFAULTS.stop_reply]
    assert await _opted_out(on)


async def test_counts_of_answers_are_forgotten_after_a_day(store: Store) -> None:
    on = await plane(store)
    await _say(on, "HELP")
    now = on.clock.now()
    assert await on.store.write(PurgeExpired(automatic_replies, now + DAY - 1, 100)) == 0
    assert await on.store.write(PurgeExpired(automatic_replies, now + DAY, 100)) == 1


async def test_a_flood_of_words_is_taken_as_one_batch(store: Store) -> None:
    on = await plane(store)
    words = [text(b"STOP", source_addr=f"1206555{number:04d}") for number in range(200)]
    await asyncio.wait_for(_deliver(on, *words), 20)
    assert len(on.replies) == 200
