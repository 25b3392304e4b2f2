"""Names of trunks: looked up, remembered, and used past an outage."""

import asyncio
from collections.abc import Sequence

import pytest

from sip.legs.targets import Target
from sip.legs.trunks import TrunkFacts
from sip.naming.system import FRESH_SECONDS, MOST_ADDRESSES, STALE_SECONDS, SystemFinder, system_lookup
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

NAMED = TrunkFacts("acme", "berlin", "SIP.Carrier.Example.", port=5062)


class Dns:
    def __init__(self, *addresses: str) -> None:
        self.addresses: Sequence[str] = addresses
        self.away = False
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise OSError("Temporary failure in name resolution")
        return self.addresses


async def test_an_address_is_not_looked_up() -> None:
    dns = Dns()
    finder = SystemFinder(ManualClock(), dns)
    assert await finder.find(TrunkFacts("a", "b", "192.0.2.1")) == (Target("udp", "192.0.2.1", 5060),)
    assert dns.asked == []


async def test_a_name_leads_to_all_its_addresses_in_order_and_is_remembered_for_a_while() -> None:
    dns, clock = Dns("192.0.2.2", "192.0.2.1", "192.0.2.2"), ManualClock()
    finder = SystemFinder(clock, dns)
    both = (Target("udp", "192.0.2.2", 5062), Target("udp", "192.0.2.1", 5062))
    assert await finder.find(NAMED) == both
    assert await finder.find(NAMED) == both
    assert dns.asked == ["sip.carrier.example"]
    clock.advance(FRESH_SECONDS)
    dns.addresses = ("192.0.2.9",)
    assert [each.host for each in await finder.find(NAMED)] == ["192.0.2.9"]


async def test_an_outage_is_outlived_by_the_last_answer_for_a_day() -> None:
    dns, clock = Dns("192.0.2.2"), ManualClock()
    finder = SystemFinder(clock, dns)
    await finder.find(NAMED)
    dns.away = True
    clock.advance(STALE_SECONDS - 1)
    assert [each.host for each in await finder.find(NAMED)] == ["192.0.2.2"]
    clock.advance(1)
    assert await finder.find(NAMED) == ()


async def test_callers_at_once_ask_once() -> None:
    dns = Dns("192.0.2.2")
    dns.gate = asyncio.Event()
    finder = SystemFinder(ManualClock(), dns)
    finding = [asyncio.create_task(finder.find(NAMED)) for _ in range(20)]
    while not dns.asked:
        await asyncio.sleep(0)
    dns.gate.set()
    assert {found[0].host for found in await asyncio.gather(*finding)} == {"192.0.2.2"}
    assert len(dns.asked) == 1


async def test_with_tls_the_name_that_the_certificate_must_bear_goes_along() -> None:
    finder = SystemFinder(ManualClock(), Dns("192.0.2.2"))
    (target,) = await finder.find(TrunkFacts("a", "b", "sip.carrier.example", transport="tls"))
    assert (target.port, target.server_name) == (5061, "sip.carrier.example")


async def test_an_answer_is_cut() -> None:
    finder = SystemFinder(ManualClock(), Dns(*(f"192.0.2.{last}" for last in range(100))))
    assert len(await finder.find(NAMED)) == MOST_ADDRESSES


async def test_the_systems_own_resolver_is_asked() -> None:
    assert "127.0.0.1" in await system_lookup("localhost")
