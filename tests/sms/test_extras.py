"""Flash, octets, validity, planned times: kept with the message, whoever sends it in the end."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from carriers.model.carrier import Carrier
from carriers.model.smpp import SmppLink
from carriers.model.text import TextPolicy
from sms.compliance.settings import ComplianceSettings, CountrySettings
from sms.life import MessageLife
from sms.message import MAX_DATA, from_wire_id
from sms.optouts.store import AddOptOuts
from sms.outgoing import encoded, encoder_for
from sms.send import Options, Recipient, Result, SendSms
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.pdu import SubmitSm, tlv
from sms.store.finish import Key
from sms.store.held import ReleaseHeld
from sms.store.sweep import SweepDue
from sms.text import Envelope
from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode, TakeOver
from telephony.numbers.directory import NumberDirectory
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, plane, receipt, settled

pytestmark = pytest.mark.wire

PORTS = bytes.fromhex("0605040b8423f0")
PUSH = Options(envelope=Envelope(header=PORTS, data_coding=0xF5), protocol_id=127, priority=2)
REFUSED = int(CommandStatus.ESME_RINVDSTADR)


@pytest.fixture
async def on(store: Store) -> AsyncIterator[Plane]:
    """A plane on both databases; its dispatchers are stopped at the end."""
    made = await plane(store, settings=SmsSettings(protocol_ids=(64, 127)))
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


async def send(on: Plane, body: str | bytes, options: Options = PUSH, **others: Any) -> Result:
    """Send with nothing at work that could deliver it."""
    recipients = [Recipient(others.pop("to", PEER))]
    (result,) = await on.sender(others.pop("dispatcher", None))(
        on.resource, NUMBER, recipients, body, options, "request"
    )
    return result


def sent(link: FakeLink) -> list[SubmitSm]:
    return [pdu for pdu, _ in link.sent]


def life(on: Plane) -> MessageLife:
    return MessageLife(
        store=on.store,
        clock=on.clock,
        node=on.node,
        settings=on.settings,
        finisher=on.finisher,
        ended=on.ended,
        offer=lambda _, messages: on.dispatchers[-1].offer(messages),
        cancelled=lambda _, identifier: on.dispatchers[-1].swept([identifier]),
        encoder=lambda _: encoded,
    )


async def key(on: Plane, result: Result) -> Key:
    identifier = from_wire_id(result.message_id or "")
    assert identifier is not None
    return on.resource, identifier


def through(carrier: Carrier) -> Any:
    """Return what `SmsService.schedules` would say of a carrier."""
    links = carrier.smpp.values()
    return lambda _: bool(links) and all(link.schedule_delivery_time != "never" for link in links)


async def test_octets_go_with_their_header_coding_and_protocol_in_every_part(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await send(on, bytes(range(200)), dispatcher=dispatcher)
    await link.until_sent(2)
    octets = b""
    for pdu in sent(link):
        assert (pdu.data_coding, pdu.esm_class, pdu.protocol_id, pdu.priority_flag) == (0xF5, 0x40, 127, 2)
        assert pdu.short_message[1:3] == b"\x00\x03"
        assert PORTS[1:] in pdu.short_message
        octets += pdu.short_message[12:]
    assert octets == bytes(range(200))


@pytest.mark.parametrize("body", ["“Hello”", b"\x00\xff\xfe\x80" * 50], ids=["look-alike flash", "octets"])
async def test_another_process_sends_the_same(on: Plane, body: str | bytes) -> None:
    envelope = Envelope(0, True) if isinstance(body, str) else PUSH.envelope
    await send(on, body, Options(envelope=envelope, protocol_id=64, validity_seconds=600))
    first = FakeLink(window=1)
    dispatcher = await on.dispatching(first)
    await first.until_sent(1)
    dispatcher._stopping = True  # it dies
    on.dispatchers.remove(dispatcher)
    on.node = await on.store.write(RegisterNode("next"))
    assert await on.store.write(TakeOver(on.node, alone=True)) == 1
    second = FakeLink()
    await on.dispatching(second)
    await second.until_sent(1 if isinstance(body, str) else 2)
    assert sent(second)[0] == sent(first)[0]
    assert sent(first)[0].protocol_id == 64
    assert sent(first)[0].validity_period == "000000001000000R"
    if isinstance(body, str):
        assert (sent(first)[0].data_coding, sent(first)[0].short_message) == (0x10, b'"Hello"')
    else:
        assert b"".join(pdu.short_message[12:] for pdu in sent(second)) == body


async def test_a_second_try_and_one_by_hand_are_the_same_too(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    options = Options(envelope=PUSH.envelope, validity_seconds=600)
    result = await send(on, b"\x01\x02", options, dispatcher=dispatcher)
    await link.until_sent(1)
    on.clock.advance(60)
    link.lose()
    on.clock.advance(10)
    dispatcher.pump()
    await link.until_sent(2)
    link.answer(REFUSED)
    await settled(lambda: dispatcher.backlog == 0)
    assert await on.state(result) == "failed"
    on.clock.advance(DAY / SECOND)
    await life(on).requeue(*await key(on, result))
    await link.until_sent(3)
    assert [pdu.validity_period for pdu in sent(link)] == [
        "000000001000000R",
        "000000000850000R",
        "000000001000000R",
    ]
    assert len({(pdu.short_message, pdu.data_coding, pdu.esm_class) for pdu in sent(link)}) == 1


async def test_a_message_is_looked_up_with_all_that_was_asked(on: Plane) -> None:
    at = on.clock.now() + HOUR
    options = Options(
        envelope=PUSH.envelope, protocol_id=127, priority=2, not_before=at, validity_seconds=600
    )
    view = await on.view(await send(on, b"\x01\x02", options))
    told = view.message.tandem
    assert told is not None
    assert (told.udh, told.data_coding, told.protocol_id, told.priority) == (PORTS, 0xF5, 127, 2)
    assert told.ports is not None
    assert (told.ports.destination, told.ports.source) == (2948, 9200)
    assert (told.send_at, told.validity_seconds) == ("2026-01-01T01:00:00.000000+00:00", 600)
    assert (view.text, view.message.alphabet) == ("0102", "binary")
    (accepted,) = view.timeline
    assert accepted.data["dataCoding"] == 0xF5
    assert accepted.data["validitySeconds"] == 600
    usual = await on.view(await send(on, "Hello", Options()))
    assert usual.message.tandem is None
    assert set(usual.timeline[0].data) == {"segments", "alphabet", "request", "carrier", "route"}


async def test_whoever_opted_out_gets_no_octets_either(on: Plane) -> None:
    await on.store.write(AddOptOuts(on.finisher(), on.resource, NUMBER, [PEER], 1, "test"))
    result = await send(on, b"\x01")
    assert result.status == 400
    assert await on.state(result) == "failed"


async def test_a_country_that_denies_the_sender_denies_his_octets(sqlite_store: Store) -> None:
    rules = ComplianceSettings(countries={"US": CountrySettings(denied_senders=(NUMBER,))})
    on = await plane(sqlite_store, settings=SmsSettings(compliance=rules))
    with pytest.raises(InvalidRequest):
        await send(on, b"\x01", Options())


@pytest.mark.parametrize(
    ("body", "options", "target"),
    [
        (b"", Options(), "tandem.data"),
        (bytes(MAX_DATA + 1), Options(), "tandem.data"),
        (
            bytes(MAX_DATA),
            Options(envelope=Envelope(header=bytes((125, 0x70, 123)) + bytes(123))),
            "tandem.data",
        ),
        (b"\x01", Options(envelope=Envelope(header=b"\x05\x00")), "tandem.udh"),
        (b"\x01", Options(envelope=Envelope(header=b"\x00")), "tandem.udh"),
        (bytes(141), Options(max_parts=1), "tandem.data"),
        ("x" * 161, Options(max_parts=1), "message"),
        ("Hello", Options(protocol_id=64), "tandem.protocolId"),
        ("“" * 71, Options(max_parts=1), "message"),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_name_and_nothing_is_kept(
    sqlite_store: Store, body: str | bytes, options: Options, target: str
) -> None:
    on = await plane(sqlite_store)
    with pytest.raises(InvalidRequest) as refused:
        await send(on, body, options)
    assert refused.value.target == target
    assert refused.value.message.startswith(target)


async def test_parts_are_counted_as_the_text_goes(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    options = Options(envelope=Envelope(look_alikes=True), max_parts=1)
    view = await on.view(await send(on, "“" * 71, options))
    assert (view.message.segments, view.message.alphabet) == (1, "gsm")


def test_the_carriers_policy_counts_for_what_was_asked_of_a_text() -> None:
    encode = encoder_for(Carrier(text=TextPolicy(flash="subunit", concatenation="payload")))
    (part,) = encode("x" * 200, Envelope(1)).parts(1)
    assert part.tlvs == ((Tag.MESSAGE_PAYLOAD, b"x" * 200), (Tag.DEST_ADDR_SUBUNIT, b"\x02"))


# --- times ---


async def test_a_short_validity_ends_a_message_that_no_link_takes(on: Plane) -> None:
    result = await send(on, "Hello", Options(validity_seconds=60))
    on.clock.advance(61)
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "expired"


async def test_what_was_held_is_valid_from_then_on_for_as_long_as_it_said(on: Plane) -> None:
    at = on.clock.now() + HOUR
    for validity in (60, None):
        await send(on, "Hello", Options(not_before=at, validity_seconds=validity))
    on.clock.advance(3600)
    job = ReleaseHeld(on.node, on.clock.now(), on.settings.validity_seconds)
    assert await on.store.write(job) == {CARRIER: 2}
    link = FakeLink()
    await on.dispatching(link)
    await link.until_sent(2)
    expires = sorted(unit.message.expires - on.clock.now() for _, unit in link.sent)
    assert expires == [MINUTE, DAY]
    assert {pdu.schedule_delivery_time for pdu in sent(link)} == {""}


async def test_a_planned_message_that_was_taken_back_waits_for_its_time_again(on: Plane) -> None:
    await on.dispatching(FakeLink())
    result = await send(on, "Hello", Options(not_before=on.clock.now() + HOUR))
    await life(on).cancel(*await key(on, result))
    await life(on).requeue(*await key(on, result))
    assert (await on.state(result), on.dispatchers[0].backlog) == ("accepted", 0)
    on.clock.advance(3600)
    assert await on.store.write(ReleaseHeld(on.node, on.clock.now(), 60)) == {CARRIER: 1}


def _keeping(form: str = "relative", **others: Any) -> Carrier:
    return Carrier(smpp={"one": SmppLink(host="-", system_id="-", schedule_delivery_time=form, **others)})


def _sender(on: Plane) -> SendSms:
    return SendSms(
        store=on.store,
        clock=on.clock,
        node=on.node,
        numbers=NumberDirectory(on.store, on.clock),
        ways=on.router,
        settings=on.settings,
        offer=lambda _, messages: on.dispatchers[-1].offer(messages),
        backlog=lambda _: 0,
        schedules=through(on.carrier),
    )


async def test_a_carrier_that_keeps_messages_gets_them_at_once_with_their_time(on: Plane) -> None:
    on.carrier = _keeping()
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    options = Options(not_before=on.clock.now() + HOUR, validity_seconds=600, report_seconds=60)
    (result,) = await _sender(on)(on.resource, NUMBER, [Recipient(PEER)], "Hello", options, "request")
    await link.until_sent(1)
    (pdu,) = sent(link)
    assert (pdu.schedule_delivery_time, pdu.validity_period) == ("000000010000000R", "000000011000000R")
    link.answer(remote_id="A1")
    await settled(lambda: dispatcher.backlog == 0)
    on.clock.advance(3600 + 59)
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "submitted"  # its receipt is not late yet
    on.clock.advance(2)
    await on.store.write(SweepDue(on.finisher(), on.clock.now()))
    assert await on.state(result) == "unreported"


async def test_quiet_hours_are_kept_here_whoever_keeps_plans(sqlite_store: Store) -> None:
    rules = ComplianceSettings(countries={"US": CountrySettings(hours="08:00-21:00")})
    on = await plane(sqlite_store, settings=SmsSettings(compliance=rules))
    on.carrier = _keeping()
    link = FakeLink()
    await on.dispatching(link)
    seattle_night = on.clock.now() + 10 * HOUR  # 02:00 in Seattle
    options = Options(not_before=seattle_night)
    (result,) = await _sender(on)(on.resource, NUMBER, [Recipient(PEER)], "Hello", options, "request")
    accepted = (await on.view(result)).timeline[0].data
    assert accepted["not_before"] == "2026-01-01T16:00:00.000000+00:00"
    assert link.sent == []
    for dispatcher in on.dispatchers:
        await dispatcher.stop()


async def test_a_link_that_keeps_no_plans_any_more_sends_when_it_is_time(on: Plane) -> None:
    on.carrier = _keeping()
    await on.dispatching()  # no link is there yet
    options = Options(not_before=on.clock.now() + HOUR)
    await _sender(on)(on.resource, NUMBER, [Recipient(PEER)], "Hello", options, "request")
    for dispatcher in on.dispatchers:
        await dispatcher.stop()
    on.carrier = _keeping("never")  # the operator changed it, and started again
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    await settled(lambda: dispatcher._outgoing.later == 1)
    assert link.sent == []
    on.clock.advance(3600)
    dispatcher.pump()
    await link.until_sent(1)
    assert sent(link)[0].schedule_delivery_time == ""


async def test_a_receipt_ends_octets_like_any_text(on: Plane) -> None:
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    result = await send(on, b"\x01", dispatcher=dispatcher)
    await link.until_sent(1)
    link.answer(remote_id="A1")
    await settled(lambda: dispatcher.backlog == 0)
    inlet = on.inlet()
    inlet.delivered(link, receipt("A1"), 1)
    await inlet.flush()
    assert await on.state(result) == "delivered"
    assert tlv(sent(link)[0].tlvs, Tag.MESSAGE_PAYLOAD) is None
