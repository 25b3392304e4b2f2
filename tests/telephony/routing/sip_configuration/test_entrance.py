"""Who comes in as a tenant's SBC: by its certificate or a listed address, never by a name in DNS."""

import pytest

from telephony.kernel.errors import Conflict, InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import Actor, ActorKind, AuditSettings
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.entrance import (
    MAX_ADDRESSES,
    EnabledName,
    Entered,
    Proof,
    may_enter,
    networks_of,
)
from telephony.routing.sip_configuration.ports import Unwatched
from telephony.routing.sip_configuration.verbs import SipRouting
from telephony.routing.sip_configuration.wire import SipConfigurationUpdate, TrunkUpdate
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

ONE, TWO = ResourceId(b"a" * 16), ResourceId(b"b" * 16)
ACTOR = Actor(ActorKind.RESOURCE, b"k" * 16)
LISTED = networks_of(["203.0.113.0/28", "198.51.100.7", "2001:db8:5::/48"])
SBC = EnabledName("sbc.example.com", LISTED)


@pytest.mark.parametrize(
    ("names", "source", "proof"),
    [
        (("sbc.example.com",), None, Proof.CERTIFICATE),
        (("other.example.com", "SBC.Example.COM"), None, Proof.CERTIFICATE),
        (("*.example.com",), None, None),  # RFC 5922 §7.2
        (("sbc.example.com.attacker.example",), None, None),
        (("example.com",), None, None),
        (("",), None, None),
        ((), None, None),
        ((), "203.0.113.15", Proof.ADDRESS),
        ((), "198.51.100.7", Proof.ADDRESS),
        ((), "2001:db8:5::1", Proof.ADDRESS),
        ((), "::ffff:203.0.113.15", Proof.ADDRESS),  # as a socket of both families tells it
        ((), "203.0.113.16", None),
        ((), "::ffff:203.0.113.16", None),
        ((), "64:ff9b::203.0.113.15", None),
        ((), "2002:cb00:710f::1", None),
        ((), "::203.0.113.15", None),
        ((), "2001:db8:5::1%eth0", None),
        ((), "0313.0.0161.017", None),
        ((), "3405803791", None),
        ((), "203.0.113.15:5061", None),
        ((), "sbc.example.com", None),
        ((), "", None),
        (("sbc.example.com",), "203.0.113.15", Proof.CERTIFICATE),
    ],
)
def test_a_certificate_or_a_listed_address_lets_in(
    names: tuple[str, ...], source: str | None, proof: Proof | None
) -> None:
    assert may_enter(SBC, tls_names=names, source=source) is proof


def test_without_a_list_no_address_lets_in() -> None:
    assert may_enter(EnabledName("sbc.example.com"), source="203.0.113.15") is None


@pytest.mark.parametrize(
    "texts",
    [
        ["0.0.0.0/0"],
        ["::/0"],
        ["10.0.0.0/8"],
        ["2001::/16"],
        ["203.0.113.1/24"],
        ["sbc.example.com"],
        ["0313.0.0161.017"],
        ["fe80::1%eth0"],
        [""],
        ["203.0.113.1"] * (MAX_ADDRESSES + 1),
    ],
)
def test_a_list_that_lets_all_in_or_cannot_be_read_is_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        networks_of(texts)
    assert (refused.value.target or "").startswith("addresses")


def routing(store: Store) -> tuple[SipRouting, SipDirectory]:
    directory = SipDirectory(store)
    return SipRouting(store, ManualClock(), directory, Unwatched(), AuditSettings()), directory


async def add(sip: SipRouting, resource: ResourceId, *names: str, enabled: bool = True) -> None:
    trunks: dict[str, TrunkUpdate | None] = {each: TrunkUpdate(5061, enabled) for each in names}
    await sip.update(resource, SipConfigurationUpdate(trunks=trunks), ACTOR)


async def test_what_comes_in_is_of_the_resource_whose_trunk_is_in_use(store: Store) -> None:
    sip, directory = routing(store)
    await sip.enable(ONE, "SBC.example.com", ["203.0.113.0/28"])
    assert directory.entering(source="203.0.113.1") is None  # the tenant has no such trunk yet
    await add(sip, ONE, "Sbc.example.com")
    await add(sip, TWO, "two.example.com")  # the operator has not enabled it
    by_address = Entered(ONE, "Sbc.example.com", Proof.ADDRESS)
    assert directory.entering(source="203.0.113.1") == by_address
    assert directory.entering(tls_names=["sbc.example.com"]) == Entered(
        ONE, "Sbc.example.com", Proof.CERTIFICATE
    )
    assert directory.entering(tls_names=["two.example.com"]) is None
    assert directory.entering(source="203.0.113.99") is None
    await sip.enable(ONE, "sbc.example.com")  # which leaves the addresses
    assert directory.entering(source="203.0.113.1") == by_address
    assert [str(each) for each in (await sip.trunk(ONE, "sbc.example.com")).addresses] == ["203.0.113.0/28"]
    await sip.enable(ONE, "sbc.example.com", [])
    assert directory.entering(source="203.0.113.1") is None
    await add(sip, ONE, "Sbc.example.com", enabled=False)
    assert directory.entering(tls_names=["sbc.example.com"]) is None


async def test_an_address_is_of_one_resource_alone(store: Store) -> None:
    sip, directory = routing(store)
    await sip.enable(ONE, "one.example.com", ["203.0.113.0/28"])
    with pytest.raises(Conflict) as refused:
        await sip.enable(TWO, "two.example.com", ["198.51.100.1", "203.0.113.0/26"])
    assert refused.value.target == "addresses[1]"
    await sip.enable(ONE, "three.example.com", ["203.0.113.0/26"])  # another SBC of its own
    await add(sip, ONE, "one.example.com", "three.example.com")
    assert directory.entering(source="203.0.113.1") == Entered(ONE, "one.example.com", Proof.ADDRESS)
