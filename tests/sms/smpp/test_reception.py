"""Accounts that bind to us over real sockets: let in, limited, sent to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from carriers.model.networks import Networks
from carriers.model.smpp import SmppLink
from sms.smpp.constants import CommandStatus
from sms.smpp.errors import LinkFull
from sms.smpp.gate import Account, Gate
from sms.smpp.link import Link
from sms.smpp.pdu import DeliverSm, Pdu, SubmitSm, SubmitSmResp, Unbind
from sms.smpp.reception import Answer, Reception
from sms.smpp.server import ServerSettings, SmppServer
from telephony.kernel.secret import Secret
from tests.support.clock import ManualClock
from tests.support.rawsmpp import RawPeer
from tests.support.smpp import BIND, DELIVER, SUBMIT, Witness

pytestmark = pytest.mark.wire


class Plane:
    """An `AccountHandler` that writes down what happens."""

    def __init__(self) -> None:
        self.submitted_: list[tuple[str, SubmitSm, Answer]] = []
        self.events: list[tuple[Any, ...]] = []
        self.answers = True
        self._changed = asyncio.Event()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self._changed.set()

    def submitted(self, account: str, pdu: SubmitSm, answer: Answer) -> None:
        self.submitted_.append((account, pdu, answer))
        self._changed.set()
        if self.answers:
            answer(0, f"{len(self.submitted_)}")

    def enquired(self, account: str, pdu: Pdu, answer: Answer) -> None:
        self._note("enquired", account, pdu)
        answer(CommandStatus.ESME_RINVMSGID)

    def left(self, account: str) -> None:
        self._note("left", account)

    def may_deliver(self, account: str) -> None:
        self._note("may_deliver", account)

    def deliver_answered(self, account: str, token: Any, status: int) -> None:
        self._note("answered", account, token, status)

    def deliver_lost(self, account: str, token: Any, reason: str) -> None:
        self._note("lost", account, token)


def account(name: str = "tandem", **changes: Any) -> Account:
    values = {
        "system_id": name,
        "password": Secret("secret08"),
        "addresses": Networks(["127.0.0.1"]),
        **changes,
    }
    return Account(**values)


class House:
    """Accounts, and ESMEs that bind."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.plane = Plane()
        self.clock = ManualClock()
        self.accounts: dict[str, Account] = {"tandem": account()}
        self.gate = Gate(self.accounts.get)
        self.reception = Reception(self.gate, self.plane, clock=self.clock)
        self.server = SmppServer(self.reception, ServerSettings(), clock=self.clock)
        self.port = 0
        self._stack = stack

    async def connect(self) -> RawPeer:
        if not self.port:
            self.port = await self.server.start("127.0.0.1", 0)
            self._stack.push_async_callback(self.server.stop, 0.05)
        peer = await RawPeer.connect(self.port)
        self._stack.callback(peer.writer.transport.abort)
        return peer

    async def bound(self, pdu: Any = BIND, status: int = 0) -> RawPeer:
        peer = await self.connect()
        peer.send(pdu, 1)
        assert (await peer.read()).status == status
        return peer


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack)
    await asyncio.sleep(0)


async def test_an_account_submits_and_is_answered(house: House) -> None:
    peer = await house.bound()
    peer.send(SUBMIT, 2)
    answer = await peer.read()
    assert answer.pdu == SubmitSmResp("1")
    [(name, pdu, _)] = house.plane.submitted_
    assert (name, pdu) == ("tandem", SUBMIT)
    assert house.reception.counts()["tandem"].submitted == 1


async def test_strangers_do_not_bind_and_leave_no_trace(house: House) -> None:
    await house.bound(type(BIND)(system_id="tandem", password="guess"), CommandStatus.ESME_RINVPASWD)
    await house.bound(type(BIND)(system_id="nobody", password="guess"), CommandStatus.ESME_RINVPASWD)
    assert house.reception.counts() == {}
    await house.bound()
    await house.bound(type(BIND)(system_id="tandem", password="guess"), CommandStatus.ESME_RINVPASWD)
    assert house.reception.counts()["tandem"].refused_binds == 1


async def test_an_account_from_elsewhere_does_not_bind(house: House) -> None:
    house.accounts["tandem"] = account(addresses=Networks(["192.0.2.0/24"]))
    await house.bound(status=CommandStatus.ESME_RINVPASWD)


async def test_binds_are_limited_and_places_come_back(house: House) -> None:
    house.accounts["tandem"] = account(max_binds=2)
    first = await house.bound()
    await house.bound()
    await house.bound(status=CommandStatus.ESME_RALYBND)
    first.send(Unbind(), 9)
    await first.read_to_end()
    while house.gate.binds("tandem") == 2:
        await asyncio.sleep(0)
    await house.bound()


async def test_beyond_the_rate_submits_are_throttled_over_all_binds_together(house: House) -> None:
    house.accounts["tandem"] = account(per_second=5.0)
    peers = [await house.bound(), await house.bound()]
    statuses = []
    for number in range(2, 12):
        for peer in peers:
            peer.send(SUBMIT, number)
            statuses.append((await peer.read()).status)
    throttled = CommandStatus.ESME_RTHROTTLED
    assert statuses == [0] * 5 + [throttled] * 15  # a second's worth at once
    house.clock.advance(1.0)
    peers[0].send(SUBMIT, 99)
    assert (await peers[0].read()).status == 0
    assert house.reception.counts()["tandem"].throttled == 15


async def test_a_rate_holds_over_a_minute(house: House) -> None:
    house.accounts["tandem"] = account(per_second=10.0)
    peer = await house.bound()
    for number in range(60 * 20):  # twice the rate
        peer.send(SUBMIT, 2 + number)
        await peer.read()
        house.clock.advance(0.05)
    assert abs(house.reception.counts()["tandem"].submitted - 600) <= 12


async def test_an_account_has_its_own_windows(house: House) -> None:
    house.accounts["tandem"] = account(window=2, max_unanswered=1)
    house.plane.answers = False
    peer = await house.bound()
    assert house.reception.room("tandem") == 2
    peer.send(SUBMIT, 2)
    peer.send(SUBMIT, 3)
    assert (await peer.read()).status == CommandStatus.ESME_RTHROTTLED
    await house.plane.until(lambda: house.plane.submitted_)
    _, _, answer = house.plane.submitted_[0]
    assert answer(0, "late")
    assert not answer(0, "twice")
    assert (await peer.read()).pdu == SubmitSmResp("late")


async def test_messages_go_to_the_bind_with_most_room_and_answers_come_back(house: House) -> None:
    house.accounts["tandem"] = account(window=2)
    peers = [await house.bound(), await house.bound()]
    assert house.reception.room("tandem") == 4
    for token in range(4):
        house.reception.deliver("tandem", DELIVER, token)
    with pytest.raises(LinkFull):
        house.reception.deliver("tandem", DELIVER, 4)
    for peer in peers:
        came = [await peer.read(), await peer.read()]
        assert all(isinstance(frame.pdu, DeliverSm) for frame in came)
    house.plane.events.clear()
    peers[0].writer.transport.abort()
    await house.plane.until(lambda: len(house.plane.events) >= 3)
    assert [event[0] for event in house.plane.events] == ["lost", "lost", "left"]
    with pytest.raises(LinkFull):
        house.reception.deliver("nobody", DELIVER, 5)


async def test_whoever_is_away_has_no_room_and_is_told_of_when_back(house: House) -> None:
    assert house.reception.room("tandem") == 0
    peer = await house.bound()
    await house.plane.until(lambda: ("may_deliver", "tandem") in house.plane.events)
    peer.writer.transport.abort()
    while house.gate.binds("tandem"):
        await asyncio.sleep(0)
    assert house.reception.room("tandem") == 0


async def test_a_dismissed_account_is_unbound_everywhere(house: House) -> None:
    peers = [await house.bound(), await house.bound()]
    del house.accounts["tandem"]
    house.reception.dismiss("tandem")
    house.reception.dismiss("nobody")
    for peer in peers:
        assert isinstance((await peer.read()).pdu, Unbind)
    await house.bound(status=CommandStatus.ESME_RINVPASWD)


async def test_our_own_link_is_a_client_like_any_other(house: House) -> None:
    await house.connect()
    witness = Witness()
    settings = SmppLink(host="127.0.0.1", port=house.port, system_id="tandem", password=Secret("secret08"))
    link = Link("one", "carrier", settings, witness, clock=house.clock)
    task = asyncio.create_task(link.run())
    await witness.until(lambda: link.bound)
    link.submit(SUBMIT, "token")
    await witness.until(lambda: witness.named("submit_answered"))
    house.reception.deliver("tandem", DELIVER, "back")
    await witness.until(lambda: witness.named("delivered"))
    link.answer_deliver(witness.named("delivered")[0][1], 0)
    await house.plane.until(lambda: ("answered", "tandem", "back", 0) in house.plane.events)
    assert house.reception.counts()["tandem"].delivered == 1
    await link.stop(1)
    await task


async def test_one_address_cannot_take_all_places_before_it_binds(house: House) -> None:
    house.server.settings = ServerSettings(max_unbound=3)
    waiting = [await house.connect() for _ in range(3)]
    late = await house.connect()
    assert await late.read_to_end() == b""
    waiting[0].send(BIND, 1)
    assert (await waiting[0].read()).status == 0
    await house.bound()
