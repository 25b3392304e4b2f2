"""Outbind: the SMSC connects to us and we bind on that connection; nobody else gets anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carriers.model.smpp import Outbind as OutbindSettings
from carriers.model.smpp import SmppLink
from sms.smpp.link import Link
from sms.smpp.outbind import MAX_CALLERS, OutbindListener
from sms.smpp.pdu import (
    BindReceiver,
    BindReceiverResp,
    DeliverSmResp,
    EnquireLink,
    Outbind,
    Unbind,
    UnbindResp,
)
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.rawsmpp import RawPeer
from tests.support.smpp import DELIVER, Witness

pytestmark = pytest.mark.wire

CLOCK = SystemClock()
OUTBIND = Outbind("smsc", "theirs")


@asynccontextmanager
async def waiting(addresses: tuple[str, ...] = ("127.0.0.0/8",)) -> AsyncIterator[tuple[Link, Witness, int]]:
    """A link that waits for its SMSC; also gives the port."""
    outbind = OutbindSettings(port=0, system_id="smsc", password=Secret("theirs"), addresses=addresses)
    settings = SmppLink(
        system_id="me",
        password=Secret("ours"),
        bind="receiver",
        outbind=outbind,
        reconnect_seconds=(0.01, 0.02),
    )
    witness = Witness()
    link = Link("one", "carrier", settings, witness, clock=CLOCK)
    task = asyncio.create_task(link.run())
    listener = link.reach
    assert isinstance(listener, OutbindListener)
    try:
        async with asyncio.timeout(5):
            while not listener.port:
                await asyncio.sleep(0)
        yield link, witness, listener.port
    finally:
        await link.stop(0)
        await task


PEERS: list[RawPeer] = []


@pytest.fixture(autouse=True)
async def hung_up() -> AsyncIterator[None]:
    """Close every caller's end after a test."""
    yield
    for peer in PEERS:
        peer.writer.transport.abort()
    PEERS.clear()
    await asyncio.sleep(0)


async def call(port: int, pdu: Any = OUTBIND) -> RawPeer:
    """Connect as an SMSC, and say something."""
    peer = await RawPeer.connect(port)
    PEERS.append(peer)
    if pdu is not None:
        peer.send(pdu, 1)
    return peer


async def test_an_outbind_is_answered_by_a_bind_on_the_same_connection() -> None:
    async with waiting() as (link, witness, port):
        assert link.status().state == "waiting for outbind"
        peer = await call(port)
        bind = await peer.read()
        assert isinstance(bind.pdu, BindReceiver)
        assert (bind.pdu.system_id, bind.pdu.password) == ("me", "ours")
        peer.send(BindReceiverResp("smsc"), bind.sequence)
        await witness.until(lambda: link.bound)
        peer.send(DELIVER, 2)
        await witness.until(lambda: witness.named("delivered"))
        link.answer_deliver(witness.named("delivered")[0][1], 0)
        assert isinstance((await peer.read()).pdu, DeliverSmResp)
        assert link.room == 0
        peer.close()


async def test_after_a_loss_the_next_outbind_is_taken() -> None:
    async with waiting() as (link, witness, port):
        for times in (1, 2):
            peer = await call(port)
            await peer.accept_bind()
            await witness.until(lambda times=times: len(witness.named("link_bound")) == times)  # type: ignore[misc]
            peer.close()
            await witness.until(lambda times=times: len(witness.named("link_lost")) == times)  # type: ignore[misc]
            async with asyncio.timeout(5):
                while link.status().state != "waiting for outbind":
                    await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "pdu",
    [Outbind("smsc", "wrong"), Outbind("other", "theirs"), Outbind("", ""), BindReceiver("smsc", "theirs")],
    ids=["password", "system_id", "nothing", "bind"],
)
async def test_whoever_is_not_the_smsc_gets_nothing_and_disturbs_nobody(pdu: Any) -> None:
    async with waiting() as (link, witness, port):
        stranger = await call(port, pdu)
        if isinstance(pdu, Outbind):
            assert await stranger.read_to_end() == b""
        else:
            assert (await stranger.read()).status != 0
        peer = await call(port)
        await peer.accept_bind()
        await witness.until(lambda: link.bound)
        assert link.status().last_error == ""
        stranger.close()
        peer.close()


@pytest.mark.parametrize("addresses", [(), ("192.0.2.0/24",), ("::1",)])
async def test_an_address_that_is_not_listed_is_cut_at_once(addresses: tuple[str, ...]) -> None:
    async with waiting(addresses) as (_, witness, port):
        peer = await call(port, None)
        assert await peer.read_to_end() == b""
        assert witness.seen == []


async def test_a_second_smsc_is_refused_while_the_link_is_up() -> None:
    async with waiting() as (link, witness, port):
        first = await call(port)
        await first.accept_bind()
        await witness.until(lambda: link.bound)
        second = await call(port)
        assert await second.read_to_end() == b""
        first.send(EnquireLink(), 9)
        assert (await first.read()).sequence == 9
        first.send(Unbind(), 10)
        assert isinstance((await first.read()).pdu, UnbindResp)


async def test_silent_callers_take_few_places() -> None:
    async with waiting() as (_, _, port):
        silent = [await call(port, None) for _ in range(MAX_CALLERS)]
        one_more = await call(port, None)
        assert await one_more.read_to_end() == b""
        assert len(silent) == MAX_CALLERS


async def test_a_port_that_is_taken_is_told() -> None:
    async with waiting() as (_, _, port):
        outbind = OutbindSettings(port=port, system_id="smsc", password=Secret("x"), addresses=("::1",))
        settings = SmppLink(system_id="me", outbind=outbind, reconnect_seconds=(0.01, 0.02))
        link = Link("two", "carrier", settings, Witness(), clock=CLOCK)
        task = asyncio.create_task(link.run())
        async with asyncio.timeout(5):
            while not link.status().last_error:
                await asyncio.sleep(0.001)
        await link.stop(0)
        await task
        assert link.status().last_error.startswith(f"cannot listen for outbind on 127.0.0.1:{port}: ")
