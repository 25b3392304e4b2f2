"""R16 at the whole server: garbage, slow readers and dead connections cost nobody else anything."""

import asyncio
import random
import socket
from collections import Counter
from typing import Any

import pytest

from sms.smpp.codec import decode, encode
from sms.smpp.constants import RESPONSE_BIT, CommandId, CommandStatus
from sms.smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Pdu,
)
from telephony.kernel.store import Store
from tests.support.esme import bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit
from tests.support.mutation import mutate
from tests.support.promises import Report
from tests.support.rawsmpp import RawPeer
from tests.support.scale import scale
from tests.support.smpp import SAMPLES
from tests.support.sms import NUMBER, PEER

pytestmark = [pytest.mark.wire, pytest.mark.promise("R16")]

MUTATED = scale(3_000, 300_000)
AT_ONCE = 100
"""PDUs a connection, unless it ends before."""

PERIOD = 0.15
"""Seconds of an enquire_link period."""

LEAVES = {CommandId.UNBIND, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER}
REQUESTS = [
    sample
    for sample in SAMPLES.values()
    if not sample.command_id & RESPONSE_BIT and sample.command_id not in LEAVES
]


def visit(at: Desk, system_id: str = SYSTEM_ID, **kind: Any) -> Any:
    return bound(at.port, system_id, PASSWORD, **kind)


async def silent(at: Desk, system_id: str, kind: type[Pdu] = BindTransceiver) -> RawPeer:
    """Bind as somebody who does nothing by himself."""
    peer = await RawPeer.connect(at.port)
    peer.send(kind(system_id=system_id, password=PASSWORD), 1)  # type: ignore[call-arg]
    assert (await peer.read()).status == 0
    return peer


async def end(peer: RawPeer) -> None:
    """Cut a connection."""
    peer.writer.transport.abort()
    try:
        await peer.writer.wait_closed()
    except ConnectionError:
        pass


async def abuse(at: Desk, system_id: str, dice: random.Random) -> Counter[str]:
    """Send mutated requests over one bind until it ends; return what was answered, by status."""
    peer = await silent(at, system_id)
    for _ in range(AT_ONCE):
        peer.writer.write(mutate(encode(dice.choice(REQUESTS), dice.randrange(2, 1000)), dice))
    peer.writer.write_eof()
    seen: Counter[str] = Counter()
    octets = await peer.read_to_end()
    while octets:
        length = int.from_bytes(octets[:4], "big")
        frame, octets = decode(octets[:length]), octets[length:]
        assert frame.status in set(CommandStatus), frame
        seen["taken" if frame.status == 0 else "refused"] += 1
    await end(peer)
    return seen


@pytest.mark.parametrize("kind", ["customer", "carrier"])
async def test_mutated_requests_are_answered_or_end_the_bind_and_nobody_else_notices(
    sqlite_store: Store, kind: str, promise: Report
) -> None:
    dice = random.Random(kind)
    carrier = {"kind": "carrier", "carrier": "carrier"} if kind == "carrier" else {}
    async with desk(sqlite_store) as at:
        await at.account("vandal", **carrier)
        await at.account()
        seen: Counter[str] = Counter()
        async with visit(at) as good:
            for _ in range(MUTATED // AT_ONCE):
                seen += await abuse(at, "vandal", dice)
                assert (await good.submit(submit(registered_delivery=0)))[0] == 0
        assert seen["refused"] > MUTATED / 50
        await at.until(lambda: not any(at.esmes.reception.binds().values()))
    promise(mutated=MUTATED, refused=seen["refused"], taken=seen["taken"], crashes=0)


async def test_a_slow_reader_is_cut_off_and_what_it_did_not_take_goes_to_its_other_bind(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sms.esme.service.LOOK_SECONDS", 0.03)
    monkeypatch.setattr("sms.smpp.connection.WRITE_HIGH_WATER", 4096)
    async with desk(sqlite_store, server={"enquire_link_seconds": PERIOD}) as at:
        await at.account("slow", inbound=True, window=1000)
        await at.account()
        peer = await silent(at, "slow", BindReceiver)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(10), visit(at, kind=BindTransmitter) as other:
            for number in range(20):
                at.smsc.inbound(f"{number:03} " * 150, PEER, NUMBER)
                assert (await other.submit(submit(registered_delivery=0)))[0] == 0
            await at.until(lambda: at.esmes.reception.binds()["slow"] == 0)
            assert (await other.submit(submit(registered_delivery=0)))[0] == 0
        await end(peer)
        async with visit(at, "slow", kind=BindReceiver) as again:
            texts = {(await again.delivery()).short_message for _ in range(20 * 4)}
        assert len(texts) == 20 * 4


async def test_a_half_open_customer_is_closed_within_two_periods(sqlite_store: Store) -> None:
    loop = asyncio.get_running_loop()
    async with desk(sqlite_store, server={"enquire_link_seconds": PERIOD}) as at:
        await at.account()
        peer = await silent(at, SYSTEM_ID)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        began = loop.time()
        async with asyncio.timeout(10):
            await at.until(lambda: at.esmes.reception.binds()[SYSTEM_ID] == 0)
        assert loop.time() - began > PERIOD
        await end(peer)


async def test_connections_that_never_bind_are_closed_and_keep_nobody_out(sqlite_store: Store) -> None:
    async with desk(sqlite_store, server={"enquire_link_seconds": PERIOD}) as at:
        await at.account()
        idle = [socket.create_connection(("127.0.0.1", at.port)) for _ in range(20)]
        try:
            async with visit(at) as esme:
                assert (await esme.submit(submit(registered_delivery=0)))[0] == 0
            for each in idle:
                each.setblocking(False)
                async with asyncio.timeout(10):
                    assert await asyncio.get_running_loop().sock_recv(each, 1) in (b"", None)
        except ConnectionResetError:
            pass  # cut is closed as well
        finally:
            for each in idle:
                each.close()
