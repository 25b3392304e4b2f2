"""What a link sends and what it is sent: windows, answers, floods, garbage."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.errors import FieldError, LinkFull
from sms.smpp.link import Link
from sms.smpp.pdu import (
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
)
from telephony.kernel.errors import ConfigurationError
from tests.support.links import CLOCK, House, link_settings, running
from tests.support.rawsmpp import RawSmsc
from tests.support.smpp import DELIVER, SUBMIT, Witness

pytestmark = pytest.mark.wire


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack)


async def test_what_the_carrier_wants_in_every_message_is_there(house: House) -> None:
    link = await house.open(service_type="CMT", tlvs={"0x1400": "text:campaign"})
    link.submit(SUBMIT, 1)
    await house.theirs.until(lambda: house.theirs.named("submit"))
    [(pdu, _)] = house.theirs.named("submit")
    assert pdu == replace(SUBMIT, service_type="CMT", tlvs=((0x1400, b"campaign"),))


async def test_vendors_parameters_reach_the_handler(house: House) -> None:
    await house.open()
    vendors = ((0x1400, b"campaign"), (0x1400, b""), (0x3FFF, b"\0\xff"))
    house.conn.deliver(replace(DELIVER, tlvs=vendors), 1)
    await house.ours.until(lambda: house.ours.named("delivered"))
    assert house.ours.named("delivered")[0][0].tlvs == vendors


def test_settings_that_no_message_could_be_sent_with_are_told_at_once() -> None:
    settings = link_settings(2775, tlvs={"0x0427": "0000"})
    with pytest.raises(ConfigurationError, match=r"carriers\.c\.smpp\.l\.optional parameter 0x0427"):
        Link("l", "c", settings, Witness(), clock=CLOCK)


async def test_the_window_holds_and_opens_again(house: House) -> None:
    house.theirs.answers = False
    link = await house.open(window=3)
    for token in range(3):
        link.submit(SUBMIT, token)
    assert link.room == 0
    with pytest.raises(LinkFull):
        link.submit(SUBMIT, 3)
    await house.theirs.until(lambda: len(house.theirs.named("submit")) == 3)
    house.ours.seen.clear()
    sequences = [sequence for _, sequence in house.theirs.named("submit")]
    house.conn.answer_submit(sequences[1], CommandStatus.ESME_RTHROTTLED)
    house.conn.answer_submit(sequences[0], 0, "a")
    await house.ours.until(lambda: house.ours.named("window_open"))
    assert [entry[:3] for entry in house.ours.seen] == [
        ("submit_answered", 1, CommandStatus.ESME_RTHROTTLED),
        ("submit_answered", 0, 0),
        ("window_open", link),
    ]
    assert link.room == 2
    assert link.status().throttled == 1


async def test_a_message_that_does_not_fit_is_refused_and_takes_no_place(house: House) -> None:
    link = await house.open()
    with pytest.raises(FieldError, match="destination_addr"):
        link.submit(replace(SUBMIT, destination_addr="123456789012345678901"), 1)
    assert (link.room, link.status().sent) == (100, 0)


async def test_many_submits_of_one_turn_leave_in_one_write(house: House, monkeypatch: Any) -> None:
    link = await house.open()
    transport = link._connection._transport  # type: ignore[union-attr]
    writes: list[int] = []

    class Spy:
        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            writes.append(len(data))
            transport.write(data)  # type: ignore[union-attr]

    monkeypatch.setattr(link._connection, "_transport", Spy())
    for token in range(50):
        link.submit(SUBMIT, token)
    await house.ours.until(lambda: len(house.ours.named("submit_answered")) == 50)
    assert len(writes) == 1


async def test_a_message_is_delivered_and_answered_when_the_handler_says_so(house: House) -> None:
    link = await house.open()
    house.conn.deliver(DELIVER, "d1")
    await house.ours.until(lambda: house.ours.named("delivered"))
    [(pdu, sequence)] = house.ours.named("delivered")
    assert pdu == DELIVER
    assert house.theirs.named("deliver_answered") == []
    link.answer_deliver(sequence, 0)
    link.answer_deliver(sequence, CommandStatus.ESME_RSYSERR)
    await house.theirs.until(lambda: house.theirs.named("deliver_answered"))
    assert house.theirs.named("deliver_answered") == [("d1", 0)]
    assert link.status().delivered == 1


async def test_a_flood_of_messages_is_told_that_the_queue_is_full(house: House) -> None:
    await house.open(max_unanswered=5)
    for token in range(8):
        house.conn.deliver(DELIVER, token)
    await house.theirs.until(lambda: len(house.theirs.named("deliver_answered")) == 3)
    full = CommandStatus.ESME_RMSGQFUL
    assert house.theirs.named("deliver_answered") == [(5, full), (6, full), (7, full)]
    assert len(house.ours.named("delivered")) == 5


async def test_a_handler_that_fails_on_a_message_has_it_sent_again_later(
    house: House, monkeypatch: Any
) -> None:
    await house.open()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(house.ours, "delivered", fail)
    house.conn.deliver(DELIVER, "d1")
    await house.theirs.until(lambda: house.theirs.named("deliver_answered"))
    assert house.theirs.named("deliver_answered") == [("d1", CommandStatus.ESME_RX_T_APPN)]


async def test_a_data_sm_is_delivered_like_a_deliver_sm_and_answered_in_its_own_kind() -> None:
    ours = Witness()
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port, response_seconds=0.1), ours, clock=CLOCK)
        async with running(link):
            peer = await smsc.accept()
            await peer.accept_bind()
            tlvs = ((Tag.MESSAGE_PAYLOAD, b"Hi"),)
            peer.send(DataSm(source_addr="1", destination_addr="2", esm_class=4, tlvs=tlvs), 33)
            await ours.until(lambda: ours.named("delivered"))
            [(pdu, sequence)] = ours.named("delivered")
            assert pdu == DeliverSm(source_addr="1", destination_addr="2", esm_class=4, tlvs=tlvs)
            link.answer_deliver(sequence, 0)
            answer = await peer.read()
            assert (answer.pdu, answer.sequence) == (DataSmResp(), 33)


@pytest.mark.promise("R16")
async def test_a_malformed_message_is_refused_and_the_link_lives() -> None:
    ours = Witness()
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port, response_seconds=0.1), ours, clock=CLOCK)
        async with running(link):
            peer = await smsc.accept()
            await peer.accept_bind()
            peer.writer.write(bytes.fromhex("00000011 00000005 00000000 00000009 00"))
            answer = await peer.read()
            assert (answer.pdu, answer.sequence) == (DeliverSmResp(), 9)
            assert answer.status == CommandStatus.ESME_RINVCMDLEN
            peer.send(EnquireLink(), 10)
            assert (await peer.read()).sequence == 10
