"""Kannel as a customer: texts of every kind through our SMPP server, its receipts and inbound texts back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sms.smpp.constants import CommandStatus
from telephony.kernel.store import Store
from tests.support.esmes import Desk, desk
from tests.support.kannel import Kannel, calls_of
from tests.support.receiver import Receiver
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.peer

TEMPLATE = Path(__file__).with_name("kannel.conf")
SYSTEM_ID, PASSWORD = "kannel", "secret08"
UNDELIVERABLE, REJECTED = "+12065550101", "+12065550112"
ENDS = {"DELIVRD": "1", "failed": "2", "refused": "16"}
"""Kannel's %d."""
PORTS = "\x06\x05\x04\x15\x1a\x00\x00"


class Customer:
    """Our server, Kannel bound to it, and an endpoint for what Kannel tells."""

    def __init__(self, desk: Desk, kannel: Kannel, sink: Receiver) -> None:
        self.desk, self.kannel, self.sink = desk, kannel, sink

    async def send(self, text: str, to: str = PEER, **fields: str) -> None:
        """Send through Kannel and ask for a callback at the end."""
        callback = f"http://127.0.0.1:{self.sink.port}/receipt?state=%d&to=%p&reason=%A"
        asked = {"source": NUMBER, "destination": to, "text": text, "dlr_url": callback, **fields}
        answer = await asyncio.to_thread(lambda: self.kannel.send(**asked))
        assert answer.startswith(("0: Accepted", "3: Queued")), answer

    async def told(self, kind: str, count: int = 1) -> list[dict[str, str]]:
        """Wait for Kannel's calls of a kind, and return the fields of each."""
        return await calls_of(self.sink, kind, count)


@pytest.fixture
async def customer(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[Customer]:
    async with desk(sqlite_store, journal=tmp_path / "journal") as at, Receiver() as sink:
        await at.account(SYSTEM_ID, inbound=True)
        kannel = Kannel(
            TEMPLATE,
            tmp_path / "kannel",
            smsc_port=at.port,
            system_id=SYSTEM_ID,
            password=PASSWORD,
            sink_port=sink.port,
        )
        try:
            await asyncio.to_thread(kannel.start)
            yield Customer(at, kannel, sink)
        finally:
            await asyncio.to_thread(kannel.stop)


async def test_every_kind_of_text_leaves_as_kannel_meant_it(customer: Customer) -> None:
    kinds: dict[str, dict[str, str]] = {
        "{plain} €": {},
        "Привет": {"coding": "2", "charset": "UTF-8"},
        "flash": {"mclass": "0"},
        "вспышка": {"mclass": "0", "coding": "2", "charset": "UTF-8"},
        "\x01\x02\x7f": {"coding": "1", "udh": PORTS},
        "long" * 60: {},
    }
    for text, fields in kinds.items():
        await customer.send(text, **fields)
    ends = [each["state"] for each in await customer.told("receipt", len(kinds))]
    assert set(ends) == {ENDS["DELIVRD"]}
    left = customer.desk.submits()
    # Under "shown at once" the carrier's usual coding is 0x10, whatever group Kannel chose.
    assert [(one.data_coding, one.total) for one in left] == [
        (0, 1),
        (8, 1),
        (0x10, 1),
        (0x18, 1),
        (left[4].data_coding, 1),
        (0, 2),
        (0, 2),
    ]
    octets = left[4]
    assert (bytes.fromhex(octets.head), octets.asked) == (
        b"\x01\x02\x7f",
        {"header": PORTS.encode().hex()},
    )
    assert octets.data_coding in (0x04, 0xF5)
    texts = [(await customer.desk.view(one)).text for one in await customer.desk.sent()]
    assert {"{plain} €", "Привет", "flash", "вспышка"} <= set(texts)


async def test_kannel_hears_how_each_message_ended(customer: Customer) -> None:
    await customer.send("arrives")
    await customer.send("nobody is there", UNDELIVERABLE)
    await customer.send("not wanted", REJECTED)
    receipts = await customer.told("receipt", 3)
    assert {each["to"]: each["state"] for each in receipts} == {
        PEER: ENDS["DELIVRD"],
        UNDELIVERABLE: ENDS["failed"],
        REJECTED: ENDS["failed"],
    }
    await customer.desk.until_waiting(0)


async def test_a_text_that_is_refused_is_told_at_once(customer: Customer) -> None:
    await customer.send("from somebody else's number", source="+14255550100", dlr_mask="31")
    (refused,) = await customer.told("receipt")
    assert refused["state"] == ENDS["refused"]
    assert f"{CommandStatus.ESME_RINVSRCADR:08x}" in refused["reason"].lower()


async def test_inbound_texts_reach_kannels_service_whole(customer: Customer) -> None:
    customer.desk.smsc.inbound("Hello €uro", "+12065550199", NUMBER)
    customer.desk.smsc.inbound("Длинный текст" * 10, "+12065550198", NUMBER)
    texts = {each["from"]: each["text"] for each in await customer.told("mo", 2)}
    assert texts == {"+12065550199": "Hello €uro", "+12065550198": "Длинный текст" * 10}


async def test_what_came_while_kannel_was_away_is_told_when_it_is_back(customer: Customer) -> None:
    await asyncio.to_thread(customer.kannel.stop)
    customer.desk.smsc.inbound("while you were away", "+12065550199", NUMBER)
    await customer.desk.until_waiting(1)
    await asyncio.to_thread(customer.kannel.start)
    (text,) = await customer.told("mo")
    assert text["text"] == "while you were away"
    await customer.desk.until_waiting(0)
