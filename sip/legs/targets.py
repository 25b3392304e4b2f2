"""Where a call to a trunk is sent: what legs need of whoever asks the DNS, in their own words."""

import ipaddress
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from sip.legs.trunks import TrunkFacts

PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""RFC 3261 §19.1.2."""


class Target(Struct, frozen=True):
    """An address to send to."""

    transport: str
    """`udp`, `tcp` or `tls`."""
    host: str
    """IPv4 address."""
    port: int
    server_name: str = ""
    """Name that the certificate must bear, with TLS."""


class Finder(Protocol):
    """Finds where a trunk is (RFC 3263)."""

    async def find(self, facts: TrunkFacts) -> Sequence[Target]:
        """Return the addresses in the order in which they are to be tried; none when there are none.

        Raises nothing: what cannot be found is said where trunks are watched.
        """
        ...


class Literal:
    """Finds trunks whose host is an address; knows no names."""

    async def find(self, facts: TrunkFacts) -> Sequence[Target]:
        """See `Finder`."""
        try:
            host = str(ipaddress.IPv4Address(facts.host))
        except ValueError:
            return ()
        return (Target(facts.transport, host, facts.port or PORTS[facts.transport]),)
