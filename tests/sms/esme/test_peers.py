"""smpplib's client, an ESME by other hands, and a peer that sends garbage."""

import asyncio
from typing import Any

import pytest
from smpplib import smpp
from smpplib.client import Client

from telephony.kernel.store import Store
from tests.support.esme import bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, desk, submit
from tests.support.sms import CARRIER, NUMBER, PEER

pytestmark = pytest.mark.peer


def visit(port: int) -> tuple[list[Any], list[Any]]:
    """Bind, send, wait for the answer and the receipt, unbind; in a thread of its own."""
    client = Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    answers: list[Any] = []
    receipts: list[Any] = []
    client.set_message_sent_handler(lambda pdu: answers.append((pdu.status, pdu.message_id)))
    client.set_message_received_handler(
        lambda pdu: receipts.append((pdu.receipted_message_id, pdu.short_message))
    )
    client.connect()
    try:
        client.bind_transceiver(system_id=SYSTEM_ID, password=PASSWORD)
        client.send_message(
            source_addr_ton=1,
            source_addr=NUMBER[1:],
            dest_addr_ton=1,
            destination_addr=PEER[1:],
            short_message=b"Hello",
            registered_delivery=True,
        )
        while not (answers and receipts):
            client.read_once()
        client.unbind()
    finally:
        client.disconnect()
    return answers, receipts


async def test_smpplib_sends_and_gets_its_receipt(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        answers, receipts = await asyncio.to_thread(visit, at.port)
        ((status, identifier),) = answers
        ((receipted, text),) = receipts
        assert status == 0
        assert receipted.rstrip(b"\0") == identifier
        assert b"id:" + identifier in text
        assert b"stat:DELIVRD" in text
        await at.until_waiting(0)


def push(port: int) -> list[Any]:
    """Bind as a carrier, push a message by deliver_sm and by data_sm; return the answers."""
    client = Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    client.connect()
    try:
        client.bind_transmitter(system_id="their-smsc", password=PASSWORD)
        answers = []
        for command, text in (("deliver_sm", "short_message"), ("data_sm", "message_payload")):
            fields: dict[str, Any] = {
                "source_addr_ton": 1,
                "source_addr": PEER[1:],
                "dest_addr_ton": 1,
                "destination_addr": NUMBER[1:],
                text: command.encode(),
            }
            # Not by `send_pdu`: its table of states knows no ESME that pushes.
            client._socket.sendall(smpp.make_pdu(command, client=client, **fields).generate())
            answer = client.read_pdu()
            answers.append((answer.command, answer.status))
        client.unbind()
    finally:
        client.disconnect()
    return answers


async def test_smpplib_pushes_as_a_carrier(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        await at.account(inbound=True)
        async with bound(at.port, SYSTEM_ID, PASSWORD) as customer:
            answers = await asyncio.to_thread(push, at.port)
            assert answers == [("deliver_sm_resp", 0), ("data_sm_resp", 0)]
            came = {(await customer.delivery()).short_message for _ in answers}
            assert came == {b"deliver_sm", b"data_sm"}


async def test_garbage_costs_nobody_else_anything(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with bound(at.port, SYSTEM_ID, PASSWORD) as good:
            for octets in (b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x10" + b"\xff" * 12):
                reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
                writer.write(octets)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 5)
                writer.close()
            status, _ = await good.submit(submit())
            assert status == 0
            await good.delivery()
