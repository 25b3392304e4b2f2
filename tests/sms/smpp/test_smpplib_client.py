"""smpplib's client, an ESME by other hands, against our server."""

import asyncio
from typing import Any

import pytest
from smpplib.client import Client
from smpplib.exceptions import PDUError

from sms.smpp.constants import CommandStatus
from sms.smpp.server import ServerSettings, SmppServer
from sms.smpp.states import BindType
from telephony.kernel.clock import SystemClock
from tests.support.smpp import DELIVER, Witness

pytestmark = pytest.mark.peer


def visit(port: int) -> tuple[list[Any], list[Any]]:
    """Bind, send a message, wait for its answer and for a message, unbind; in a thread of its own."""
    client = Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    answers: list[Any] = []
    messages: list[Any] = []
    client.set_message_sent_handler(lambda pdu: answers.append((pdu.status, pdu.message_id)))
    client.set_message_received_handler(lambda pdu: messages.append(pdu.short_message))
    client.connect()
    try:
        client.bind_transceiver(system_id="tandem", password="secret08")
        client.send_message(
            source_addr_ton=5,
            source_addr="Tandem",
            dest_addr_ton=1,
            destination_addr="14255550123",
            short_message=b"Hello",
        )
        while not (answers and messages):
            client.read_once()
        client.unbind()
    finally:
        client.disconnect()
    return answers, messages


async def test_smpplib_binds_sends_receives_and_unbinds() -> None:
    witness = Witness()
    server = SmppServer(witness, ServerSettings(), clock=SystemClock())
    port = await server.start("127.0.0.1", 0)
    try:
        visiting = asyncio.create_task(asyncio.to_thread(visit, port))
        await witness.until(lambda: witness.named("submit"))
        witness.conns[0].deliver(DELIVER, "d")
        answers, messages = await visiting
        await witness.until(lambda: witness.named("closed"))
    finally:
        await server.stop()
    [(pdu, sequence)] = witness.named("submit")
    assert (pdu.source_addr, pdu.destination_addr, pdu.short_message) == ("Tandem", "14255550123", b"Hello")
    assert answers == [(0, f"id-{sequence}".encode())]
    assert messages == [DELIVER.short_message]
    assert witness.named("deliver_answered") == [("d", 0)]
    assert witness.named("bind")[0][2] is BindType.TRANSCEIVER
    assert witness.named("closed") == [("the peer unbound",)]


async def test_smpplib_is_told_of_a_wrong_password() -> None:
    witness = Witness()
    witness.bind_status = CommandStatus.ESME_RINVPASWD
    server = SmppServer(witness, ServerSettings(), clock=SystemClock())
    port = await server.start("127.0.0.1", 0)
    try:
        with pytest.raises(PDUError, match="Invalid Password"):
            await asyncio.to_thread(visit, port)
    finally:
        await server.stop()
