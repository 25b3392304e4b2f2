"""Via: the way that a response goes back (RFC 3261 §20.42, RFC 3581). Pure."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from sip.wire.address import read_parameters, write_parameters
from sip.wire.errors import Malformed

COOKIE: Final = "z9hG4bK"
"""What every branch begins with (RFC 3261 §8.1.1.7)."""

_SENT: Final = re.compile(
    r"^SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9\-]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-]+)\s*(?::\s*(\d{1,5}))?\s*(;.*)?$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Via:
    """A Via."""

    transport: str
    host: str
    port: int | None = None
    parameters: dict[str, str | None] = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """The transaction's branch; empty when there is none."""
        return self.parameters.get("branch") or ""

    def seen_from(self, host: str, port: int) -> "Via":
        """Return it as the server that took the request passes it on: received and rport filled in."""
        parameters = dict(self.parameters)
        if host != self.host or "rport" in parameters:
            parameters["received"] = host
        if "rport" in parameters:
            parameters["rport"] = str(port)
        return replace(self, parameters=parameters)

    def reply_to(self) -> tuple[str, int]:
        """Return host and port that a response over UDP goes to (RFC 3261 §18.2.2, RFC 3581 §4)."""
        rport = self.parameters.get("rport")
        usual = 5061 if self.transport.upper() == "TLS" else 5060
        port = int(rport) if rport and rport.isdigit() else self.port or usual
        return self.parameters.get("received") or self.host, port

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{write_parameters(self.parameters)}"


def parse_via(text: str) -> Via:
    """Return a Via. Raises Malformed."""
    found = _SENT.match(text.strip())
    if not found:
        raise Malformed(f"Via: no Via: {text[:40]!r}")
    port = int(found[3]) if found[3] else None
    if port is not None and not 0 < port < 65536:
        raise Malformed("Via: no port")
    return Via(found[1].upper(), found[2], port, read_parameters(found[4] or ""))
