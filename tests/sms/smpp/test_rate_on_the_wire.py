"""R21 over real sockets and the real clock: what arrives at the SMSC, counted there."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from carriers.model.smpp import SmppLink
from sms.rates import SLACK_SECONDS, Rates
from sms.smpp.link import Link
from sms.smpp.pdu import SubmitSm
from sms.smpp.server import ServerConnection, ServerSettings, SmppServer
from telephony.kernel.clock import SystemClock
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.smpp import SUBMIT, Witness

pytestmark = [pytest.mark.wire, pytest.mark.promise("R21")]

CLOCK = SystemClock()
SECONDS = scale(1.5, 60.0)
PER_SECOND = 200.0


class Counting(Witness):
    """An SMSC that counts what came from each sender within a time."""

    def __init__(self) -> None:
        super().__init__()
        self.senders: Counter[str] = Counter()
        self.begun = 0.0

    def submit(self, conn: ServerConnection, pdu: SubmitSm, sequence: int) -> None:
        now = CLOCK.monotonic()
        self.begun = self.begun or now
        if now < self.begun + SECONDS:
            self.senders[pdu.source_addr] += 1
        conn.answer_submit(sequence, 0, "id")


class Sending(Witness):
    """Sends as fast as the rates allow, from one sender after the other."""

    def __init__(self, rates: Rates, senders: list[str]) -> None:
        super().__init__()
        self.rates, self.senders = rates, senders

    async def run(self, link: Link) -> None:
        end = CLOCK.monotonic() + SECONDS + 0.2
        while (now := CLOCK.monotonic()) < end:
            waits = [self._send(link, sender, now) for sender in self.senders]
            await asyncio.sleep(max(min(waits), 0.001))

    def _send(self, link: Link, sender: str, now: float) -> float:
        while link.room > 0:
            wait = self.rates.allow(link.name, sender, now)
            if wait > 0.0:
                return wait
            link.submit(replace(SUBMIT, source_addr=sender), sender)
        return 0.001


async def measured(rates: Rates, senders: list[str]) -> Counter[str]:
    theirs, ours = Counting(), Sending(rates, senders)
    smsc = SmppServer(theirs, ServerSettings(), clock=CLOCK)
    port = await smsc.start("127.0.0.1", 0)
    link = Link("one", "c", SmppLink(host="127.0.0.1", port=port, system_id="me"), ours, clock=CLOCK)
    task = asyncio.create_task(link.run())
    try:
        await ours.until(lambda: link.bound)
        await ours.run(link)
    finally:
        await link.stop(0.1)
        await task
        await smsc.stop()
    return theirs.senders


async def test_a_links_rate_holds_at_the_smsc(promise: Report) -> None:
    counted = (await measured(Rates({"one": PER_SECOND}), ["a"]))["a"]
    expected = PER_SECOND * SECONDS
    promise(per_second=PER_SECOND, seconds=SECONDS, came=counted, expected=int(expected))
    slack = PER_SECOND * SLACK_SECONDS + 1 if SECONDS < 60 else 0
    assert expected * 0.98 - slack <= counted <= expected * 1.02 + slack


async def test_a_senders_rate_holds_at_the_smsc(promise: Report) -> None:
    senders = [f"1425555010{each}" for each in range(5)]
    counted = await measured(Rates({}, sender=1.0), senders)
    promise(
        per_second=1,
        senders=len(senders),
        seconds=SECONDS,
        least=min(counted.values()),
        most=max(counted.values()),
    )
    for sender in senders:
        assert SECONDS * 0.98 - 1 < counted[sender] <= max(SECONDS * 1.02, SECONDS + 1)
