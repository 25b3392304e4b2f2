"""A carrier whose every PDU is read and written by smpplib: our link binds, sends, and takes what it gets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from smpplib import smpp

from carriers.model.smpp import SmppLink
from sms.smpp.link import Link
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.smpp import SUBMIT, Witness

pytestmark = pytest.mark.peer

TEXT = b"id:1A sub:001 dlvrd:001 submit date:2601011200 done date:2601011200 stat:DELIVRD err:000 text:"


class Carrier:
    """Answers binds, submit_sm, enquire_link and unbind; delivers a receipt for each submit_sm."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.answered: asyncio.Queue[Any] = asyncio.Queue()
        self.sequence = 100
        self.delivered = 0
        """The number of the last deliver_sm."""

    def next_sequence(self) -> int:
        """Number a request of its own: smpplib asks its client."""
        self.sequence += 1
        return self.sequence

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            while True:
                head = await reader.readexactly(4)
                octets = head + await reader.readexactly(int.from_bytes(head, "big") - 4)
                pdu = smpp.parse_pdu(octets, client=self, allow_unknown_opt_params=True)
                for answer in self.answers(pdu):
                    writer.write(answer.generate())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answers(self, pdu: Any) -> list[Any]:
        """Return what to send when a PDU came."""
        self.seen.append(pdu)
        if pdu.command == "deliver_sm_resp":
            self.answered.put_nowait(pdu)
            return []
        fields = {"system_id": "theirs"} if pdu.command.startswith("bind") else {}
        if pdu.command == "submit_sm":
            fields = {"message_id": "1A"}
        answer = smpp.make_pdu(f"{pdu.command}_resp", client=self, **fields)
        answer.sequence = pdu.sequence
        if pdu.command != "submit_sm":
            return [answer]
        receipt = smpp.make_pdu(
            "deliver_sm",
            client=self,
            source_addr_ton=1,
            source_addr="14255550123",
            dest_addr_ton=1,
            destination_addr="14255550199",
            esm_class=4,
            short_message=TEXT,
        )
        self.delivered = receipt.sequence
        return [answer, receipt]


@asynccontextmanager
async def bound(kind: str) -> AsyncIterator[tuple[Carrier, Link, Witness]]:
    carrier, witness = Carrier(), Witness()
    server = await asyncio.start_server(carrier.serve, "127.0.0.1", 0)
    settings = SmppLink(
        host="127.0.0.1",
        port=server.sockets[0].getsockname()[1],
        system_id="tandem",
        password=Secret("secret08"),
        bind=kind,  # type: ignore[arg-type]
    )
    link = Link("one", "carrier", settings, witness, clock=SystemClock())
    running = asyncio.create_task(link.run())
    try:
        await witness.until(lambda: link.bound)
        yield carrier, link, witness
    finally:
        await link.stop(1.0)
        await running
        server.close()
        await server.wait_closed()


async def test_a_message_goes_to_it_and_its_receipt_is_taken() -> None:
    async with bound("transceiver") as (carrier, link, witness):
        link.submit(SUBMIT, "token")
        await witness.until(lambda: witness.named("submit_answered") and witness.named("delivered"))
        assert witness.named("submit_answered") == [("token", 0, "1A")]
        ((pdu, sequence),) = witness.named("delivered")
        assert (pdu.short_message, pdu.esm_class, pdu.source_addr) == (TEXT, 4, "14255550123")
        link.answer_deliver(sequence, 0)
        async with asyncio.timeout(5):
            answer = await carrier.answered.get()
        assert (answer.status, answer.sequence) == (0, carrier.delivered)
    bind, submit = carrier.seen[:2]
    assert (bind.command, bind.system_id, bind.password) == ("bind_transceiver", b"tandem", b"secret08")
    assert (submit.short_message, submit.source_addr, submit.registered_delivery) == (
        SUBMIT.short_message,
        SUBMIT.source_addr.encode(),
        SUBMIT.registered_delivery,
    )
    assert carrier.seen[-1].command == "unbind"


@pytest.mark.parametrize("kind", ["transmitter", "receiver"])
async def test_each_bind_is_understood(kind: str) -> None:
    async with bound(kind) as (carrier, _, _):
        assert carrier.seen[0].command == f"bind_{kind}"
