"""Kannel, a gateway that carriers and customers have run for twenty years, as an SMPP client of ours."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from carriers.simulated.journal import Entry, Journal, read
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.text import decode
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.kannel import Kannel, calls_of
from tests.support.receiver import Receiver

pytestmark = pytest.mark.peer

TEMPLATE = Path(__file__).with_name("kannel.conf")
OURS = "+14255550123"
DELIVERED, FAILED = "1", "2"
"""Kannel's %d."""


class Chain:
    """The simulated carrier, Kannel bound to it, and an endpoint for what Kannel tells."""

    def __init__(self, smsc: Smsc, kannel: Kannel, sink: Receiver, journal: Path) -> None:
        self.smsc, self.kannel, self.sink, self._journal = smsc, kannel, sink, journal

    async def send(self, destination: str, text: str, **fields: str) -> None:
        """Send a text and ask for a callback at its end."""
        callback = f"http://127.0.0.1:{self.sink.port}/receipt?state=%d&to=%p&reason=%A"
        asked = {"source": OURS, "destination": destination, "text": text, "dlr_url": callback, **fields}
        answer = await asyncio.to_thread(lambda: self.kannel.send(**asked))
        assert answer.startswith(("0: Accepted", "3: Queued")), answer

    async def told(self, kind: str, count: int = 1) -> list[dict[str, str]]:
        """Wait for Kannel's calls of a kind, and return the fields of each."""
        return await calls_of(self.sink, kind, count)

    def submitted(self) -> list[Entry]:
        """Return what the carrier took."""
        return [entry for entry in read(self._journal) if entry.kind == "submit"]


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    journal = tmp_path / "journal"
    account = SimulatedAccount(password=Secret("secret"))
    settings = SimulatedSettings(port=0, accounts={"peer": account}, slow_seconds=0.1)
    smsc = Smsc(settings, clock=SystemClock(), journal=Journal(journal))
    await smsc.start()
    try:
        async with Receiver() as sink:
            kannel = Kannel(
                TEMPLATE,
                tmp_path / "kannel",
                smsc_port=smsc.port,
                system_id="peer",
                password="secret",
                sink_port=sink.port,
            )
            try:
                await asyncio.to_thread(kannel.start)
                yield Chain(smsc, kannel, sink, journal)
            finally:
                await asyncio.to_thread(kannel.stop)
    finally:
        await smsc.stop()


def text_of(entry: Entry) -> str:
    """Return the beginning of a text that the carrier took."""
    return decode(bytes.fromhex(entry.head), entry.data_coding, udhi=False).text


async def test_texts_go_out_and_each_receipt_comes_back(chain: Chain) -> None:
    await chain.send("+12065550100", "Hello {} @£ from Kannel")
    await chain.send("+12065550101", "nobody is there")
    receipts = await chain.told("receipt", 2)
    assert {(each["to"], each["state"]) for each in receipts} == {
        ("+12065550100", DELIVERED),
        ("+12065550101", FAILED),
    }
    first, second = chain.submitted()
    assert (first.source, first.destination) == (OURS[1:], "12065550100")
    assert [text_of(first), text_of(second)] == ["Hello {} @£ from Kannel", "nobody is there"]


async def test_what_is_throttled_comes_again_and_what_takes_long_is_waited_for(chain: Chain) -> None:
    await chain.send("+12065550105", "delivered after a while")
    await chain.send("+12065550106", "throttled twice, then taken")
    receipts = await chain.told("receipt", 2)
    assert {each["to"]: each["state"] for each in receipts} == {
        "+12065550105": DELIVERED,
        "+12065550106": DELIVERED,
    }
    assert chain.smsc.stats().total.refused == 2


async def test_a_long_text_in_another_alphabet_goes_there_and_back_in_parts(chain: Chain) -> None:
    text = ("Привет из Каннеля. " * 8).strip()  # Kannel takes blanks off the end of a URL
    await chain.send("+12065550107", text, coding="2", charset="UTF-8")
    (echo,) = await chain.told("mo")  # ours in three parts, which Kannel has put together
    assert (echo["from"], echo["to"], echo["text"]) == ("+12065550107", OURS, f"echo: {text}")
    parts = chain.submitted()
    assert [(entry.number, entry.total, entry.data_coding) for entry in parts] == [
        (1, 3, 8),
        (2, 3, 8),
        (3, 3, 8),
    ]
    assert len({entry.reference for entry in parts}) == 1


async def test_a_handset_s_text_reaches_kannel_s_service(chain: Chain) -> None:
    chain.smsc.inbound("Hello €uro", "+12065550199", OURS)
    chain.smsc.inbound("long " * 60, "+12065550198", OURS)
    texts = {each["from"]: each for each in await chain.told("mo", 2)}
    assert (texts["+12065550199"]["to"], texts["+12065550199"]["text"]) == (OURS, "Hello €uro")
    assert texts["+12065550198"]["text"].split() == ["long"] * 60


async def test_kannel_binds_again_when_the_carrier_was_away_and_sends_what_it_kept(chain: Chain) -> None:
    await chain.smsc.stop()
    await chain.send("+12065550100", "sent while nobody was there")
    account = SimulatedAccount(password=Secret("secret"))
    again = Smsc(SimulatedSettings(port=chain.smsc.port, accounts={"peer": account}), clock=SystemClock())
    await again.start()
    try:
        (receipt,) = await chain.told("receipt")
        assert receipt["state"] == DELIVERED
        assert again.stats().total.submitted == 1
    finally:
        await again.stop()
