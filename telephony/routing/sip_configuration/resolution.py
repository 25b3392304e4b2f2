"""Where a trunk's name leads: looked up when it is needed, and guarded each time as R25 wants it.

The tenant owns the name, so it may lead to a public address now and to ours in a minute. Whoever connects
gets numeric addresses that were permitted just now, connects to one of these, and asks no resolver again; TLS
then proves the name. One address that is not permitted refuses them all.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Protocol

import structlog

from telephony.kernel.clock import Clock
from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound_addresses import AddressPolicy, DestinationRefused, OutboundSettings
from telephony.routing.sip_configuration.configuration import IpVersion
from telephony.routing.sip_configuration.names import folded, is_fqdn

log = structlog.get_logger(__name__)

MIN_SECONDS: Final = 5.0
"""How long an answer is used at least: a TTL of 0 would be a look-up with every call."""

MAX_SECONDS: Final = 300.0
"""How long at most: an SBC that has moved is found again within five minutes, whatever its zone says."""

USUAL_SECONDS: Final = 30.0
"""How long an answer of the system's resolver is used, which tells no TTL."""

LOOKUP_SECONDS: Final = 5.0
"""How long a look-up may take: a call waits for it."""

MAX_ANSWER: Final = 32
"""Addresses of a name that are looked at; a longer answer is refused."""

MAX_KEPT: Final = 10_000
"""Names whose answers are kept; beyond, all are forgotten, which costs one look-up each."""

THREADS: Final = 4
"""Look-ups of the system's resolver at once."""

REFUSED: Final = "The trunk's name leads where nothing may be sent."
NOWHERE: Final = "The trunk's name has no address."


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS says of a name."""

    addresses: tuple[str, ...]
    seconds: float
    """Its TTL."""


class Lookup(Protocol):
    """Asks DNS."""

    async def __call__(self, fqdn: str) -> Answer:
        """Return a name's addresses, of both families. Raises OSError when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    answer: Answer | None
    """None: it had no address."""


class TrunkAddresses:
    """The addresses of trunks. One a process."""

    def __init__(self, lookup: Lookup, settings: OutboundSettings, clock: Clock) -> None:
        """`settings` name the networks of one's own that may be reached; their list of ports is HTTP's, and
        does not count: a trunk says its own."""
        self._lookup, self._clock = lookup, clock
        self._policy = lru_cache(maxsize=256)(
            lambda port: AddressPolicy(OutboundSettings(allow=settings.allow, ports=(port,)))
        )
        self._kept: dict[str, _Kept] = {}
        self._running: dict[str, asyncio.Task[_Kept]] = {}

    async def of(self, fqdn: str, port: int, version: IpVersion | None = None) -> Sequence[str]:
        """Return the numeric addresses that a trunk is to be reached at now, of one family if it says so.

        Raises DestinationRefused when one of them is not permitted, or `fqdn` is no name; RemoteUnavailable
        when there are none.
        """
        if not is_fqdn(fqdn):  # an address in some spelling, most of all
            raise DestinationRefused(REFUSED)
        kept = await self._answer(folded(fqdn))
        if kept.answer is None:
            raise RemoteUnavailable(NOWHERE)
        addresses = kept.answer.addresses
        policy = self._policy(port)
        for address in addresses:
            if not policy.permits(address, port):
                log.warning("sip.trunk_refused", fqdn=fqdn, resolved=address, port=port)
                raise DestinationRefused(REFUSED)
        wanted = [
            each for each in addresses if version is None or f"IPv{ip_address(each).version}" == version
        ]
        if not wanted:
            raise RemoteUnavailable(NOWHERE)
        return wanted

    async def _answer(self, name: str) -> _Kept:
        kept = self._kept.get(name)
        if kept is not None and self._clock.monotonic() < kept.until:
            return kept
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(self._look_up(name), name="sip.lookup")
            task.add_done_callback(lambda _: self._running.pop(name, None))
        return await asyncio.shield(task)  # others wait for the same answer

    async def _look_up(self, name: str) -> _Kept:
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                answer = await self._lookup(name)
        except (OSError, TimeoutError) as error:
            log.info("sip.trunk_not_found", fqdn=name, error=str(error))
            return self._keep(name, None, MIN_SECONDS)
        if not 0 < len(answer.addresses) <= MAX_ANSWER:
            return self._keep(name, None, MIN_SECONDS)
        return self._keep(name, answer, min(max(answer.seconds, MIN_SECONDS), MAX_SECONDS))

    def _keep(self, name: str, answer: Answer | None, seconds: float) -> _Kept:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        kept = self._kept[name] = _Kept(self._clock.monotonic() + seconds, answer)
        return kept


class SystemLookup:
    """Asks the system's resolver, in threads of its own: one that hangs keeps nobody else waiting."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sip-lookup")

    async def __call__(self, fqdn: str) -> Answer:
        """See Lookup."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _system, fqdn)
        return Answer(found, USUAL_SECONDS)

    def close(self) -> None:
        """Give the threads back; one that is in a look-up ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _system(fqdn: str) -> tuple[str, ...]:
    # The dot at the end: no search list makes another name of it.
    try:
        found = socket.getaddrinfo(f"{fqdn}.", None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long for IDNA's codec
        raise OSError("the name cannot be looked up") from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
