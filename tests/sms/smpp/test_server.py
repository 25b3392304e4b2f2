"""The SMSC's side over real sockets, against ESMEs by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from sms.smpp import server as server_module
from sms.smpp.codec import encode
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import FieldError, LinkFull
from sms.smpp.pdu import (
    BindTransceiverResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Frame,
    GenericNack,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from sms.smpp.server import ServerConnection, ServerSettings, SmppServer
from sms.smpp.states import BindType
from telephony.kernel.clock import SystemClock
from tests.support.rawsmpp import RawPeer
from tests.support.smpp import BIND, DELIVER, SUBMIT, Witness

pytestmark = pytest.mark.wire

CLOCK = SystemClock()
SLACK = 1.0
"""Seconds that a busy machine may be late by; the moment itself is tested where time stands still."""


class Smsc:
    """A server, its witness, and ESMEs that connect to it."""

    def __init__(self) -> None:
        self.witness = Witness()
        self.server = SmppServer(self.witness, ServerSettings(), clock=CLOCK)
        self._port = 0
        self._peers: list[RawPeer] = []

    async def connect(self, **settings: Any) -> RawPeer:
        if not self._port:
            if settings:
                self.server = SmppServer(self.witness, ServerSettings(**settings), clock=CLOCK)
            self._port = await self.server.start("127.0.0.1", 0)
        peer = await RawPeer.connect(self._port)
        self._peers.append(peer)
        return peer

    async def bound(self, **settings: Any) -> RawPeer:
        peer = await self.connect(**settings)
        peer.send(BIND, 1)
        assert (await peer.read()).status == 0
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            peer.close()
        await self.server.stop()


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    place = Smsc()
    yield place
    await place.close()


async def test_an_esme_binds_submits_and_unbinds(smsc: Smsc) -> None:
    peer = await smsc.connect()
    peer.send(BIND, 1)
    bound = await peer.read()
    assert isinstance(bound.pdu, BindTransceiverResp)
    assert bound.pdu.system_id == "tandem"
    [conn] = smsc.server.connections
    assert (conn.system_id, conn.bind_type) == ("tandem", BindType.TRANSCEIVER)
    peer.send(SUBMIT, 2)
    assert await peer.read() == Frame(SubmitSmResp("id-2"), 2)
    peer.send(Unbind(), 3)
    assert await peer.read() == Frame(UnbindResp(), 3)
    assert await peer.read_to_end() == b""
    await smsc.witness.until(lambda: smsc.witness.named("closed"))
    assert not smsc.server.connections


async def test_a_wrong_password_is_refused_and_the_connection_closed(smsc: Smsc) -> None:
    smsc.witness.bind_status = CommandStatus.ESME_RINVPASWD
    peer = await smsc.connect()
    peer.send(BIND, 1)
    peer.send(SUBMIT, 2)
    data = await peer.read_to_end()
    assert encode(BindTransceiverResp(), 1, CommandStatus.ESME_RINVPASWD) in data
    assert smsc.witness.named("submit") == []
    assert smsc.witness.named("closed") == []


async def test_a_bind_whose_check_fails_is_refused(smsc: Smsc) -> None:
    smsc.witness.bind_status = ZeroDivisionError()
    peer = await smsc.connect()
    peer.send(BIND, 1)
    assert await peer.read() == Frame(BindTransceiverResp(), 1, CommandStatus.ESME_RSYSERR)
    assert await peer.read_to_end() == b""


@pytest.mark.promise("R16")
async def test_whoever_never_binds_is_closed_within_two_periods_whatever_they_send(smsc: Smsc) -> None:
    peer = await smsc.connect(enquire_link_seconds=0.1)
    began = CLOCK.monotonic()
    peer.send(EnquireLink(), 1)
    assert await peer.read() == Frame(EnquireLinkResp(), 1, CommandStatus.ESME_RINVBNDSTS)
    await peer.read_to_end()
    assert CLOCK.monotonic() - began < 2 * 0.1 + SLACK


@pytest.mark.promise("R16")
async def test_a_half_open_bind_is_tested_and_closed_within_two_periods(smsc: Smsc) -> None:
    peer = await smsc.bound(enquire_link_seconds=0.1)
    began = CLOCK.monotonic()
    probe = await peer.read()
    assert probe.pdu == EnquireLink()
    await peer.read_to_end()
    assert CLOCK.monotonic() - began < 2 * 0.1 + SLACK
    assert smsc.witness.named("closed")[0][0].startswith("no sign of life")


async def test_an_esme_that_answers_enquire_link_stays(smsc: Smsc) -> None:
    peer = await smsc.bound(enquire_link_seconds=0.05)
    for _ in range(4):
        probe = await peer.read()
        assert probe.pdu == EnquireLink()
        peer.send(EnquireLinkResp(), probe.sequence)
    assert smsc.witness.named("closed") == []


@pytest.mark.promise("R16")
async def test_a_slow_reader_is_read_no_more_and_closed_within_two_periods(smsc: Smsc) -> None:
    peer = await smsc.bound(enquire_link_seconds=0.2, max_unanswered=100_000)
    [conn] = smsc.server.connections
    peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    conn._transport.get_extra_info("socket").setsockopt(  # type: ignore[union-attr]
        socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
    )
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    sent = 0

    def taken(count: int) -> bool:
        return conn.paused or len(smsc.witness.named("submit")) >= count

    while not conn.paused:
        peer.writer.write(b"".join(encode(SUBMIT, sequence) for sequence in range(sent + 2, sent + 1002)))
        sent += 1000
        await smsc.witness.until(partial(taken, sent))
    began = CLOCK.monotonic()
    assert conn.room == 0
    for _ in range(100):
        peer.send(SUBMIT, 1)
    await smsc.witness.until(lambda: smsc.witness.named("closed"))
    assert CLOCK.monotonic() - began < 2 * 0.2 + SLACK
    assert smsc.witness.named("closed")[0][0].startswith("no sign of life")


@pytest.mark.promise("R16")
async def test_an_impossible_length_is_nacked_and_closed(smsc: Smsc) -> None:
    peer = await smsc.bound()
    peer.writer.write(bytes.fromhex("00011170 00000004 00000000 0000000b"))
    assert await peer.read() == Frame(GenericNack(), 11, CommandStatus.ESME_RINVCMDLEN)
    assert await peer.read_to_end() == b""


async def test_messages_go_out_and_their_answers_come_back(smsc: Smsc) -> None:
    peer = await smsc.bound(window=2)
    [conn] = smsc.server.connections
    conn.deliver(DELIVER, "a")
    conn.deliver(DELIVER, "b")
    with pytest.raises(LinkFull):
        conn.deliver(DELIVER, "c")
    first, second = await peer.read(), await peer.read()
    smsc.witness.seen.clear()
    peer.send(DeliverSmResp(), second.sequence, CommandStatus.ESME_RX_T_APPN)
    await smsc.witness.until(lambda: smsc.witness.named("window_open"))
    assert smsc.witness.named("deliver_answered") == [("b", CommandStatus.ESME_RX_T_APPN)]
    assert first.pdu == DELIVER
    peer.close()
    await smsc.witness.until(lambda: smsc.witness.named("closed"))
    assert smsc.witness.named("deliver_lost")[0][0] == "a"


async def test_a_message_without_an_answer_is_reported_lost(smsc: Smsc) -> None:
    await smsc.bound(response_seconds=0.05)
    [conn] = smsc.server.connections
    conn.deliver(DELIVER, "a")
    await smsc.witness.until(lambda: smsc.witness.named("deliver_lost"))
    assert smsc.witness.named("deliver_lost") == [("a", "no answer within 0.05 s")]


async def test_a_message_that_does_not_fit_is_refused(smsc: Smsc) -> None:
    await smsc.bound()
    [conn] = smsc.server.connections
    with pytest.raises(FieldError):
        conn.deliver(replace(DELIVER, source_addr="9" * 21), "a")
    assert conn.room == 100


async def test_an_answer_goes_once_and_an_id_that_is_too_long_does_not_use_it_up(smsc: Smsc) -> None:
    smsc.witness.answers = False
    peer = await smsc.bound()
    [conn] = smsc.server.connections
    peer.send(SUBMIT, 2)
    await smsc.witness.until(lambda: smsc.witness.named("submit"))
    with pytest.raises(FieldError):
        conn.answer_submit(2, 0, "x" * 65)
    assert conn.answer_submit(2, 0, "x" * 64)
    assert not conn.answer_submit(2, 0, "y")
    assert await peer.read() == Frame(SubmitSmResp("x" * 64), 2)


async def test_more_than_may_wait_is_throttled(smsc: Smsc) -> None:
    smsc.witness.answers = False
    peer = await smsc.bound(max_unanswered=2)
    for sequence in (2, 3, 4):
        peer.send(SUBMIT, sequence)
    assert await peer.read() == Frame(SubmitSmResp(), 4, CommandStatus.ESME_RTHROTTLED)


@pytest.mark.parametrize(
    ("request_", "answer", "status"),
    [
        (QuerySm("1"), QuerySmResp(), CommandStatus.ESME_RQUERYFAIL),
        (CancelSm("", "1"), CancelSmResp(), CommandStatus.ESME_RCANCELFAIL),
        (ReplaceSm("1"), ReplaceSmResp(), CommandStatus.ESME_RREPLACEFAIL),
        (DataSm(), DataSmResp(), CommandStatus.ESME_RINVCMDID),
        (DeliverSm(), DeliverSmResp(), CommandStatus.ESME_RINVBNDSTS),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_no_handler_takes_is_refused(
    smsc: Smsc, request_: Pdu, answer: Pdu, status: CommandStatus
) -> None:
    peer = await smsc.bound()
    peer.send(request_, 2)
    assert await peer.read() == Frame(answer, 2, status)


@pytest.mark.parametrize("name", ["submit", "deliver_answered", "window_open", "closed"])
async def test_a_handler_that_fails_costs_one_message_at_most(
    smsc: Smsc, name: str, monkeypatch: Any
) -> None:
    failed = asyncio.Event()

    def fail(*_: Any) -> None:
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr(smsc.witness, name, fail)
    peer = await smsc.bound(window=1)
    [conn] = smsc.server.connections
    conn.deliver(DELIVER, "a")
    peer.send(DeliverSmResp(), (await peer.read()).sequence)
    peer.send(SUBMIT, 2)
    assert (await peer.read()).status == (CommandStatus.ESME_RSYSERR if name == "submit" else 0)
    peer.send(Unbind(), 3)
    assert (await peer.read()).pdu == UnbindResp()
    await asyncio.wait_for(failed.wait(), 5)


async def test_more_connections_than_the_ceiling_are_cut(smsc: Smsc, monkeypatch: Any) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 1)
    first = await smsc.bound()
    second = await smsc.connect()
    assert await second.read_to_end() == b""
    first.send(SUBMIT, 2)
    assert (await first.read()).status == 0


async def test_stopping_unbinds_those_who_listen_and_cuts_the_others(smsc: Smsc) -> None:
    polite, deaf, unbound = await smsc.bound(), await smsc.bound(), await smsc.connect()
    while len(smsc.server.connections) < 3:
        await asyncio.sleep(0)
    stopping = asyncio.create_task(smsc.server.stop(grace=0.05))
    asked = await polite.read()
    assert asked.pdu == Unbind()
    polite.send(UnbindResp(), asked.sequence)
    for peer in (polite, deaf, unbound):
        await peer.read_to_end()
    await asyncio.wait_for(stopping, 5)
    assert not smsc.server.connections


async def test_the_server_tells_who_is_there(smsc: Smsc) -> None:
    await smsc.bound()
    [conn] = smsc.server.connections
    assert isinstance(conn, ServerConnection)
    assert conn.peer() == "127.0.0.1"
    assert smsc.witness.named("bind") == [("tandem", "secret08", BindType.TRANSCEIVER, "127.0.0.1")]
