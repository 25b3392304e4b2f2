"""Keeps the tables in force: makes those of every set beside the ones in use, and swaps them as a whole."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from telephony.kernel.errors import TandemError
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch
from telephony.resources.directory import NOBODY
from telephony.routing.compiling import Compiled, compile_set
from telephony.routing.formats import NumberFormats
from telephony.routing.router import Router, Tables
from telephony.routing.rules import RouteSet
from telephony.routing.store import ReadRoutes, StoredSet, read_versions
from telephony.routing.targets import TargetKinds

log = structlog.get_logger(__name__)

OPERATOR: Final = NOBODY
"""The resource that the operator's set stands under: all zero."""

Carriers = Callable[[], Mapping[str, NumberFormats]]
"""Returns the carriers that there are now, and how each writes numbers."""

_decode: Final = msgspec.json.Decoder(RouteSet).decode


class RouteDirectory:
    """Feeds a router. `start` before the first decision, `refresh` after a change, `stop` at the end."""

    def __init__(self, store: Store, router: Router, kinds: TargetKinds, carriers: Carriers) -> None:
        self._store, self._router, self._kinds, self._carriers = store, router, kinds, carriers
        self._versions: Mapping[ResourceId, int] = {}
        self._known: Mapping[str, NumberFormats] | None = None
        self._compiled: dict[ResourceId, tuple[int, Compiled]] = {}
        self._broken: dict[ResourceId, str] = {}
        self._watch = Watch("routing.directory", self.refresh)
        self._turn = asyncio.Lock()  # what was read earlier is never taken over later

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each: sets that were right once and cannot be used now."""
        return [
            f"The routes of {'the operator' if owner == OPERATOR else to_text(owner)} cannot be used: {why}"
            for owner, why in self._broken.items()
        ]

    async def start(self) -> None:
        """Read everything, and keep looking for changes. Raises Unavailable when the store is away."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has and which carriers there are, if changed. Raises Unavailable."""
        async with self._turn:
            carriers = dict(self._carriers())
            versions = await self._store.read(read_versions)
            changed = {owner for owner, version in versions.items() if self._versions.get(owner) != version}
            if carriers != self._known and OPERATOR in versions:
                changed.add(OPERATOR)
            for owner in changed:
                stored = await self._store.read(ReadRoutes(owner, versions[owner]))
                if stored is not None:
                    await self._take_over(stored, carriers)
            gone = self._compiled.keys() - versions.keys()
            for owner in gone:
                del self._compiled[owner]
            self._versions, self._known = versions, carriers
            if changed or gone:
                self._swap()

    async def _take_over(self, stored: StoredSet, carriers: Mapping[str, NumberFormats]) -> None:
        owner = stored.resource
        try:
            # A large set takes seconds, in which the event loop has other things to do.
            compiled = await asyncio.to_thread(
                lambda: compile_set(_decode(stored.document), carriers, self._kinds)
            )
        except (TandemError, msgspec.ValidationError) as error:  # the last good one stays in force
            self._broken[owner] = str(error)
            log.error("routing.not_usable", resource=to_text(owner), version=stored.version, error=str(error))
        else:
            self._broken.pop(owner, None)
            self._compiled[owner] = (stored.version, compiled)
            log.info(
                "routing.in_force",
                resource=to_text(owner),
                version=stored.version,
                prefixes=compiled.outbound.prefixes,
            )

    def _swap(self) -> None:
        operator = self._compiled.get(OPERATOR)
        resources = {
            owner: compiled.inbound for owner, (_, compiled) in self._compiled.items() if owner != OPERATOR
        }
        if operator is None:
            self._router.tables = Tables(resources=resources)
            return
        version, compiled = operator
        self._router.tables = Tables(compiled.outbound, version, compiled.inbound, resources)
