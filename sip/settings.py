"""The settings of SIP: where calls are taken, what stands before the workers, and how many there are."""

import importlib.util
import ipaddress
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

CALLS_A_WORKER: Final = 4
"""What pjsip's wheel was compiled for; a build that holds more is found out when its workers say so."""

KAMAILIO: Final = "kamailio"


class EdgeKind(StrEnum):
    """What stands between carriers and workers."""

    AUTO = "auto"  # Kamailio where it is installed
    KAMAILIO = "kamailio"
    NONE = "none"


ListenPort = Annotated[int, Meta(ge=1, le=65535)]


class SipSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Calls by SIP. What cannot be used costs calls, and nothing else."""

    enabled: bool | None = None
    """Whether this node takes and makes calls. Unset: where pjsua2 is installed."""
    edge: EdgeKind = EdgeKind.AUTO
    """`kamailio` before the workers, `none`, or `auto`: Kamailio where it is installed. Without it there is
    one worker: a few calls, UDP, carriers known by their address only."""
    address: str = "127.0.0.1"
    """IPv4 address that SIP is taken on; `0.0.0.0` for all."""
    public_address: str = ""
    """IPv4 address that carriers are told, when address translation stands between. Empty: the one above."""
    port: ListenPort = 5060
    """UDP and TCP port of SIP."""
    tls_port: ListenPort = 5061
    """TCP port of SIP over TLS."""
    certificate: Path | None = None
    """PEM file of the certificate for TLS, with its chain. Empty: the node's own."""
    certificate_key: Path | None = None
    """PEM file of its private key."""
    calls: Annotated[int, Meta(ge=1, le=10_000)] = 40
    """Calls that come in at once, and as many that go out; a call that is passed on is one of both."""
    first_worker_port: Annotated[int, Meta(ge=1024, le=60_000)] = 5100
    """UDP port of the first worker, on the loopback; the others follow."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key: expected both or neither")
        for name, address in (("address", self.address), ("public_address", self.public_address)):
            if address and not _is_address(address):
                raise ValueError(f"{name}: {address} is no IPv4 address")
        if self.first_worker_port + self.workers() * 2 > 65_535:
            raise ValueError("first_worker_port: there are not enough ports above it for the workers")

    def runs(self) -> bool:
        """Tell whether this node signals calls."""
        if self.enabled is None:
            return importlib.util.find_spec("pjsua2") is not None
        return self.enabled

    def has_edge(self) -> bool:
        """Tell whether Kamailio stands before the workers."""
        if self.edge is EdgeKind.AUTO:
            return shutil.which(KAMAILIO) is not None or Path("/usr/sbin/kamailio").exists()
        return self.edge is EdgeKind.KAMAILIO

    def workers(self) -> int:
        """Return how many workers take calls, and as many make them."""
        return -(-self.calls // CALLS_A_WORKER)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
