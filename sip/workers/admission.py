"""Whose calls a worker takes: those that the edge passed on, or without an edge those of listed addresses."""

from hmac import compare_digest
from typing import Final

from carriers.model.networks import Networks
from sip.wire.headers import Headers

EDGE: Final = "X-Tandem-Edge"
"""Field of the secret that the edge adds to what it passes on."""
TRUNK: Final = "X-Tandem-Trunk"
"""Field of the trunk that a call came by or goes to, `carrier/name`."""


class Admission:
    """Tells whether a call may come in."""

    def __init__(self, secret: str, sources: tuple[str, ...]) -> None:
        """Take the secret of this start, or the addresses when there is no edge. Raises ValueError."""
        self._secret = secret.encode()
        self._networks = Networks(sources)

    def admits(self, source: str, headers: Headers) -> bool:
        """Tell it for a packet from `host:port`."""
        if self._secret:
            told = headers.all(EDGE)
            return len(told) == 1 and compare_digest(told[0].encode(errors="surrogateescape"), self._secret)
        return source.rpartition(":")[0].strip("[]") in self._networks
