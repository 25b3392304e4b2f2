"""An authority: host and port as a client names us, by which a request chooses its resource."""

import re
from ipaddress import ip_address
from typing import Final

from telephony.kernel.errors import InvalidRequest

MAX_LENGTH: Final = 261
"""255 of a name (RFC 1035 §2.3.4), a colon, five digits."""

_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORT: Final = ":443"


def normal(authority: str) -> str:
    """Return the form by which authorities are compared: lower case, without the default port of https.

    Clients leave that port out of the Host header even when their endpoint names it.
    """
    authority = authority.lower()
    return authority.removesuffix(_DEFAULT_PORT)


def parse_authority(text: str) -> str:
    """Return the normal form of an authority that an operator typed. Raises InvalidRequest."""
    authority = normal(text.strip())
    match = _AUTHORITY.fullmatch(authority)
    if (
        match is None
        or len(authority) > MAX_LENGTH
        or not 0 < int(match["port"] or 443) < 65536
        or not _is_host(match["host"])
    ):
        raise InvalidRequest(
            "An authority is a name or an address, and a port unless it is 443: 127.0.0.1:8443.",
            target="authority",
        )
    return authority


def host_of(authority: str) -> str:
    """Return the name or address in an authority, without port and brackets: what a certificate names."""
    match = _AUTHORITY.fullmatch(authority)
    return match["host"].strip("[]") if match else authority


def signed_spellings(host: str) -> tuple[str, ...]:
    """Return the spellings of a Host header that a client may have signed, the wire's first.

    A client whose endpoint names port 443 signs it, and its HTTP library leaves it out on the wire.
    """
    if host.endswith(_DEFAULT_PORT):
        return host, host[: -len(_DEFAULT_PORT)]
    return (host,) if ":" in host.rpartition("]")[2] else (host, host + _DEFAULT_PORT)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return ".." not in host
    try:
        return ip_address(host.strip("[]")).version == 6
    except ValueError:
        return False
