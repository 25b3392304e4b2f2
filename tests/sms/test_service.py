"""The message plane over real SMPP, against the simulated carrier in the same process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from carriers.model.carrier import Carrier, SmppLink
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms import dispatch, service
from sms.message import from_wire_id
from sms.send import Options, Recipient, Result, SendSms
from sms.service import SmsService
from sms.settings import SmsSettings
from sms.store.queries import Search
from telephony.events.store import Delivery, deliveries
from telephony.kernel.clock import SystemClock
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode, TakeOver
from telephony.numbers.directory import NumberDirectory
from tests.support.sms import CARRIER, NUMBER, Plane, Subscribers, Wanting, plane, settled

pytestmark = pytest.mark.wire

PASSWORD = Secret("secret08")
UNDELIVERABLE, REFUSED, EXPIRED = "+12065550101", "+12065550102", "+12065550104"
THROTTLED, ECHO, TWICE, EARLY = "+12065550106", "+12065550107", "+12065550109", "+12065550110"
BUSY, QUEUE_FULL, LOST_ONCE, NO_RECEIPT = "+12065550111", "+12065550113", "+12065550115", "+12065550103"

PATIENCE = 10.0
"""Seconds for an answer: a busy machine may be late, and nothing may go out again by that."""
IMPATIENCE = 0.3
"""Where an answer never comes."""


@dataclass
class House:
    """A service, its carrier, and a sender."""

    plane: Plane
    smsc: Smsc
    service: SmsService
    enqueued: list[Delivery] = field(default_factory=list)

    async def send(self, text: str, *to: str) -> list[Result]:
        """Send, and return the results."""
        on = self.plane
        verb = SendSms(
            store=on.store,
            clock=on.clock,
            node=on.node,
            numbers=NumberDirectory(on.store, on.clock),
            ways=on.router,
            settings=on.settings,
            offer=self.service.offer,
            backlog=self.service.backlog,
        )
        recipients = [Recipient(one) for one in to]
        return await verb(on.resource, NUMBER, recipients, text, Options(report=True, tag="t"), "request")

    async def until(self, state: str, *results: Result) -> None:
        """Wait until messages have a state."""
        async with asyncio.timeout(15):
            for result in results:
                while (found := await self.plane.state(result)) != state:
                    assert found not in {"delivered", "failed", "expired", "unreported"} - {state}, result.to

    async def inbound(self, count: int) -> list[str]:
        """Wait for so many inbound texts; return them, oldest first."""
        search = Search(resource=self.plane.resource, direction="inbound", limit=500)
        async with asyncio.timeout(15):
            while len(found := await self.plane.store.read(search)) < count:
                pass
        identifiers = [from_wire_id(one.message_id) for one in reversed(found)]
        return [(await self.plane.view(one)).text or "" for one in identifiers if one is not None]

    async def rows(self) -> int:
        """Return how many webhook deliveries the store has."""
        query = select(func.count()).select_from(deliveries)
        return int(await self.plane.store.read(lambda tx: tx.execute(query).scalar_one()))


def _smsc(port: int = 0, **account: Any) -> Smsc:
    settings = SimulatedSettings(
        port=port,
        accounts={"tandem": SimulatedAccount(password=PASSWORD, **account)},
        retry_seconds=(0.02, 0.1),
        slow_seconds=0.1,
    )
    return Smsc(settings, clock=SystemClock())


def _carrier(port: int, links: int = 1, window: int = 100, response_seconds: float = PATIENCE) -> Carrier:
    link = SmppLink(
        host="127.0.0.1",
        port=port,
        system_id="tandem",
        password=PASSWORD,
        window=window,
        response_seconds=response_seconds,
        reconnect_seconds=(0.01, 0.05),
        throttle_seconds=(0.02, 0.05),
    )
    return Carrier(smpp={f"link{number}": link for number in range(links)})


def _service(on: Plane, carrier: Carrier, enqueued: list[Delivery]) -> SmsService:
    def enqueue(made: Sequence[Delivery]) -> None:
        enqueued.extend(made)

    return SmsService(
        {CARRIER: carrier},
        store=on.store,
        clock=on.clock,
        node=on.node,
        settings=on.settings,
        subscriptions=on.subscribers,
        enqueue=enqueue,
    )


@asynccontextmanager
async def _house(
    store: Store, *, links: int = 1, window: int = 100, patience: float = PATIENCE, **account: Any
) -> AsyncIterator[House]:
    clock: Any = SystemClock()
    subscribers = Subscribers((Wanting(SubscriptionId(new_id(1))),))
    on = await plane(store, clock=clock, subscribers=subscribers)
    smsc = _smsc(**account)
    await smsc.start()
    enqueued: list[Delivery] = []
    service = _service(on, _carrier(smsc.port, links, window, patience), enqueued)
    made = House(on, smsc, service, enqueued)
    await made.service.start()
    try:
        yield made
    finally:
        await made.service.stop()
        await made.smsc.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RETRY_SECONDS", (0.02, 0.05))
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.05)


async def test_a_message_goes_out_and_its_receipt_becomes_a_report(store: Store) -> None:
    async with _house(store) as house:
        (result,) = await house.send("Hello 🎉", "+12065550100")
        await house.until("delivered", result)
        assert await house.plane.kinds(result) == [
            "message.accepted",
            "part.submitted",
            "receipt.delivered",
            "message.delivered",
        ]
        assert await house.rows() == 1
        await settled(lambda: len(house.enqueued) == 1)
        (event,) = msgspec.json.decode(house.enqueued[0].payload)
        assert event["data"]["deliveryStatus"] == "Delivered"
        assert event["data"]["tag"] == "t"


async def test_a_message_comes_in_and_becomes_an_event(store: Store) -> None:
    async with _house(store) as house:
        await settled(lambda: bool(house.smsc.stats().total.binds))
        house.smsc.inbound("Grüße 🎉", "+12065550100", NUMBER)
        assert await house.inbound(1) == ["Grüße 🎉"]
        assert await house.rows() == 1
        await settled(lambda: house.smsc.stats().total.answered == 1)


async def test_a_message_to_a_strangers_number_is_refused(sqlite_store: Store) -> None:
    async with _house(sqlite_store) as house:
        await settled(lambda: bool(house.smsc.stats().total.binds))
        house.smsc.inbound("Hi", "+12065550100", "+14255550198")
        house.smsc.inbound("Ho", "+12065550100", NUMBER)
        assert await house.inbound(1) == ["Ho"]


@pytest.mark.parametrize(
    ("to", "state"),
    [
        (UNDELIVERABLE, "failed"),
        (REFUSED, "failed"),
        (EXPIRED, "expired"),
        (NO_RECEIPT, "submitted"),
        (THROTTLED, "delivered"),
        (QUEUE_FULL, "delivered"),
        (BUSY, "delivered"),
        (TWICE, "delivered"),
        (EARLY, "delivered"),
        (LOST_ONCE, "delivered"),
    ],
)
async def test_every_test_number_ends_as_it_says(sqlite_store: Store, to: str, state: str) -> None:
    async with _house(sqlite_store, patience=IMPATIENCE if to == LOST_ONCE else PATIENCE) as house:
        results = await house.send("Hello", to, "+12065550100")
        await house.until(state, results[0])
        await house.until("delivered", results[1])
        kinds = await house.plane.kinds(results[0])
        assert ("part.sent-again" in kinds) == (to == LOST_ONCE)
        assert kinds.count("part.throttled") == {THROTTLED: 2, QUEUE_FULL: 1}.get(to, 0)
        assert await house.rows() == (1 if to == NO_RECEIPT else 2)


@pytest.mark.parametrize(
    "text", ["Привет, мир! 🎉 " * 40, "x" * 2048, "€" * 500], ids=["ucs2", "gsm", "escapes"]
)
async def test_a_long_text_arrives_whole(sqlite_store: Store, text: str) -> None:
    async with _house(sqlite_store, window=3) as house:
        (result,) = await house.send(text, ECHO)
        await house.until("delivered", result)
        view = await house.plane.view(result)
        assert len(view.parts) == view.message.segments > 1
        assert {part.state for part in view.parts} == {"delivered"}
        parts = await house.inbound(1)
        assert parts[0].startswith("echo: " + text[:10])


@pytest.mark.parametrize("profile", ["plain", "parts-reversed", "texts-16-bit", "texts-sar", "texts-payload"])
async def test_a_long_text_from_a_handset_is_one_message(sqlite_store: Store, profile: str) -> None:
    async with _house(sqlite_store, profile=profile) as house:
        await settled(lambda: house.smsc.stats().total.binds == 1)
        words = "Grüße von unterwegs 🎉 " * 12
        house.smsc.inbound(words, "+12065550100", NUMBER)
        assert await house.inbound(1) == [words]


async def test_every_receipt_may_come_before_its_response(store: Store) -> None:
    async with _house(store, profile="receipt-before-response") as house:
        results = await house.send("x" * 200, *(f"+1206555{number}" for number in range(1000, 1100)))
        await house.until("delivered", *results)
        assert await house.rows() == 100


async def test_a_carrier_that_throttles_gets_every_message_in_the_end(sqlite_store: Store) -> None:
    async with _house(sqlite_store, per_second=200.0) as house:
        results = await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1100)))
        results += await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1100)))
        results += await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1100)))
        await house.until("delivered", *results)
        counts = house.smsc.stats().total
        assert counts.submitted == 300
        assert counts.refused < 150


async def test_several_links_share_the_work(sqlite_store: Store) -> None:
    async with _house(sqlite_store, links=3, window=5) as house:
        await settled(lambda: house.smsc.stats().total.binds == 3)
        results = await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1060)))
        await house.until("delivered", *results)
        views = [await house.plane.view(result) for result in results]
        assert {view.parts[0].link for view in views} == {"link0", "link1", "link2"}


async def test_a_carrier_that_restarts_in_the_middle_gets_every_message(store: Store) -> None:
    async with _house(store, window=10) as house:
        before = await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1100)))
        await settled(lambda: house.smsc.stats().total.submitted >= 20)
        port = house.smsc.port
        await house.smsc.stop()
        meanwhile = await house.send("Hello", *(f"+1206555{number}" for number in range(2000, 2050)))
        taken = house.smsc.stats().total.submitted
        house.smsc = _smsc(port)
        await house.smsc.start()
        async with asyncio.timeout(15):
            for result in [*before, *meanwhile]:
                while await house.plane.state(result) not in {"submitted", "delivered"}:
                    pass
        await house.until("delivered", *meanwhile)
        marked = [result for result in before if "part.sent-again" in await house.plane.kinds(result)]
        assert len(marked) <= 10
        assert house.smsc.stats().total.submitted + taken <= 150 + len(marked)


async def test_a_stopped_service_leaves_nothing_half_done_and_the_next_goes_on(store: Store) -> None:
    async with _house(store, window=5) as house:
        results = await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1100)))
        await settled(lambda: house.smsc.stats().total.submitted >= 10)
        await house.service.stop()
        states = [await house.plane.state(result) for result in results]
        assert set(states) <= {"accepted", "submitted", "delivered"}
        assert "accepted" in states
        on = house.plane
        on.node = await on.store.write(RegisterNode("next"))
        await on.store.write(TakeOver(on.node, alone=True))
        house.service = _service(on, _carrier(house.smsc.port), house.enqueued)
        await house.service.start()
        await house.until("delivered", *results)
        assert house.smsc.stats().total.submitted == 100
        for result in results:
            assert "part.sent-again" not in await on.kinds(result)


async def test_a_carrier_that_is_not_there_keeps_nobody_waiting_but_its_own(sqlite_store: Store) -> None:
    clock: Any = SystemClock()
    on = await plane(sqlite_store, clock=clock, settings=SmsSettings(validity_seconds=60))
    made = _service(on, _carrier(9), [])
    await made.start()
    try:
        house = House(on, _smsc(), made)
        (result,) = await house.send("Hello", "+12065550100")
        assert made.backlog(CARRIER) == 1
        assert made.backlog("unheard of") == 0
        await made.sweep()
        assert await on.state(result) == "accepted"
    finally:
        await made.stop()


async def test_a_service_takes_over_while_it_runs(sqlite_store: Store) -> None:
    async with _house(sqlite_store) as house:
        on = house.plane
        ours, on.node = on.node, await on.store.write(RegisterNode("dead"))
        dead = await on.accept(count_=3)
        on.node = ours
        await on.store.write(TakeOver(ours, alone=True))
        await house.service.adopt()
        async with asyncio.timeout(15):
            for message in dead:
                while await on.state(message) != "delivered":
                    pass


@pytest.mark.parametrize("links", [1, 3])
async def test_a_message_that_the_carrier_trips_over_fails_and_holds_up_no_other(
    sqlite_store: Store, links: int
) -> None:
    async with _house(sqlite_store, links=links, window=10, profile="trips") as house:
        before = await house.send("Hello", *(f"+1206555{number}" for number in range(1000, 1030)))
        (bad,) = await house.send("a drop of poison", "+12065552000")
        after = await house.send("Hello", *(f"+1206555{number}" for number in range(3000, 3030)))
        await house.until("failed", bad)
        await house.until("delivered", *before, *after)
        view = await house.plane.view(bad)
        times = house.smsc.stats().total.refused
        assert 3 <= times <= 5, "more than three while none of the others was answered in between"
        reason = view.timeline[-1].data["reason"]
        assert reason == f"poison: the connection was lost each of the {times} times it was sent"
        kinds = [entry.kind for entry in view.timeline]
        assert kinds.count("part.sent-again") == times - 1
        assert kinds.count("part.suspected") == 1
        await settled(lambda: house.service.backlog(CARRIER) == 0)


async def test_a_message_alone_that_the_carrier_trips_over_fails_once_another_gets_through(
    sqlite_store: Store,
) -> None:
    async with _house(sqlite_store, profile="trips") as house:
        (bad,) = await house.send("poison", "+12065552000")
        await settled(lambda: house.smsc.stats().total.refused >= 4)
        assert await house.plane.state(bad) == "submitting", "as yet the carrier may be ill"
        good = await house.send("Hello", "+12065551000")
        await house.until("delivered", *good)
        await house.until("failed", bad)
