"""Who may ask: every resource with its authorities and keys, and the keys of administration, in memory.

Look-ups are on the path of every request, so they are dictionaries; the database is asked every few seconds
whether anything changed (another gateway may have changed it), and at once after a change of ours.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import structlog
from sqlalchemy import Connection, func, select

from telephony.kernel.http.route import Role
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.kernel.watch import REFRESH_SECONDS, Watch
from telephony.resources.access_key import ACCESS_KEY_BYTES, Slot, admin_key_hash, seal_place
from telephony.resources.authority import normal
from telephony.resources.seal import MasterKeys, SealBroken
from telephony.resources.tables import admin_keys, resource_authorities, resource_keys, resources

log = structlog.get_logger(__name__)

NOBODY: Final = ResourceId(bytes(16))
"""The resource of a request that is no resource's."""

Fingerprint = tuple[int, int, int, int]

Follower = Callable[[], Awaitable[None]]
"""Told that the directory changed: whoever keeps a certificate or a listener for each authority."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A tenant, as requests see it."""

    id: ResourceId
    name: str
    demonstration: bool
    authorities: tuple[str, ...]
    keys: tuple[bytes, ...]
    """Primary, then secondary, decoded; without one that does not open."""
    disabled: bool = False
    """Nobody gets in by its authorities."""

    def __repr__(self) -> str:
        return f"Resource({to_text(self.id)}, {self.name!r}, {self.authorities})"


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who holds a key of administration."""

    id: bytes
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SealedKey:
    """An access key as the database has it."""

    resource: ResourceId
    slot: str
    sealed: bytes
    master: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything, as one transaction saw it."""

    fingerprint: Fingerprint
    resources: tuple[tuple[ResourceId, str, bool, bool], ...]
    authorities: tuple[tuple[ResourceId, str], ...]
    keys: tuple[SealedKey, ...]
    administrators: tuple[tuple[bytes, Administrator], ...]


class Directory:
    """The look-ups. `start` before the first request, `refresh` after a change, `stop` at the end."""

    def __init__(self, store: Store, master: MasterKeys, *, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self._store, self._master = store, master
        self._by_authority: Mapping[str, Resource] = {}
        self._by_id: Mapping[bytes, Resource] = {}
        self._administrators: Mapping[bytes, Administrator] = {}
        self._opened: dict[SealedKey, bytes] = {}
        self._fingerprint: Fingerprint | None = None
        self._watch = Watch("resources.directory", self.refresh, refresh_seconds)
        self._turn = asyncio.Lock()  # what was read earlier is never taken over later
        self._followers: list[Follower] = []
        self.stranger: Final = Resource(
            NOBODY, "", False, (), (os.urandom(ACCESS_KEY_BYTES), os.urandom(ACCESS_KEY_BYTES))
        )
        """Stands for an unknown authority: its keys fit nothing, at the price of a wrong key."""

    def follow(self, follower: Follower) -> None:
        """Let `follower` run after every change that was taken over, before `refresh` returns."""
        self._followers.append(follower)

    def by_authority(self, authority: str) -> Resource | None:
        """Return the resource that a Host header chooses, unless it is disabled."""
        return self._by_authority.get(authority) or self._by_authority.get(normal(authority))

    def by_id(self, resource: bytes) -> Resource | None:
        """Return a resource by its id."""
        return self._by_id.get(resource)

    def knows(self, resource: ResourceId) -> bool:
        """Tell whether there is such a resource."""
        return resource in self._by_id

    def admits(self, resource: ResourceId) -> bool:
        """Tell whether there is such a resource and it is not disabled."""
        found = self._by_id.get(resource)
        return found is not None and not found.disabled

    def administrator(self, key: str) -> Administrator | None:
        """Return who holds the key of administration `key`."""
        return self._administrators.get(admin_key_hash(key))

    @property
    def resources(self) -> Iterable[Resource]:
        """All resources, in order of creation."""
        return self._by_id.values()

    @property
    def authorities(self) -> frozenset[str]:
        """All authorities: what the certificate has to name."""
        return frozenset(self._by_authority)

    async def start(self) -> Self:
        """Read everything, and keep looking for changes."""
        await self.refresh()
        self._watch.start()
        return self

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has, if it changed. Raises Unavailable when that is away."""
        async with self._turn:
            known = self._fingerprint
            snapshot = await self._store.read(
                lambda tx: None if fingerprint(tx) == known else take_snapshot(tx)
            )
            if snapshot is None:
                return
            self._take_over(snapshot)
            for follower in self._followers:
                await follower()

    def _take_over(self, snapshot: Snapshot) -> None:
        self._opened = {key: self._opened.get(key) or self._open(key) for key in snapshot.keys}
        keys: dict[bytes, dict[str, bytes]] = {}
        for sealed, plain in self._opened.items():
            if plain:
                keys.setdefault(sealed.resource, {})[sealed.slot] = plain
        names: dict[bytes, list[str]] = {}
        for owner, authority in snapshot.authorities:
            names.setdefault(owner, []).append(authority)
        by_id: dict[bytes, Resource] = {
            identifier: Resource(
                identifier,
                name,
                demonstration,
                tuple(names.get(identifier, ())),
                tuple(keys[identifier][slot] for slot in Slot if slot in keys.get(identifier, {})),
                disabled,
            )
            for identifier, name, demonstration, disabled in snapshot.resources
        }
        self._by_id = by_id
        self._by_authority = {
            name: item for item in by_id.values() if not item.disabled for name in item.authorities
        }
        self._administrators = dict(snapshot.administrators)
        self._fingerprint = snapshot.fingerprint
        log.info("resources.read", resources=len(by_id), administrators=len(self._administrators))

    def _open(self, key: SealedKey) -> bytes:
        try:
            return self._master.open(key.sealed, seal_place(key.resource, key.slot), key.master)
        except SealBroken as error:  # one key that does not open must not lock out everybody
            log.error(
                "resources.key_does_not_open",
                resource=to_text(key.resource),
                slot=key.slot,
                error=error.message,
            )
            return b""


def fingerprint(tx: Connection) -> Fingerprint:
    """Return numbers that differ after any change."""
    counted = tx.execute(select(func.count(), func.coalesce(func.sum(resources.c.version), 0))).one()
    admins = tx.execute(select(func.count(), func.count(admin_keys.c.revoked)).select_from(admin_keys)).one()
    return int(counted[0]), int(counted[1]), int(admins[0]), int(admins[1])


def take_snapshot(tx: Connection) -> Snapshot:
    """Read everything."""
    seen = fingerprint(tx)
    column, owner = resource_authorities.c, resources.c
    tenants = tx.execute(
        select(owner.id, owner.name, owner.demonstration, owner.disabled).order_by(owner.id)
    ).all()
    named = tx.execute(
        select(column.resource, column.authority).order_by(column.resource, column.position)
    ).all()
    return Snapshot(
        seen,
        tuple(
            (ResourceId(bytes(row.id)), row.name, row.demonstration, row.disabled is not None)
            for row in tenants
        ),
        tuple((ResourceId(bytes(row.resource)), row.authority) for row in named),
        tuple(
            SealedKey(ResourceId(bytes(row.resource)), row.slot, bytes(row.sealed), row.master)
            for row in tx.execute(select(resource_keys))
        ),
        tuple(
            (bytes(row.hash), Administrator(bytes(row.id), row.name, Role(row.role)))
            for row in tx.execute(select(admin_keys).where(admin_keys.c.revoked.is_(None)))
        ),
    )
