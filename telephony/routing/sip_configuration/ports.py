"""What `/sip` needs from whoever speaks SIP, in ACS's words."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from telephony.kernel.ids import ResourceId


class Tls(Enum):
    """How the trunk's TLS connections do."""

    UNKNOWN = "unknown"
    OK = "ok"
    CERTIFICATE_EXPIRING = "certExpiring"
    CERTIFICATE_EXPIRED = "certExpired"


class Ping(Enum):
    """How the trunk's OPTIONS do."""

    UNKNOWN = "unknown"
    OK = "ok"
    EXPIRED = "expired"
    ERROR = "error"


class Overall(Enum):
    """Whether the trunk takes calls."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    INACTIVE = "inactive"


class Inactive(Enum):
    """Why a trunk is inactive."""

    NO_RECENT_CALLS = "noRecentCalls"
    NO_RECENT_PINGS = "noRecentPings"
    NO_RECENT_CALLS_AND_PINGS = "noRecentCallsAndPings"


@dataclass(frozen=True, slots=True)
class TrunkHealth:
    """A trunk's health."""

    tls: Tls = Tls.UNKNOWN
    ping: Ping = Ping.UNKNOWN
    overall: Overall = Overall.UNKNOWN
    reason: Inactive | None = None


UNKNOWN: Final = TrunkHealth()
"""Of a trunk that nobody watches."""


class Health(Protocol):
    """Knows how trunks do."""

    def of(self, resource: ResourceId, fqdn: str, port: int) -> TrunkHealth:
        """Return a trunk's health, from memory: this asks nobody."""
        ...


class Unwatched:
    """Knows nothing: what stands in until something watches trunks."""

    def of(self, resource: ResourceId, fqdn: str, port: int) -> TrunkHealth:
        """See Health."""
        del resource, fqdn, port
        return UNKNOWN
