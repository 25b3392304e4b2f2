"""Lists of addresses: who may come. An empty list means nobody."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


class Networks:
    """Networks and single addresses, as an operator lists them: `192.0.2.7`, `10.1.0.0/16`, `fd00::/8`."""

    __slots__ = ("_networks",)

    def __init__(self, listed: Iterable[str]) -> None:
        """Raises ValueError, naming the entry, for one that is no network."""
        found = []
        for text in listed:
            try:
                found.append(ip_network(text))
            except ValueError as error:
                raise ValueError(f"{text!r} is no address and no network: {error}") from None
        self._networks = tuple(found)

    def __contains__(self, address: str) -> bool:
        """Tell whether an address is in one of them; what is no address is in none."""
        known = parse_address(address)
        return known is not None and any(
            known in network for network in self._networks if network.version == known.version
        )

    def __bool__(self) -> bool:
        return bool(self._networks)


@lru_cache(maxsize=1000)
def parse_address(text: str) -> Address | None:
    """Return an address without its zone; one of IPv4 that came in an IPv6 socket is that of IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
