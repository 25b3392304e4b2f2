"""Names of trunks looked up by the system's resolver: addresses of IPv4.

The resolver of the system tells no lifetimes, so answers are used for a minute. When it does not answer, the
last answer is used for a day: a carrier's address seldom changes while the DNS is away.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

import structlog
from msgspec import Struct

from sip.legs.targets import PORTS, Target
from sip.legs.trunks import TrunkFacts
from telephony.kernel.clock import Clock

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 60.0
STALE_SECONDS: Final = 24 * 3600.0
LOOKUP_SECONDS: Final = 2.0
"""A caller waits for it: below the 4 s in which a trunk has to be heard of (R8)."""
MOST_ADDRESSES: Final = 8
"""Of one name: an answer with more is a mistake, or none of ours to try."""
MOST_NAMES: Final = 10_000

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns a name's addresses of IPv4. Raises OSError."""


class _Answer(Struct, frozen=True):
    at: float
    addresses: tuple[str, ...]


async def system_lookup(name: str) -> Sequence[str]:
    """Ask the system. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    return [str(each[4][0]) for each in found]


class SystemFinder:
    """Implements `sip.legs.targets.Finder`."""

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup) -> None:
        """`lookup` is the system's unless a test has its own."""
        self._clock, self._lookup = clock, lookup
        self._known: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def find(self, facts: TrunkFacts) -> Sequence[Target]:
        """See `Finder`: an address as it is, a name's addresses in the order of the answer."""
        port = facts.port or PORTS[facts.transport]
        named = facts.host if facts.transport == "tls" else ""
        try:
            return (Target(facts.transport, str(IPv4Address(facts.host)), port, named),)
        except ValueError:
            addresses = await self._addresses(facts.host.lower().rstrip("."))
        return tuple(Target(facts.transport, each, port, named) for each in addresses)

    async def _addresses(self, name: str) -> tuple[str, ...]:
        known, now = self._known.get(name), self._clock.monotonic()
        if known is not None and now - known.at < FRESH_SECONDS:
            return known.addresses
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._ask(name), name="sip.lookup")
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await asyncio.shield(asking)
        except (OSError, TimeoutError) as error:
            if known is not None and now - known.at < STALE_SECONDS:
                log.warning("sip.stale_address", name=name, reason=str(error) or "too slow")
                return known.addresses
            log.warning("sip.unknown_name", name=name, reason=str(error) or "too slow")
            return ()

    async def _ask(self, name: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(await self._lookup(name)))[:MOST_ADDRESSES]
        if found:
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            self._known[name] = _Answer(self._clock.monotonic(), found)
        return found
