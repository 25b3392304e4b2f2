"""Who may come in as a tenant's SBC: proven by its certificate, or from an address that the operator listed.

A name alone proves nothing: whoever owns it in DNS chooses what it leads to. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.routing.sip_configuration.names import folded

Network = IPv4Network | IPv6Network

MAX_ADDRESSES: Final = 50
"""Networks of one SBC: providers with one a country have some thirty."""

WIDEST: Final = {4: 16, 6: 32}
"""Prefix lengths of the widest networks in a list: a whole provider's. Wider is a slip that lets all in."""


class Proof(StrEnum):
    """By what an SBC is known."""

    CERTIFICATE = "certificate"  # mutual TLS with its name
    ADDRESS = "address"  # the operator's list


@dataclass(frozen=True, slots=True)
class EnabledName:
    """A name of an SBC that the operator enabled for a resource."""

    fqdn: str
    """Folded."""
    addresses: tuple[Network, ...] = ()
    """Where it may come from without a certificate; none: nowhere."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Whose SBC came in."""

    resource: ResourceId
    fqdn: str
    by: Proof


def may_enter(
    enabled: EnabledName, *, tls_names: Iterable[str] = (), source: str | None = None
) -> Proof | None:
    """Return by what a connection is proven to be an SBC's; None: it is not let in.

    `tls_names` are the DNS names of the certificate that the other side proved to have, its chain verified;
    none without mutual TLS. They are compared whole: a SIP certificate's wildcard matches nothing (RFC 5922
    §7.2). `source` is the address of a TCP connection; that of a datagram anybody can write, so leave it out.
    """
    if any(folded(name) == enabled.fqdn for name in tls_names):
        return Proof.CERTIFICATE
    address = None if source is None else _address(source)
    if address is None:
        return None
    here = any(address.version == each.version and address in each for each in enabled.addresses)
    return Proof.ADDRESS if here else None


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return an operator's list, without repetitions. Raises InvalidRequest, naming the entry."""
    if len(texts) > MAX_ADDRESSES:
        raise InvalidRequest(f"addresses: At most {MAX_ADDRESSES} networks.", target="addresses")
    found: list[Network] = []
    for place, text in enumerate(texts):
        target = f"addresses[{place}]"
        try:
            network = ip_network(text)
        except ValueError:
            words = f"{target}: Expected an address or a network such as 198.51.100.0/28, without host bits."
            raise InvalidRequest(words, target=target) from None
        if isinstance(network, IPv6Network) and network.network_address.scope_id is not None:
            raise InvalidRequest(f"{target}: An address with a zone is of one machine alone.", target=target)
        if network.prefixlen < WIDEST[network.version]:
            words = f"{target}: Wider than /{WIDEST[network.version]}; list the SBC's own networks."
            raise InvalidRequest(words, target=target)
        if network not in found:
            found.append(network)
    return tuple(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address as a socket tells it; an IPv4 one on a socket of both families comes mapped."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address
