"""Carriers that change while messages go to them, over real SMPP: nothing is lost, nothing is sent twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from msgspec.structs import replace

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier, SmppLink
from carriers.model.limits import CarrierLimits
from carriers.model.sip import SipTrunk
from carriers.model.text import TextPolicy
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.send import Options, Recipient, Result, SendSms
from sms.service import SmsService
from sms.traffic import same_but_links
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from tests.support.sms import CARRIER, NUMBER, Plane, plane, settled

pytestmark = pytest.mark.wire

PASSWORD: Final = Secret("secret08")
OTHERS: Final = "others"


def link(port: int, **changes: Any) -> SmppLink:
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "system_id": "tandem",
        "password": PASSWORD,
        "window": 10,
        "reconnect_seconds": (0.01, 0.05),
    }
    return SmppLink(**(settings | changes))


@dataclass
class House:
    """A service between two carriers, and a sender."""

    on: Plane
    smsc: Smsc
    other: Smsc
    service: SmsService

    @property
    def submitted(self) -> int:
        return self.smsc.stats().total.submitted + self.other.stats().total.submitted

    async def send(self, count: int) -> list[Result]:
        verb = SendSms(
            store=self.on.store,
            clock=self.on.clock,
            node=self.on.node,
            numbers=NumberDirectory(self.on.store, self.on.clock),
            ways=self.on.router,
            settings=self.on.settings,
            offer=self.service.offer,
            reserve=self.service.reserve,
            backlog=self.service.backlog,
        )
        to = [Recipient(f"+1425555{number:04}") for number in range(2000, 2000 + count)]
        return await verb(self.on.resource, NUMBER, to, "Hi", Options(report=True), "request")

    async def delivered(self, *results: Result) -> None:
        async with asyncio.timeout(20):
            for result in results:
                while (found := await self.on.state(result)) != "delivered":
                    assert found in {"accepted", "submitting", "submitted"}

    def bound(self, carrier: str = CARRIER) -> list[str]:
        return sorted(each.name for each in self.service.links if each.bound and each.carrier == carrier)


@asynccontextmanager
async def house(store: Store) -> AsyncIterator[House]:
    clock: Any = SystemClock()
    on = await plane(store, clock=clock)
    settings = SimulatedSettings(port=0, accounts={"tandem": SimulatedAccount(password=PASSWORD)})
    smscs = [Smsc(settings, clock=clock) for _ in range(2)]
    for smsc in smscs:
        await smsc.start()
    service = SmsService(
        {},
        store=store,
        clock=clock,
        node=on.node,
        settings=on.settings,
        subscriptions=on.subscribers,
        enqueue=lambda _: None,
    )
    await service.start()
    try:
        yield House(on, smscs[0], smscs[1], service)
    finally:
        await service.stop()
        for smsc in smscs:
            await smsc.stop()


async def test_messages_go_once_each_while_their_carrier_changes_under_them(sqlite_store: Store) -> None:
    async with house(sqlite_store) as all_:
        one, other = link(all_.smsc.port), link(all_.other.port)
        usual = Carrier(smpp={"a": one})
        changes = [
            usual,
            Carrier(smpp={"a": one, "b": other}),
            Carrier(smpp={"a": replace(one, window=3), "b": other}),
            Carrier(smpp={"b": other}),
            Carrier(smpp={"b": other}, text=TextPolicy(substitute=True)),
            Carrier(smpp={"a": one, "b": other}, limits=CarrierLimits(texts_per_second=2000)),
            Carrier(smpp={"a": replace(one, system_type="x")}, receipt_id="auto"),
            usual,
        ]
        results: list[Result] = []
        for carrier in changes:
            all_.service.follow({CARRIER: carrier})
            results += await all_.send(40)  # some before the change is through
        await all_.service.settled()
        await settled(lambda: all_.bound() == ["a"])
        results += await all_.send(10)
        await all_.delivered(*results)
        assert all_.submitted == len(results) == 330
        for result in results:
            assert "part.sent-again" not in await all_.on.kinds(result)


async def test_a_carrier_that_does_not_change_does_not_notice(sqlite_store: Store) -> None:
    async with house(sqlite_store) as all_:
        others = Carrier(smpp={"o": link(all_.other.port)})
        mine = Carrier(smpp={"a": link(all_.smsc.port), "b": link(all_.smsc.port)})
        all_.service.follow({CARRIER: mine, OTHERS: others})
        await settled(lambda: all_.bound() == ["a", "b"] and all_.bound(OTHERS) == ["o"])
        stay = [each for each in all_.service.links if each.name in ("a", "o")]
        changed = replace(mine, smpp={**mine.smpp, "b": link(all_.smsc.port, window=7)})
        all_.service.follow({CARRIER: changed, OTHERS: replace(others, sip={"t": SipTrunk(host="sip")})})
        await all_.service.settled()
        await settled(lambda: all_.bound() == ["a", "b"])
        assert [each for each in all_.service.links if each.name in ("a", "o")] == stay
        assert all(each.status().reconnects == 0 for each in stay)
        assert [each.window for each in all_.service.links if each.name == "b"] == [7]


async def test_what_waits_for_a_carrier_that_is_gone_goes_once_it_is_back(sqlite_store: Store) -> None:
    async with house(sqlite_store) as all_:
        mine = Carrier(smpp={"a": link(all_.smsc.port)})
        all_.service.follow({CARRIER: mine})
        await settled(lambda: all_.bound() == ["a"])
        all_.service.follow({})
        await all_.service.settled()
        assert all_.service.links == []
        results = await all_.send(5)
        assert {await all_.on.state(each) for each in results} == {"accepted"}
        all_.service.follow({CARRIER: mine})
        await all_.delivered(*results)
        assert all_.submitted == 5


async def test_a_link_that_cannot_bind_is_replaced_at_once(sqlite_store: Store) -> None:
    async with house(sqlite_store) as all_:
        wrong = link(all_.smsc.port, password=Secret("wrong"), reconnect_seconds=(30.0, 30.0))
        all_.service.follow({CARRIER: Carrier(smpp={"a": wrong})})
        await settled(lambda: any(each.status().last_error for each in all_.service.links))
        results = await all_.send(3)
        all_.service.follow({CARRIER: Carrier(smpp={"a": link(all_.smsc.port)})})
        await all_.delivered(*results)


async def test_the_last_of_several_changes_counts(sqlite_store: Store) -> None:
    async with house(sqlite_store) as all_:
        for window in range(1, 20):
            carrier = Carrier(smpp={"a": link(all_.smsc.port, window=window)})
            all_.service.follow({CARRIER: carrier} if window % 3 else {})
        await all_.service.settled()
        await settled(lambda: all_.bound() == ["a"])
        assert [each.window for each in all_.service.links] == [19]


FORM = AddressForm(ton=2, npi=1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Carrier(smpp={"x": link(1)}), True),
        (Carrier(smpp={"x": link(1, per_second=5)}), False),
        (Carrier(smpp={"x": link(1, receipt_id="auto")}), False),
        (Carrier(codecs=("opus",), rates="sheet", limits=CarrierLimits(channels=3)), True),
        (Carrier(limits=CarrierLimits(texts_per_second=3)), False),
        (Carrier(addressing=Addressing(destination=FORM)), False),
        (Carrier(retry_on=()), False),
    ],
)
def test_links_alone_are_replaced_when_nothing_else_of_texts_changed(other: Carrier, same: bool) -> None:
    assert same_but_links(Carrier(smpp={"y": link(2)}), other) is same
