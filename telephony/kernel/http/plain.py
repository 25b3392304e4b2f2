"""Where plain HTTP may be listened for: on this machine and nowhere else."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

UNIX: Final = "unix:"

MAX_SOCKET_PATH: Final = 107
"""Bytes: sockaddr_un of Linux has 108, one of them the NUL (unix(7))."""

EXPECTED: Final = (
    "expected 127.0.0.1:PORT, [::1]:PORT or unix:/path/of/a/socket: plain HTTP is for this machine alone; "
    "others reach the node by https (host, port)"
)


@dataclass(frozen=True, slots=True)
class PlainAddress:
    """A loopback address with its port, or a socket's path."""

    host: str = ""
    port: int = 0
    path: str = ""
    """Of a unix socket; empty for TCP."""


def parse_plain(text: str) -> PlainAddress:
    """Return what `http.plain` says. Raises ValueError, in words, for anything but this machine itself."""
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise ValueError(f"{EXPECTED}; got {text!r}")
        if len(path.encode()) > MAX_SOCKET_PATH:
            raise ValueError(f"expected a socket's path of at most {MAX_SOCKET_PATH} bytes, got {path!r}")
        return PlainAddress(path=path)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not _is_loopback(host) or not _is_port(port):
        raise ValueError(f"{EXPECTED}; got {text!r}")
    return PlainAddress(host, int(port))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name may mean anything, `localhost` too
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536
