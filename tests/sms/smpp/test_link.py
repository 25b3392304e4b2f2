"""The link over real sockets, against our own server and against a peer that misbehaves by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest
import uvloop
from msgspec.structs import replace

from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.errors import LinkFull
from sms.smpp.link import Link
from sms.smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    EnquireLink,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from sms.smpp.states import BindType
from tests.support.clock import ManualClock
from tests.support.links import CLOCK, SLACK, House, link_settings, running
from tests.support.rawsmpp import RawSmsc
from tests.support.smpp import DELIVER, SUBMIT, Witness

pytestmark = pytest.mark.wire


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack)


async def test_it_binds_sends_and_takes_the_answer(house: House) -> None:
    link = await house.open()
    assert house.theirs.named("bind") == [("tandem", "secret08", BindType.TRANSCEIVER, "127.0.0.1")]
    assert [entry[0] for entry in house.ours.seen] == ["link_bound", "window_open"]
    assert link.room == 100
    link.submit(SUBMIT, "token")
    assert link.outstanding == 1
    await house.ours.until(lambda: house.ours.named("submit_answered"))
    [(pdu, sequence)] = house.theirs.named("submit")
    assert pdu == SUBMIT
    assert house.ours.named("submit_answered") == [("token", 0, f"id-{sequence}")]
    status = link.status()
    assert (status.state, status.sent, status.answered, status.outstanding) == ("bound", 1, 1, 0)
    assert status.bound_since is not None


def test_it_does_so_on_uvloop_too() -> None:
    async def scene() -> None:
        async with AsyncExitStack() as stack:
            await test_it_binds_sends_and_takes_the_answer(House(stack))

    uvloop.run(scene())


@pytest.mark.parametrize(
    ("bind_type", "room"),
    [(BindType.TRANSMITTER, 0), (BindType.RECEIVER, 100), (BindType.TRANSCEIVER, 100)],
)
async def test_it_binds_in_each_way(house: House, bind_type: BindType, room: int) -> None:
    link = await house.open(bind_type=bind_type)
    assert house.theirs.named("bind")[0][2] is bind_type
    assert house.conn.room == room
    if bind_type is BindType.RECEIVER:
        assert link.room == 0
        with pytest.raises(LinkFull):
            link.submit(SUBMIT, 1)


@pytest.mark.parametrize("bind", ["transmitter", "receiver", "transceiver"])
async def test_the_configuration_says_how_it_binds(house: House, bind: str) -> None:
    link = await house.open(bind=bind)
    assert house.theirs.named("bind")[0][2] is BindType(bind)
    assert (link.bind_type, link.status().bind) == (BindType(bind), bind)
    if bind == "transmitter":
        with pytest.raises(LinkFull):
            house.conn.deliver(DELIVER, "in")
    elif bind == "receiver":
        assert link.room == 0
        house.conn.deliver(DELIVER, "in")
        await house.ours.until(lambda: house.ours.named("delivered"))


async def test_the_bind_says_what_the_configuration_says() -> None:
    async with RawSmsc() as smsc:
        settings = link_settings(
            smsc.port,
            system_type="VMA",
            interface_version="3.3",
            address_range="1425555*",
            address_ton=1,
            address_npi=8,
        )
        async with running(Link("l", "c", settings, Witness(), clock=CLOCK)):
            peer = await smsc.accept()
            assert (await peer.accept_bind()).pdu == BindTransceiver(
                "tandem", "secret08", "VMA", 0x33, 1, 8, "1425555*"
            )


async def test_one_missing_answer_loses_one_message_and_binds_anew(house: House) -> None:
    house.theirs.answers = False
    link = await house.open(response_seconds=0.1)
    for token in "abc":
        link.submit(SUBMIT, token)
    await house.theirs.until(lambda: len(house.theirs.named("submit")) == 3)
    (_, first), (_, second), (_, _third) = house.theirs.named("submit")
    house.conn.answer_submit(first, 0, "a")
    house.conn.answer_submit(second, 0, "b")
    await house.ours.until(lambda: len(house.ours.named("link_bound")) == 2)
    assert [entry[0] for entry in house.ours.named("submit_answered")] == ["a", "b"]
    assert house.ours.named("submit_lost") == [("c", "no answer within 0.1 s")]
    assert house.ours.named("link_lost") == [("unbound",)]
    assert link.status().last_error == "no answer within 0.1 s"
    assert link.status().lost == 1


async def test_no_more_is_sent_while_the_window_drains_after_a_missing_answer() -> None:
    ours = Witness()
    clock = ManualClock()
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port, response_seconds=10), ours, clock=clock)
        async with running(link):
            peer = await smsc.accept()
            await peer.accept_bind()
            await ours.until(lambda: link.bound)
            link.submit(SUBMIT, "lost")
            first = await peer.read()
            clock.advance(5)
            link.submit(SUBMIT, "answered")
            second = await peer.read()
            assert second.sequence != first.sequence
            clock.advance(5)
            link._connection.tick()  # type: ignore[union-attr]
            assert ours.named("submit_lost") == [("lost", "no answer within 10 s")]
            assert (link.room, link.bound, link.status().state) == (0, True, "draining")
            peer.send(SubmitSmResp("late but good"), second.sequence)
            unbind = await peer.read()
            assert isinstance(unbind.pdu, Unbind)
            peer.send(UnbindResp(), unbind.sequence)
            again = await smsc.accept()
            await again.accept_bind()
            await ours.until(lambda: len(ours.named("link_bound")) == 2)
            again.writer.transport.abort()
            await ours.until(lambda: len(ours.named("link_lost")) == 2)
    assert ours.named("submit_answered") == [("answered", 0, "late but good")]


async def test_a_lost_connection_reports_every_message_before_itself_and_comes_back(house: House) -> None:
    house.theirs.answers = False
    link = await house.open()
    for token in "ab":
        link.submit(SUBMIT, token)
    await house.theirs.until(lambda: len(house.theirs.named("submit")) == 2)
    house.ours.seen.clear()
    house.conn.abort()
    await house.ours.until(lambda: house.ours.named("window_open"))
    names = [entry[0] for entry in house.ours.seen]
    assert names == ["submit_lost", "submit_lost", "link_lost", "link_bound", "window_open"]
    assert link.status().reconnects == 1
    assert "connection lost" in link.status().last_error


async def test_a_link_that_the_smsc_unbinds_comes_back(house: House) -> None:
    await house.open()
    house.conn.unbind()
    await house.ours.until(lambda: len(house.ours.named("link_bound")) == 2)
    assert house.ours.named("link_lost") == [("the peer unbound",)]
    assert house.theirs.named("closed")[0] == ("unbound",)


async def test_a_wrong_password_is_told_and_tried_again(house: House) -> None:
    house.theirs.bind_status = CommandStatus.ESME_RINVPASWD
    link = await house.open(bound=False)
    await house.theirs.until(lambda: len(house.theirs.named("bind")) == 3)
    assert house.ours.seen == []
    assert link.status().last_error == "bind refused: ESME_RINVPASWD (password is invalid)"
    assert not link.bound
    house.theirs.bind_status = 0
    await house.ours.until(lambda: house.ours.named("link_bound"))


async def test_a_setting_that_does_not_fit_is_told(house: House) -> None:
    link = await house.open(bound=False, system_type="much-too-long-a-type")
    async with asyncio.timeout(5):
        while link.status().reconnects < 2:
            await asyncio.sleep(0)
    assert "system_type: 20 characters, at most 12 fit" in link.status().last_error


async def test_pauses_double_with_jitter_up_to_the_longest() -> None:
    pauses: list[float] = []

    class Impatient(Link):
        async def _pause(self, seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 8:
                self._stop_asked.set()

    async with RawSmsc() as smsc:
        port = smsc.port
    settings = link_settings(port, reconnect_seconds=(0.5, 30.0))
    link = Impatient("l", "c", settings, Witness(), clock=CLOCK, random=Random(1))
    await asyncio.wait_for(link.run(), 5)
    expected = [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, expected, strict=True))
    assert len({pause / most for pause, most in zip(pauses, expected, strict=True)}) == 8
    assert link.status().last_error.startswith(f"cannot connect to 127.0.0.1:{port}: ")


async def lost_within_two_periods(
    misbehave: Callable[[RawSmsc, Link, Witness], Awaitable[None]], seconds: float
) -> tuple[Witness, float]:
    ours = Witness()
    async with RawSmsc() as smsc:
        settings = link_settings(smsc.port, enquire_link_seconds=seconds, window=1000)
        link = Link("l", "c", settings, ours, clock=CLOCK)
        async with running(link):
            await misbehave(smsc, link, ours)
            began = CLOCK.monotonic()
            await ours.until(lambda: ours.named("link_lost"))
            return ours, CLOCK.monotonic() - began


@pytest.mark.promise("R16")
async def test_a_half_open_connection_ends_within_two_enquire_link_periods() -> None:
    async def misbehave(smsc: RawSmsc, link: Link, ours: Witness) -> None:
        peer = await smsc.accept()
        await peer.accept_bind()
        await ours.until(lambda: link.bound)
        link.submit(SUBMIT, "unknown")
        assert isinstance((await peer.read()).pdu, SubmitSm)
        assert isinstance((await peer.read()).pdu, EnquireLink)

    ours, took = await lost_within_two_periods(misbehave, 0.2)
    assert took < 2 * 0.2 + SLACK
    assert [entry[0] for entry in ours.named("submit_lost")] == ["unknown"]


@pytest.mark.promise("R16")
async def test_an_smsc_that_does_not_read_gets_no_more_and_is_left_within_two_periods() -> None:
    async def misbehave(smsc: RawSmsc, link: Link, ours: Witness) -> None:
        peer = await smsc.accept()
        await peer.accept_bind()
        await ours.until(lambda: link.bound)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        large = replace(SUBMIT, tlvs=((Tag.MESSAGE_PAYLOAD, b"x" * 60_000),))
        while link.room:
            link.submit(large, "unknown")
            await asyncio.sleep(0)
        assert link.outstanding < 1000

    ours, took = await lost_within_two_periods(misbehave, 0.2)
    assert took < 2 * 0.2 + SLACK
    assert ours.named("link_lost")[0][0].startswith("no sign of life")


async def test_an_smsc_that_never_answers_the_bind_is_left() -> None:
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port, connect_seconds=0.05), Witness(), clock=CLOCK)
        async with running(link):
            first = await smsc.accept()
            assert isinstance((await first.read()).pdu, BindTransceiver)
            await smsc.accept()
            assert link.status().last_error == "not bound within 0.05 s"


async def test_an_answer_never_goes_to_another_connection(house: House) -> None:
    link = await house.open()
    house.conn.deliver(DELIVER, "old")
    await house.ours.until(lambda: house.ours.named("delivered"))
    house.conn.abort()
    await house.ours.until(lambda: len(house.ours.named("link_bound")) == 2)
    house.conn.deliver(DELIVER, "new")
    await house.ours.until(lambda: len(house.ours.named("delivered")) == 2)
    (_, old), (_, new) = house.ours.named("delivered")
    assert old & 0xFFFFFFFF == new & 0xFFFFFFFF
    link.answer_deliver(old, CommandStatus.ESME_RX_P_APPN)
    link.answer_deliver(new, 0)
    await house.theirs.until(lambda: house.theirs.named("deliver_answered"))
    assert house.theirs.named("deliver_answered") == [("new", 0)]
    assert house.theirs.named("deliver_lost")[0][0] == "old"


@pytest.mark.parametrize("name", ["link_bound", "window_open", "submit_answered", "submit_lost", "link_lost"])
async def test_a_handler_that_fails_does_not_stop_the_link(house: House, name: str, monkeypatch: Any) -> None:
    failed = asyncio.Event()

    def fail(*_: Any) -> None:
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr(house.ours, name, fail)
    house.theirs.answers = name == "submit_answered"
    link = await house.open(bound=False)
    async with asyncio.timeout(5):
        while not link.room:
            await asyncio.sleep(0)
    link.submit(SUBMIT, "a")
    await house.theirs.until(lambda: house.theirs.named("submit"))
    if name in ("submit_lost", "link_lost"):
        house.conn.abort()
    await asyncio.wait_for(failed.wait(), 5)
    house.theirs.answers = True
    async with asyncio.timeout(5):
        while not link.room:
            await asyncio.sleep(0)
    link.submit(SUBMIT, "b")
    await house.theirs.until(lambda: len(house.theirs.named("submit")) == 2)


async def test_stopping_waits_for_answers_then_unbinds(house: House) -> None:
    house.theirs.answers = False
    link = await house.open()
    link.submit(SUBMIT, "a")
    await house.theirs.until(lambda: house.theirs.named("submit"))
    stopping = asyncio.create_task(link.stop(5))
    await asyncio.sleep(0)
    assert link.room == 0
    with pytest.raises(LinkFull):
        link.submit(SUBMIT, "b")
    [(_, sequence)] = house.theirs.named("submit")
    house.conn.answer_submit(sequence, 0, "x")
    await asyncio.wait_for(stopping, 4)
    assert house.ours.named("submit_answered") == [("a", 0, "x")]
    assert house.ours.named("submit_lost") == []
    await house.theirs.until(lambda: house.theirs.named("closed"))
    assert house.theirs.named("closed") == [("the peer unbound",)]
    assert link.status().last_error == ""


async def test_stopping_waits_for_our_own_answers_too(house: House) -> None:
    link = await house.open()
    house.conn.deliver(DELIVER, "d")
    await house.ours.until(lambda: house.ours.named("delivered"))
    stopping = asyncio.create_task(link.stop(5))
    await asyncio.sleep(0)
    link.answer_deliver(house.ours.named("delivered")[0][1], 0)
    await asyncio.wait_for(stopping, 4)
    assert house.theirs.named("deliver_answered") == [("d", 0)]


async def test_what_is_unanswered_after_the_grace_is_reported_lost(house: House) -> None:
    house.theirs.answers = False
    link = await house.open()
    link.submit(SUBMIT, "a")
    await asyncio.wait_for(link.stop(0.02), 4)
    assert [entry[0] for entry in house.ours.named("submit_lost")] == ["a"]
    assert house.ours.seen[-1][0] == "link_lost"


async def test_stopping_ends_a_pause_at_once(house: House) -> None:
    house.theirs.bind_status = CommandStatus.ESME_RBINDFAIL
    link = await house.open(bound=False, reconnect_seconds=(60.0, 60.0))
    async with asyncio.timeout(5):
        while "waiting" not in link.status().state:
            await asyncio.sleep(0)
    await asyncio.wait_for(link.stop(0), 1)
    assert len(house.theirs.named("bind")) == 1


async def test_stopping_ends_a_bind_that_hangs_at_once() -> None:
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port), Witness(), clock=CLOCK)
        async with running(link):
            peer = await smsc.accept()
            await peer.read()
            await asyncio.wait_for(link.stop(5), 1)


async def test_a_cancelled_link_cuts_its_connection(house: House) -> None:
    ours = Witness()
    async with RawSmsc() as smsc:
        link = Link("l", "c", link_settings(smsc.port), ours, clock=CLOCK)
        task = asyncio.create_task(link.run())
        peer = await smsc.accept()
        await peer.accept_bind()
        await ours.until(lambda: link.bound)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await peer.read_to_end() == b""
        await ours.until(lambda: ours.named("link_lost"))


async def test_each_bind_type_asks_with_its_own_pdu() -> None:
    for bind_type, kind in zip(BindType, (BindTransmitter, BindReceiver, BindTransceiver), strict=True):
        async with RawSmsc() as smsc:
            settings = link_settings(smsc.port, system_type="VMA")
            link = Link("l", "c", settings, Witness(), clock=CLOCK, bind_type=bind_type)
            async with running(link):
                bind = await (await smsc.accept()).accept_bind()
                assert bind.pdu == kind("tandem", "secret08", "VMA")
