"""Trunks as signalling needs them, made of carriers and of the resources' own SBCs, and found again.

A trunk is named by its carrier and its own name; a resource's own SBC by `resource:GUID` and its name (FQDN).
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from msgspec import Struct

from carriers.model.carrier import Carrier
from carriers.model.networks import parse_address
from carriers.model.quirks import Quirk
from carriers.model.sip import Dtmf, SipDigest, SipHeaders, SipRegister, SipTls, SipTrunk, Srtp, Transport
from sip.wire.digest import ha1
from sip.workers.messages import Credentials
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.routing.sip_configuration.configuration import Trunk as OwnTrunk

SPOKEN: Final = ("PCMA", "PCMU", "G722")
"""Codecs that workers can negotiate and engines speak."""

OWN: Final = "resource:"
"""Begins the carrier's name of a resource's own SBC."""


class TrunkFacts(Struct, frozen=True):
    """A trunk."""

    carrier: str
    name: str
    host: str
    """Name or address that calls are sent to."""
    port: int | None = None
    """None: by DNS, else the transport's own."""
    transport: Transport = "udp"
    codecs: tuple[str, ...] = SPOKEN
    """Best first; those that can be spoken at all."""
    dtmf: Dtmf = "rfc4733"
    srtp: Srtp = "off"
    digest: SipDigest | None = None
    """Who we are there."""
    challenge: SipDigest | None = None
    """Who it has to prove to be."""
    register: SipRegister | None = None
    tls: SipTls | None = None
    headers: SipHeaders = SipHeaders()
    addresses: tuple[str, ...] = ()
    """Where its calls come from."""
    session_timer: bool = True
    """Whether a session timer is offered (RFC 4028)."""
    reliable: bool = True
    """Whether reliable provisional responses are offered (RFC 3262); the edge takes the offer away."""
    private_sdp: bool = False
    """Whether its SDP names addresses that nothing can be sent to."""
    options_seconds: int = 30
    """0: it is not watched."""
    retry_on: tuple[str, ...] = ()
    priority: int = 0
    weight: int = 100
    channels: int | None = None
    calls_per_second: float | None = None
    emergency: bool = False

    @property
    def label(self) -> str:
        """How internal header fields name it."""
        return f"{self.carrier}/{self.name}"

    @property
    def encrypts(self) -> bool:
        """Whether audio may be encrypted: keys in SDP are worth something only inside TLS."""
        return self.srtp != "off" and self.transport == "tls"

    def credentials(self, realm: str = "") -> Credentials | None:
        """Return what answers a challenge of `realm`; None when it is not one of this trunk's.

        Without a realm: the configured one's, or None when the carrier is to name it first.
        """
        own = self.digest
        if own is None or (own.realm and realm and own.realm != realm):
            return None
        wanted = own.realm or realm
        if not wanted:
            return None
        return Credentials(wanted, own.username, ha1(own.username, wanted, own.password.reveal()))


def facts_of(carrier: str, settings: Carrier) -> dict[str, TrunkFacts]:
    """Return the trunks of a carrier by name."""
    return {name: _facts(carrier, settings, name, trunk) for name, trunk in settings.sip.items()}


def _facts(carrier: str, settings: Carrier, name: str, trunk: SipTrunk) -> TrunkFacts:
    quirks = settings.quirks
    return TrunkFacts(
        carrier,
        name,
        trunk.host,
        trunk.port,
        trunk.transport,
        tuple(each for each in settings.codecs if each in SPOKEN),
        trunk.dtmf,
        trunk.srtp,
        trunk.digest,
        trunk.challenge,
        trunk.register,
        trunk.tls,
        trunk.headers,
        trunk.addresses,
        session_timer=Quirk.NO_SESSION_TIMER not in quirks,
        reliable=Quirk.NO_PRACK not in quirks,
        private_sdp=Quirk.PRIVATE_SDP in quirks,
        options_seconds=0 if Quirk.NO_OPTIONS in quirks else trunk.options_seconds,
        retry_on=trunk.retry_on,
        priority=trunk.priority,
        weight=trunk.weight,
        channels=trunk.channels,
        calls_per_second=trunk.calls_per_second,
        emergency=trunk.emergency,
    )


def own_facts(resource: ResourceId, fqdn: str, trunk: OwnTrunk) -> TrunkFacts:
    """Return a resource's own SBC as a trunk: by TLS, as that service has it, audio encrypted if it wants."""
    return TrunkFacts(
        OWN + to_text(resource),
        fqdn,
        fqdn,
        trunk.sip_signaling_port or None,
        "tls",
        srtp="optional",
        headers=SipHeaders(caller="pai", diversion="history-info", privacy="header"),
    )


Own = Callable[[ResourceId, str], OwnTrunk | None]
"""Returns a resource's own SBC by its name."""


class TrunkDirectory:
    """Finds trunks. `carriers` may change under its hands: what it says is always of now."""

    def __init__(self, carriers: Mapping[str, Carrier], own: Own | None = None) -> None:
        """`own` knows the resources' own SBCs; without it there are none."""
        self._carriers = carriers
        self._own = own
        self._seen: dict[str, Carrier] = {}
        self._trunks: dict[tuple[str, str], TrunkFacts] = {}
        self._sources: list[tuple[IPv4Network | IPv6Network, TrunkFacts]] = []

    def find(self, carrier: str, name: str) -> TrunkFacts | None:
        """Return a trunk by its names."""
        if carrier.startswith(OWN):
            return self._of_resource(carrier, name)
        self._refresh()
        return self._trunks.get((carrier, name))

    def labelled(self, label: str) -> TrunkFacts | None:
        """Return a trunk by what an internal header field says."""
        carrier, slash, name = label.partition("/")
        return self.find(carrier, name) if slash else None

    def by_source(self, address: str) -> TrunkFacts | None:
        """Return the trunk that calls from an address are of: that of the longest network."""
        self._refresh()
        known = parse_address(address)
        if known is None:
            return None
        return next((facts for network, facts in self._sources if known in network), None)

    def all(self) -> tuple[TrunkFacts, ...]:
        """Return the operator's trunks."""
        self._refresh()
        return tuple(self._trunks.values())

    def sources(self) -> tuple[str, ...]:
        """Return every network that some trunk's calls may come from."""
        self._refresh()
        return tuple(sorted({str(network) for network, _ in self._sources}))

    def _of_resource(self, carrier: str, name: str) -> TrunkFacts | None:
        if self._own is None:
            return None
        found = from_text(carrier.removeprefix(OWN))
        if found is None:
            return None
        resource = ResourceId(found)
        trunk = self._own(resource, name)
        return None if trunk is None else own_facts(resource, name, trunk)

    def _refresh(self) -> None:
        now = dict(self._carriers)
        if len(now) == len(self._seen) and all(self._seen.get(name) is each for name, each in now.items()):
            return
        self._seen = now
        self._trunks = {
            (name, trunk): facts
            for name, each in now.items()
            for trunk, facts in facts_of(name, each).items()
        }
        self._sources = sorted(
            ((ip_network(listed), facts) for facts in self._trunks.values() for listed in facts.addresses),
            key=lambda pair: (-pair[0].prefixlen, pair[1].priority, pair[1].label),
        )
