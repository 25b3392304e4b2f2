"""Every resource's routes in memory, ready to be asked: a decision about a call waits for no database."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch
from telephony.routing.decide import Witness
from telephony.routing.sip_configuration.choice import Choice, CompiledRoutes
from telephony.routing.sip_configuration.entrance import EnabledName, Entered, Proof, may_enter
from telephony.routing.sip_configuration.faults import Unprocessable
from telephony.routing.sip_configuration.store import find, find_in_force

log = structlog.get_logger(__name__)

NOTHING: Final[Mapping[str, EnabledName]] = {}


class SipDirectory:
    """`start` before the first call, `refresh` after a change, `stop` at the end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled: dict[ResourceId, tuple[int, CompiledRoutes]] = {}
        self._broken: dict[ResourceId, tuple[int, str]] = {}
        self._enabled: Mapping[ResourceId, Mapping[str, EnabledName]] = {}
        self._watch = Watch("sip.directory", self.refresh)
        self._turn = asyncio.Lock()  # what was read earlier is never taken over later

    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        """Return where the resource's own routes send a number; None: no route of its own is for it, and the
        operator's carriers decide. Quick, raises nothing."""
        found = self._compiled.get(resource)
        if found is None:
            return None
        return found[1].choose(number, self._enabled.get(resource, NOTHING), witness)

    def entering(self, *, tls_names: Collection[str] = (), source: str | None = None) -> Entered | None:
        """Return whose SBC a connection is from, as `may_enter` knows it; None: it is not let in.

        A trunk that its tenant switched off, or has not added, lets nobody in; nor does an address that could
        be of two resources. Quick, raises nothing.
        """
        found: list[Entered] = []
        for resource, names in self._enabled.items():
            compiled = self._compiled.get(resource)
            if compiled is None:
                continue
            for enabled in names.values():
                proof = may_enter(enabled, tls_names=tls_names, source=source)
                fqdn = None if proof is None else compiled[1].usable(enabled.fqdn, names)
                if proof is not None and fqdn is not None:
                    found.append(Entered(resource, fqdn, proof))
        found.sort(key=lambda each: (each.by is not Proof.CERTIFICATE, each.fqdn))
        if len({each.resource for each in found if each.by is found[0].by}) > 1:
            return None
        return found[0] if found else None

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each: routes that were right once and cannot be used now."""
        return [
            f"The SIP routes of {to_text(owner)} cannot be used: {why}"
            for owner, (_, why) in self._broken.items()
        ]

    async def start(self) -> None:
        """Read everything, and keep looking for changes. Raises Unavailable when the store is away."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has. Raises Unavailable."""
        async with self._turn:
            in_force = await self._store.read(find_in_force)
            self._enabled = in_force.enabled
            for owner, version in in_force.versions.items():
                known = self._broken.get(owner) or self._compiled.get(owner)
                if known is None or known[0] != version:
                    await self._take_over(owner)

    async def _take_over(self, owner: ResourceId) -> None:
        stored = await self._store.read(find(owner))
        try:
            compiled = await asyncio.to_thread(CompiledRoutes, stored.configuration)
        except Unprocessable as error:  # it passed once: with another release of RE2. The last one stays
            self._broken[owner] = (stored.version, error.message)
            log.error("sip.routes_not_usable", resource=to_text(owner), error=error.message)
        else:
            self._broken.pop(owner, None)
            self._compiled[owner] = (stored.version, compiled)
