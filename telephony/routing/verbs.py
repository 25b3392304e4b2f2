"""What administration does with sets of routes: look, check, replace."""

import asyncio
from dataclasses import dataclass

import msgspec

from telephony.kernel.clock import Clock
from telephony.kernel.errors import NotFound
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.routing.compiling import check_set
from telephony.routing.directory import OPERATOR, Carriers, RouteDirectory
from telephony.routing.overlaps import Oddity
from telephony.routing.rules import EMPTY, RouteSet
from telephony.routing.store import PutRoutes, ReadRoutes, StoredSet, outdated, read_versions
from telephony.routing.targets import TargetKinds


@dataclass(frozen=True, slots=True)
class Replaced:
    """A set that is in force now."""

    version: int
    oddities: tuple[Oddity, ...]


class RouteVerbs:
    """Looks at sets and replaces them. `OPERATOR` stands for the operator's."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        directory: RouteDirectory,
        kinds: TargetKinds,
        carriers: Carriers,
    ) -> None:
        self._store, self._clock, self._directory = store, clock, directory
        self._kinds, self._carriers = kinds, carriers

    async def show(self, resource: ResourceId, version: int | None = None) -> StoredSet:
        """Return a set; version 0, empty, when there is none yet. Raises NotFound for a forgotten version."""
        found = await self._store.read(ReadRoutes(resource, version))
        if found is None:
            if version:
                raise NotFound("There is no such version of the routes any more.", target="version")
            return StoredSet(resource, 0, msgspec.json.encode(EMPTY), 0)
        return found

    async def check(self, resource: ResourceId, rules: RouteSet) -> tuple[Oddity, ...]:
        """Return what is odd about a set. Raises InvalidRequest for one that cannot be put in force."""
        return await asyncio.to_thread(
            check_set, rules, dict(self._carriers()), self._kinds, operator=resource == OPERATOR
        )

    async def replace(self, resource: ResourceId, rules: RouteSet, after: int) -> Replaced:
        """Put a set in force that was made from version `after`, on this gateway before it returns.

        Raises InvalidRequest for one that cannot be, PreconditionFailed when another version is in force:
        then nothing has changed.
        """
        current = (await self._store.read(read_versions)).get(resource, 0)
        if current != after:  # the job looks again; this is before a second of work
            raise outdated(current)
        found = await self.check(resource, rules)
        document = await asyncio.to_thread(msgspec.json.encode, rules)
        version = await self._store.write(PutRoutes(resource, after, document, self._clock.now()))
        await self._directory.refresh()
        return Replaced(version, found)
