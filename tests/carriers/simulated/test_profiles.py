"""Every profile over real sockets against our own link: what a link has to live with, and does."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carriers.model.smpp import SmppLink
from carriers.simulated.account import SHUFFLED
from carriers.simulated.catalogue import EVERY, PROFILES
from carriers.simulated.deliveries import VENDOR
from carriers.simulated.profiles import Profile
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.link import Link
from sms.smpp.pdu import DeliverSm, SubmitSm, tlv
from sms.text import decode, sar
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.wire

CLOCK = SystemClock()
OURS = "+14255550123"
MESSAGES = 45
AGAIN: frozenset[int] = frozenset({0x58, 0x14, 0x08, CommandStatus.ESME_RINVBNDSTS})
"""Refusals after which the same message is sent again."""

LOSING = frozenset({"responses-lost", "unbinds", "drops", "deaf"})
"""Profiles under which an answer can be lost, so that the carrier may have a message twice."""


class Sender:
    """A `sms.smpp.link.LinkHandler` that sends messages until each was taken, and keeps what comes."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self.taken: dict[int, list[str]] = {}
        self.statuses: list[int] = []
        self.lost: list[str] = []
        self.came: list[DeliverSm] = []
        self.log: list[str] = []
        self._waiting: deque[int] = deque()
        self._changed = asyncio.Event()

    def send(self, count: int) -> None:
        self._waiting.extend(range(count))
        self._pump()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _pump(self) -> None:
        self._changed.set()
        assert self.link is not None
        while self._waiting and self.link.room > 0:
            number = self._waiting.popleft()
            self.link.submit(message(number), number)

    def _again(self, number: int) -> None:
        self._waiting.append(number)
        asyncio.get_running_loop().call_later(0.02, self._pump)

    def link_bound(self, link: Link) -> None:
        self.log.append("bound")
        self._pump()

    def link_lost(self, link: Link, reason: str) -> None:
        self.log.append("lost")
        self._pump()

    def window_open(self, link: Link) -> None:
        self._pump()

    def submit_answered(self, link: Link, token: Any, status: int, message_id: str) -> None:
        self.statuses.append(status)
        if status == 0:
            self.taken.setdefault(token, []).append(message_id)
        else:
            assert status in AGAIN
            self._again(token)
        self._pump()

    def submit_lost(self, link: Link, token: Any, reason: str) -> None:
        self.lost.append(reason)
        self._again(token)

    def delivered(self, link: Link, pdu: DeliverSm, sequence: int) -> None:
        self.log.append("delivered")
        self.came.append(pdu)
        link.answer_deliver(sequence, 0)
        self._changed.set()


def message(number: int) -> SubmitSm:
    return SubmitSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=OURS[1:],
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=f"1206556{number:04d}",
        registered_delivery=1,
        short_message=b"Hello",
    )


class House:
    """A carrier with one account, and a link to it."""

    def __init__(self, smsc: Smsc, link: Link, sender: Sender) -> None:
        self.smsc, self.link, self.sender = smsc, link, sender

    def receipts(self) -> list[DeliverSm]:
        return [pdu for pdu in self.sender.came if pdu.source_addr.startswith("1206556")]

    def receipted(self, profile: Profile) -> set[str]:
        """Return the ids that receipts name, in the response's spelling."""
        return {profile.response_id.spell(self.number(pdu, profile)) for pdu in self.receipts()}

    def number(self, pdu: DeliverSm, profile: Profile) -> int:
        named = tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID)
        text = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
        numbers = []
        if text:
            spelled = text.split(b"id:")[1].split()[0].decode()
            numbers.append(int(spelled, 10 if "DECIMAL" in profile.receipt_id.name else 16))
        if named:
            spelling = profile.receipt_tlv_id or profile.receipt_id
            numbers.append(int(named.rstrip(b"\0"), 10 if "DECIMAL" in spelling.name else 16))
        assert len(set(numbers)) == 1
        return numbers[0]


@asynccontextmanager
async def house(profile: str, *, bound: bool = True, **changes: Any) -> AsyncIterator[House]:
    accounts = {"tandem": SimulatedAccount(password=Secret("secret"), profile=profile)}
    smsc = Smsc(SimulatedSettings(port=0, accounts=accounts, retry_seconds=(0.05, 0.1)), clock=CLOCK)
    await smsc.start()
    sender = Sender()
    settings = {
        "enquire_link_seconds": 0.2,
        "response_seconds": 0.15,
        "reconnect_seconds": (0.01, 0.02),
        **changes,
    }
    link = Link(
        "one",
        "carrier",
        SmppLink(host="127.0.0.1", port=smsc.port, system_id="tandem", password=Secret("secret"), **settings),
        sender,
        clock=CLOCK,
    )
    sender.link = link
    task = asyncio.create_task(link.run())
    try:
        if bound:
            await sender.until(lambda: link.bound)
        yield House(smsc, link, sender)
    finally:
        await link.stop(0)
        await task
        await smsc.stop()


DELIVERS_NOTHING = {"mute", "closed", "out-of-service", "never-answers"}


@pytest.mark.parametrize("name", [name for name in PROFILES if name not in DELIVERS_NOTHING])
async def test_every_message_is_taken_and_every_receipt_comes(name: str) -> None:
    profile = PROFILES[name]
    times = profile.receipts + profile.receipt_intermediate
    async with house(name, bound=False) as place:
        sender = place.sender
        sender.send(MESSAGES)
        await sender.until(lambda: len(sender.taken) == MESSAGES)
        ids = {each for known in sender.taken.values() for each in known}
        await sender.until(
            lambda: ids <= place.receipted(profile) and len(place.receipts()) >= times * len(ids)
        )
        if name not in LOSING:
            assert sender.lost == []
            assert len(place.receipts()) == times * MESSAGES
            assert all(len(known) == 1 for known in sender.taken.values())
        assert len(ids) >= MESSAGES  # no id was given to two messages


@pytest.mark.parametrize("name", ["split-pdus", "enquire-link-flood", "noise", "slow-reader", "vendor-tlvs"])
async def test_what_is_only_odd_costs_no_connection(name: str) -> None:
    async with house(name) as place:
        place.sender.send(MESSAGES)
        await place.sender.until(lambda: len(place.receipts()) == MESSAGES)
        assert place.link.totals.reconnects == 0
        assert place.sender.log.count("bound") == 1
    if name == "noise":
        assert place.link.totals.malformed >= MESSAGES


async def test_a_mute_smsc_is_left_and_tried_again() -> None:
    async with house("mute") as place:
        place.sender.send(3)
        await place.sender.until(lambda: place.sender.log.count("lost") == 1)
        assert place.link.status().last_error.startswith(("no sign of life", "no answer within"))
        assert len(place.sender.lost) >= 3


async def test_a_deaf_smsc_is_left_within_two_enquire_link_periods() -> None:
    async with house("deaf", response_seconds=10.0) as place:
        place.sender.send(EVERY)
        await place.sender.until(lambda: len(place.sender.taken) == EVERY)
        began = CLOCK.monotonic()
        await place.sender.until(lambda: place.sender.log.count("bound") == 2)
        assert CLOCK.monotonic() - began < 2 * 0.2 + 1.0
        assert place.link.totals.lost == 0


async def test_refused_binds_are_tried_again_and_told() -> None:
    async with house("binds-refused") as place:
        assert place.link.totals.reconnects == 2
        assert place.link.status().last_error == "bind refused: ESME_RBINDFAIL (bind failed)"


async def test_a_closed_smsc_lets_nobody_bind() -> None:
    async with house("closed", bound=False) as place:
        async with asyncio.timeout(5):
            while not place.link.status().last_error.startswith("bind refused"):
                await asyncio.sleep(0)
        assert (place.link.bound, place.smsc.stats().total.binds) == (False, 0)


async def test_one_that_is_out_of_service_refuses_and_one_that_never_answers_takes_all() -> None:
    async with house("out-of-service") as place:
        place.sender.send(5)
        await place.sender.until(lambda: place.sender.statuses.count(0x08) == 5)
        assert place.smsc.stats().total.submitted == 0
    async with house("never-answers", response_seconds=0.1) as place:
        place.sender.send(1)
        await place.sender.until(lambda: place.sender.lost != [])
        assert not place.sender.taken


async def test_what_is_delivered_before_the_bind_response_is_taken_once() -> None:
    async with house("messages-before-bind-response", bound=False) as place:
        place.smsc.inbound("early", "+12065550199", OURS)
        await place.sender.until(lambda: bool(place.sender.came))
        assert place.sender.log[:2] == ["bound", "delivered"]
        await place.sender.until(lambda: place.link.bound)
        async with asyncio.timeout(5):
            while place.smsc.stats().total.answered < 1:
                await asyncio.sleep(0)
        assert (place.smsc.stats().total.texts, place.smsc.stats().total.binds) == (1, 1)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("throttling", 0x58),
        ("throttled-now-and-then", 0x58),
        ("queue-full", 0x14),
        ("system-errors", 0x08),
        ("nacks", 0x08),
    ],
)
async def test_a_refusal_reaches_the_sender_as_it_is(name: str, status: int) -> None:
    async with house(name) as place:
        place.sender.send(21)
        await place.sender.until(lambda: len(place.sender.statuses) >= 21)
        assert set(place.sender.statuses) == {0, status}


async def test_responses_in_another_order_go_to_their_messages() -> None:
    async with house("responses-out-of-order") as place:
        place.sender.send(20)
        await place.sender.until(lambda: len(place.receipts()) == 20, SHUFFLED + 5)
        assert list(place.sender.taken) != sorted(place.sender.taken)
        by_id = {known[0]: number for number, known in place.sender.taken.items()}
        for pdu in place.receipts():
            spelled = f"{place.number(pdu, PROFILES['plain']):x}"
            assert pdu.source_addr == message(by_id[spelled]).destination_addr


async def test_receipts_come_in_another_order_than_their_messages() -> None:
    async with house("receipts-out-of-order") as place:
        place.sender.send(20)
        await place.sender.until(lambda: len(place.receipts()) == 20)
        order = [pdu.source_addr for pdu in place.receipts()]
        assert sorted(order) != order


@pytest.mark.parametrize("name", ["receipt-before-response", "responses-twice"])
async def test_order_and_repetition_confuse_nobody(name: str) -> None:
    async with house(name) as place:
        place.sender.send(MESSAGES)
        await place.sender.until(lambda: len(place.sender.taken) == MESSAGES)
        assert len(place.sender.statuses) == MESSAGES


async def test_parameters_of_the_carriers_own_are_kept() -> None:
    async with house("vendor-tlvs") as place:
        place.sender.send(1)
        place.smsc.inbound("hi", "+12065550199", OURS)
        await place.sender.until(lambda: len(place.sender.came) == 2)
        assert all(pdu.tlvs[-len(VENDOR) :] == VENDOR for pdu in place.sender.came)


TEXT = "One long text, in parts: " * 10


@pytest.mark.parametrize(
    ("name", "pdus", "times"),
    [
        ("plain", 2, 1),
        ("texts-twice", 4, 2),
        ("parts-reversed", 2, 1),
        ("texts-16-bit", 2, 1),
        ("texts-sar", 2, 1),
        ("texts-payload", 1, 1),
        ("data-sm", 2, 1),
    ],
)
async def test_a_long_text_from_a_handset_comes_in_the_form_of_the_profile(
    name: str, pdus: int, times: int
) -> None:
    async with house(name) as place:
        place.smsc.inbound(TEXT, "+12065550199", OURS)
        await place.sender.until(lambda: len(place.sender.came) == pdus)
        parts = []
        for pdu in place.sender.came:
            payload = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
            decoded = decode(payload, pdu.data_coding, bool(pdu.esm_class & 0x40))
            concat = sar.read(pdu.tlvs) or decoded.concat
            parts.append((concat.number if concat else 1, decoded.text))
        if name == "parts-reversed":
            assert [number for number, _ in parts] == [2, 1]
        assert "".join(text for _, text in sorted(parts)[::times]) == TEXT
