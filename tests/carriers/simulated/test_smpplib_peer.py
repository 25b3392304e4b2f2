"""Somebody else's client against the simulated carrier: smpplib binds, sends, and gets its receipt."""

import asyncio
from typing import Any

import pytest
import smpplib.client
import smpplib.consts

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.peer


def converse(port: int) -> list[Any]:
    """Send one message and collect what comes: its response and its receipt."""
    came: list[Any] = []
    client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)

    def keep(pdu: Any) -> int:
        came.append(pdu)
        return 0  # the status that a deliver_sm is answered with

    client.set_message_sent_handler(keep)
    client.set_message_received_handler(keep)
    try:
        client.connect()
        client.bind_transceiver(system_id="tandem", password="secret")
        client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_INTL,
            source_addr="14255550123",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr="12065550101",
            short_message=b"hello",
            registered_delivery=True,
        )
        while len(came) < 2:
            client.read_once()
        client.unbind()
    finally:
        client.disconnect()
    return came


async def test_smpplib_gets_the_response_and_the_receipt() -> None:
    accounts = {"tandem": SimulatedAccount(password=Secret("secret"))}
    smsc = Smsc(SimulatedSettings(port=0, accounts=accounts), clock=SystemClock())
    await smsc.start()
    try:
        response, receipt = await asyncio.wait_for(asyncio.to_thread(converse, smsc.port), 10)
    finally:
        await smsc.stop()
    assert (response.command, response.status) == ("submit_sm_resp", 0)
    assert receipt.command == "deliver_sm"
    assert receipt.receipted_message_id == response.message_id
    assert receipt.message_state == smpplib.consts.SMPP_MESSAGE_STATE_UNDELIVERABLE
    assert receipt.esm_class == 0x04
    assert b"id:" + response.message_id in receipt.short_message
