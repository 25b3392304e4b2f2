"""What a resource's configuration holds, as it is stored and as the wire spells it. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from telephony.resources.audit_shown import SHORTENED

MAX_TRUNKS: Final = 250
"""Trunks of a resource (ACS)."""

MAX_DOMAINS: Final = 250
"""Domains of a resource (ACS)."""

MAX_ROUTES: Final = 250
"""Routes of a resource (ACS)."""

MAX_ROUTE_TRUNKS: Final = 250
"""Trunks of a route (ACS)."""

MAX_ROUTE_NAME: Final = 256
"""Characters of a route's name (ACS)."""

MAX_DESCRIPTION: Final = 1024
"""Characters of a route's description (ACS)."""

MAX_NUMBER_PATTERN: Final = 1024
"""Characters of a route's pattern (ACS)."""

PrivacyHeader = Literal["ID", "None"]
"""Whether calls to the trunk carry `Privacy: id` (RFC 3325 §9.3)."""

IpVersion = Literal["IPv4", "IPv6"]


class Domain(Struct, frozen=True, rename="camel"):
    """A domain that trunks are in."""

    enabled: bool = True
    """Trunks in a domain that is switched off are not used."""


class Trunk(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A trunk: an SBC of the tenant's. Its name is its key."""

    sip_signaling_port: int = 0
    """TCP port; 0 never passes the checks."""
    enabled: bool = True
    """The tenant's own switch."""
    step_out_of_signaling: bool | None = None
    privacy_header: PrivacyHeader | None = None
    ip_address_version: IpVersion | None = None


class Route(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Numbers, and the trunks that take them, in the order in which they are tried."""

    name: str
    number_pattern: str
    """Looked for in the number, which begins with its plus."""
    description: str | None = None
    trunks: tuple[str, ...] = ()
    caller_id_override: Annotated[str | None, Meta(extra=SHORTENED)] = None
    """The number that calls by this route show; whether they may is decided when they are made."""


class SipConfiguration(Struct, frozen=True, rename="camel"):
    """All of it. The order of routes is the order in which they are asked."""

    domains: dict[str, Domain] = {}
    trunks: dict[str, Trunk] = {}
    routes: tuple[Route, ...] = ()


EMPTY: Final = SipConfiguration()
"""What a resource has that never set anything."""
