"""Where a trunk's name may lead: R25's guard on every resolution, whatever DNS says in the meantime."""

import asyncio

import pytest

from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound_addresses import DestinationRefused, OutboundSettings
from telephony.routing.sip_configuration.resolution import (
    MAX_ANSWER,
    MAX_SECONDS,
    MIN_SECONDS,
    Answer,
    SystemLookup,
    TrunkAddresses,
)
from tests.support.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.promise("R25")]

SBC, PUBLIC, OTHER, V6 = "sbc.example.com", "8.8.8.8", "1.1.1.1", "2606:4700::1111"

FORBIDDEN = (
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::ffff:10.1.2.3",
    "::8.8.8.8",
    "64:ff9b::10.1.2.3",
    "64:ff9b:1::1",
    "2002:0a01:0203::1",
    "2001:0:1::1",
    "fd00::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "0177.0.0.1",
    "2130706433",
    "localhost",
    "",
)


class Dns:
    """Says what it is told to, and counts."""

    def __init__(self, *addresses: str, seconds: float = 60.0) -> None:
        self.answer: Answer | None = Answer(addresses, seconds)
        self.asked: list[str] = []

    async def __call__(self, fqdn: str) -> Answer:
        self.asked.append(fqdn)
        await asyncio.sleep(0)
        if self.answer is None:
            raise OSError("no such name")
        return self.answer


def addresses(dns: Dns, *allow: str) -> tuple[TrunkAddresses, ManualClock]:
    clock = ManualClock()
    return TrunkAddresses(dns, OutboundSettings(allow=allow), clock), clock


async def test_a_public_address_is_reached_at_the_trunks_own_port() -> None:
    trunks, _ = addresses(Dns(PUBLIC, V6))
    assert await trunks.of(SBC, 5061) == [PUBLIC, V6]
    assert await trunks.of(SBC, 15061, "IPv4") == [PUBLIC]
    assert await trunks.of(SBC, 15061, "IPv6") == [V6]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_one_address_that_is_not_permitted_refuses_the_name(address: str) -> None:
    for answer in ((address,), (PUBLIC, address), (address, PUBLIC)):
        trunks, _ = addresses(Dns(*answer))
        with pytest.raises(DestinationRefused) as refused:
            await trunks.of(SBC, 5061)
        assert not address or address not in refused.value.message


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "::1", "0x7f.1", "2130706433", "localhost", "sbc.example.com.1", "a b.example", ""]
)
async def test_what_is_no_name_is_never_looked_up(name: str) -> None:
    dns = Dns(PUBLIC)
    trunks, _ = addresses(dns)
    with pytest.raises(DestinationRefused):
        await trunks.of(name, 5061)
    assert dns.asked == []


async def test_a_name_that_leads_elsewhere_later_is_refused_then() -> None:
    dns = Dns(PUBLIC, seconds=0)
    trunks, clock = addresses(dns)
    assert await trunks.of(SBC, 5061) == [PUBLIC]
    dns.answer = Answer(("127.0.0.1",), 0)
    assert await trunks.of(SBC, 5061) == [PUBLIC]  # what was permitted, for so long
    clock.advance(MIN_SECONDS)
    with pytest.raises(DestinationRefused):
        await trunks.of(SBC, 5061)


@pytest.mark.parametrize(("ttl", "used"), [(0, MIN_SECONDS), (60, 60), (1e9, MAX_SECONDS)])
async def test_an_answer_is_used_as_long_as_it_says_within_bounds(ttl: float, used: float) -> None:
    dns = Dns(PUBLIC, seconds=ttl)
    trunks, clock = addresses(dns)
    await trunks.of(SBC, 5061)
    clock.advance(used - 0.5)
    await trunks.of(SBC.upper(), 5061)
    assert len(dns.asked) == 1
    clock.advance(0.5)
    await trunks.of(SBC, 5061)
    assert len(dns.asked) == 2


async def test_calls_at_once_wait_for_one_look_up() -> None:
    dns = Dns(PUBLIC)
    trunks, _ = addresses(dns)
    found = await asyncio.gather(*(trunks.of(SBC, 5061) for _ in range(10)))
    assert (found, dns.asked) == ([[PUBLIC]] * 10, [SBC])


async def test_a_network_of_ones_own_is_reached_when_the_operator_names_it() -> None:
    dns = Dns("10.1.2.3")
    trunks, _ = addresses(dns, "10.1.0.0/16:5061")
    assert await trunks.of(SBC, 5061) == ["10.1.2.3"]
    with pytest.raises(DestinationRefused):
        await trunks.of(SBC, 5062)


async def test_a_name_without_an_address_is_asked_again_soon() -> None:
    dns = Dns()
    trunks, clock = addresses(dns)
    for answer in (None, Answer((), 60), Answer((PUBLIC,) * (MAX_ANSWER + 1), 60)):
        dns.answer = answer
        with pytest.raises(RemoteUnavailable):
            await trunks.of(SBC, 5061)
        clock.advance(MIN_SECONDS)
    dns.answer = Answer((OTHER,), 60)
    assert await trunks.of(SBC, 5061) == [OTHER]
    with pytest.raises(RemoteUnavailable):
        await trunks.of(SBC, 5061, "IPv6")


async def test_the_system_is_asked_for_the_whole_name_and_no_search_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host.startswith("long"):
            raise UnicodeError("label too long")
        return [(2, 1, 6, "", (PUBLIC, 0)), (2, 1, 6, "", (PUBLIC, 0)), (10, 1, 6, "", (V6, 0, 0, 0))]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    lookup = SystemLookup()
    try:
        assert (await lookup(SBC)).addresses == (PUBLIC, V6)
        with pytest.raises(OSError, match="cannot be looked up"):
            await lookup("long.example.com")
    finally:
        lookup.close()
    assert asked == ["sbc.example.com.", "long.example.com."]
