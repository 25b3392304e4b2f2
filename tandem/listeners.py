"""Further loopback addresses on which clients reach resources: `127.0.0.2:8443` beside `127.0.0.1:8443`.

Resources on one machine are told apart by address. Whoever gives one an authority on another loopback
address, at the port that HTTPS listens on, gets a listener there at once. Other addresses are reached by the
first listener (`host = "0.0.0.0"`), or by a proxy.
"""

import os
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final

import structlog

from tandem.config.tree import ANY_HOST
from tandem.http import Application, Server, ServerLimits, serve
from telephony.resources.authority import host_of

log = structlog.get_logger(__name__)

HTTPS_PORT: Final = 443


def further_addresses(authorities: Iterable[str], *, host: str, port: int) -> set[str]:
    """Return the loopback addresses that need a listener beside the one on `host` and `port`."""
    if host in ANY_HOST:
        return set()
    found = {host_of(authority) for authority in authorities if _port_of(authority) == port}
    return {address for address in found if address != host and _is_loopback(address)}


class Listeners:
    """The listeners for further loopback addresses. Call `follow` after every change, `drain` at the end."""

    def __init__(
        self,
        application: Application,
        context: ssl.SSLContext,
        *,
        host: str,
        port: int,
        limits: ServerLimits,
    ) -> None:
        self._application, self._context, self._limits = application, context, limits
        self._host, self._port = host, port
        self._servers: dict[str, Server] = {}
        self._failed: dict[str, str] = {}

    async def follow(self, authorities: Iterable[str]) -> None:
        """Listen where the authorities ask for it, and nowhere else."""
        wanted = further_addresses(authorities, host=self._host, port=self._port)
        self._failed = {}
        for address in sorted(wanted - self._servers.keys()):
            try:
                self._servers[address] = await serve(
                    self._application,
                    host=address,
                    port=self._port,
                    ssl_context=self._context,
                    limits=self._limits,
                )
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                self._failed[address] = reason
                log.error("listeners.failed", host=address, port=self._port, error=reason)
        for address in sorted(self._servers.keys() - wanted):
            await self._servers.pop(address).drain(0)

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        return [
            f"cannot listen on {address}:{self._port}: {reason}" for address, reason in self._failed.items()
        ]

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; let running requests end within `seconds`."""
        while self._servers:
            _, server = self._servers.popitem()
            await server.drain(seconds)


def _port_of(authority: str) -> int:
    port = authority.rpartition("]")[2].rpartition(":")[2] if ":" in authority.rpartition("]")[2] else ""
    return int(port) if port else HTTPS_PORT


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
