"""The verbs behind the administration of resources and keys: each is in force here when it returns.

Another gateway on the same database takes it over within `telephony.kernel.watch.REFRESH_SECONDS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from telephony.kernel.clock import Clock
from telephony.kernel.errors import NotFound
from telephony.kernel.http.route import Role
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.resources.access_key import Slot, connection_string
from telephony.resources.directory import Directory, Resource
from telephony.resources.seal import MasterKeys
from telephony.resources.verbs import (
    AddAdminKey,
    AddAuthorities,
    AdminKeyView,
    CreateResource,
    NewAdminKey,
    RemoveAuthorities,
    RevokeAdminKey,
    RotateKey,
    SetDisabled,
    list_admin_keys,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource and the connection strings of its two keys, shown this once."""

    resource: Resource
    primary: Secret
    secondary: Secret


class ResourceVerbs:
    """Add, show, change and disable resources; rotate their keys; add and revoke keys of administration.

    Each raises Unavailable when the store is away.
    """

    def __init__(self, *, store: Store, directory: Directory, master: MasterKeys, clock: Clock) -> None:
        self._store, self._directory, self._master, self._clock = store, directory, master, clock

    def list(self) -> Sequence[Resource]:
        """Return all resources, in order of creation."""
        return tuple(self._directory.resources)

    def get(self, resource: bytes) -> Resource:
        """Return a resource. Raises NotFound."""
        found = self._directory.by_id(resource)
        if found is None:
            raise NotFound("There is no such resource.", target="resource")
        return found

    async def add(self, name: str, authorities: Sequence[str], *, demonstration: bool = False) -> NewResource:
        """Make a resource with two keys. Raises InvalidRequest; Conflict for an authority that is taken."""
        job = CreateResource(name, authorities, self._master, self._clock.now(), demonstration)
        made = await self._store.write(job)
        await self._directory.refresh()
        log.info("resources.added", resource=to_text(made.id), authorities=made.authorities)
        first = made.authorities[0]
        return NewResource(
            self.get(made.id),
            connection_string(first, made.keys.primary),
            connection_string(first, made.keys.secondary),
        )

    async def add_authorities(self, resource: ResourceId, authorities: Sequence[str]) -> Resource:
        """Let a resource be reached under more names. Raises NotFound, InvalidRequest, Conflict."""
        await self._store.write(AddAuthorities(resource, authorities, self._clock.now()))
        await self._directory.refresh()
        return self.get(resource)

    async def remove_authorities(self, resource: ResourceId, authorities: Sequence[str]) -> Resource:
        """Let a resource be reached under fewer names. Raises NotFound, InvalidRequest."""
        await self._store.write(RemoveAuthorities(resource, authorities, self._clock.now()))
        await self._directory.refresh()
        return self.get(resource)

    async def rotate(self, resource: ResourceId, slot: Slot) -> Secret:
        """Put a fresh key in one slot's place; the one before opens nothing any more. Raises NotFound.

        Returns the new connection string, which is shown this once.
        """
        key = await self._store.write(RotateKey(resource, slot, self._master, self._clock.now()))
        await self._directory.refresh()
        log.info("resources.key_rotated", resource=to_text(resource), slot=slot.value)
        return connection_string(self.get(resource).authorities[0], key)

    async def set_disabled(self, resource: ResourceId, disabled: bool) -> Resource:
        """Let nobody in by a resource's authorities, or let them in again. Raises NotFound."""
        await self._store.write(SetDisabled(resource, disabled, self._clock.now()))
        await self._directory.refresh()
        log.info("resources.disabled" if disabled else "resources.enabled", resource=to_text(resource))
        return self.get(resource)

    async def add_admin_key(self, name: str, role: Role) -> NewAdminKey:
        """Make a key of administration. Raises InvalidRequest."""
        made = await self._store.write(AddAdminKey(name, role, self._clock.now()))
        await self._directory.refresh()
        log.info("resources.admin_key_added", key=to_text(made.id), role=role.value)
        return made

    async def list_admin_keys(self) -> Sequence[AdminKeyView]:
        """Return all keys of administration, the revoked ones too."""
        return await self._store.read(list_admin_keys)

    async def revoke_admin_key(self, key: bytes) -> None:
        """End a key of administration. Raises NotFound, Conflict for the last owner's."""
        await self._store.write(RevokeAdminKey(key, self._clock.now()))
        await self._directory.refresh()
        log.info("resources.admin_key_revoked", key=to_text(key))
