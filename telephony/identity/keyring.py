"""The signing keys of resources, in memory: for every token that is issued or verified."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from telephony.identity.key_store import EnsureKey, FindSigningKey, ListKeys, RotateKey
from telephony.identity.keys import (
    Jwk,
    KeyId,
    StoredKey,
    jwk_of,
    load_private_key,
    load_public_key,
    new_private_key,
    private_bytes,
    public_bytes,
    seal_place,
)
from telephony.identity.states import KEY
from telephony.kernel.clock import Clock
from telephony.kernel.errors import TandemError
from telephony.kernel.ids import ResourceId, new_id, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

RELOAD_SECONDS: Final = 0.25
"""How often a resource's keys are read again at most: made-up key ids must not keep the store busy."""

MAX_AGE_SECONDS: Final = 3.0
"""How old keys may be that are published."""

MAX_RESOURCES: Final = 10_000
"""Resources whose keys are remembered; beyond, all are read again."""


class Sealer(Protocol):
    """Seals what the database must not give away: `telephony.resources.seal.SelfDescribing`."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` sealed for the place `context` alone."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what `seal` sealed. Raises TandemError."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key ready to sign."""

    id: KeyId
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class _Ring:
    """A resource's keys, as they were read."""

    keys: Mapping[KeyId, StoredKey]
    public: Mapping[KeyId, ec.EllipticCurvePublicKey]
    read: float
    """Monotonic, when the reading began."""


class Keyring:
    """Signs with the right key, and knows those that verify."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer, *, key_age: int) -> None:
        """`key_age` is when a key is replaced, in microseconds."""
        self._store, self._clock, self._sealer, self._key_age = store, clock, sealer, key_age
        self._rings: dict[ResourceId, _Ring] = {}
        self._signing: dict[ResourceId, SigningKey] = {}
        self._reading: dict[ResourceId, asyncio.Lock] = {}
        self._forgotten = 0

    async def signing(self, resource: ResourceId) -> SigningKey:
        """Return the key that signs for a resource, a fresh one when there is none or it is too old.

        Raises NotFound for a resource that there is not, and Unavailable.
        """
        replace_before = self._clock.now() - self._key_age
        present = await self._store.read(FindSigningKey(resource))
        broken: KeyId | None = None
        while True:
            if present is None or present.id == broken or present.created <= replace_before:
                fresh = self.fresh(resource)
                present = await self._store.write(EnsureKey(fresh, replace_before, broken))
                self.forget(resource)
                if present.id == fresh.id:
                    log.info("identity.key_made", resource=to_text(resource), key=to_text(fresh.id))
            ready = self._opened(present)
            if ready is not None:
                return ready
            broken = present.id

    async def public(self, resource: ResourceId, key: KeyId) -> ec.EllipticCurvePublicKey | None:
        """Return a key that verifies a resource's tokens now, or None. Raises Unavailable.

        An unknown key may be one that another gateway made a moment ago: the store is asked, though not more
        often than every RELOAD_SECONDS.
        """
        ring = self._rings.get(resource) or await self._read(resource, 0.0)
        if key not in ring.keys:
            ring = await self._read(resource, RELOAD_SECONDS)
        stored = ring.keys.get(key)
        return ring.public[key] if stored is not None and stored.verifies(self._clock.now()) else None

    async def published(self, resource: ResourceId) -> tuple[Jwk, ...]:
        """Return the keys by which anybody can verify a resource's tokens. Raises Unavailable."""
        ring = self._rings.get(resource)
        if ring is None or self._clock.monotonic() - ring.read > MAX_AGE_SECONDS:
            ring = await self._read(resource, RELOAD_SECONDS)
        now = self._clock.now()
        return tuple(jwk_of(key) for key in ring.keys.values() if key.verifies(now))

    async def rotate(self, resource: ResourceId, *, end_old: bool) -> KeyId:
        """Let a fresh key sign from now on; with `end_old` every token that there is dies.

        Raises NotFound for a resource that there is not, and Unavailable.
        """
        fresh = self.fresh(resource)
        await self._store.write(RotateKey(fresh, end_old))
        self.forget(resource)
        log.warning(
            "identity.key_rotated", resource=to_text(resource), key=to_text(fresh.id), ended_old=end_old
        )
        return fresh.id

    def believed(self, resource: ResourceId, key: KeyId) -> bool:
        """Tell whether a key that verified a token before still does, as far as is remembered."""
        ring = self._rings.get(resource)
        stored = None if ring is None else ring.keys.get(key)
        return stored is not None and stored.verifies(self._clock.now())

    def forget(self, resource: ResourceId | None = None) -> None:
        """Read a resource's keys again before they are used; those of all when none is named."""
        self._forgotten += 1
        if resource is None:
            self._rings.clear()
        else:
            self._rings.pop(resource, None)

    def fresh(self, resource: ResourceId) -> StoredKey:
        """Return a new key, sealed."""
        now = self._clock.now()
        identifier, key = KeyId(new_id(now)), new_private_key()
        sealed = self._sealer.seal(private_bytes(key), seal_place(resource, identifier))
        return StoredKey(resource, identifier, KEY.initial, public_bytes(key), sealed, now)

    async def _read(self, resource: ResourceId, pause: float) -> _Ring:
        """Return a resource's keys as the store has them now, or had them `pause` seconds ago.

        Whoever comes later waits its turn: an unknown key is then looked for in what was read after it came.
        """
        asked = self._clock.monotonic()
        lock = self._reading.setdefault(resource, asyncio.Lock())
        async with lock:
            ring = self._rings.get(resource)
            if ring is not None and ring.read >= asked:
                return ring
            if ring is not None and pause:
                await asyncio.sleep(max(0.0, ring.read + pause - self._clock.monotonic()))
            began, forgotten = self._clock.monotonic(), self._forgotten
            found = await self._store.read(ListKeys(resource, self._clock.now()))
            ring = _Ring(
                {key.id: key for key in found}, {key.id: load_public_key(key.public) for key in found}, began
            )
            if forgotten == self._forgotten:  # else it may be older than what was heard meanwhile
                if len(self._rings) >= MAX_RESOURCES:
                    self._rings.clear()
                self._rings[resource] = ring
            return ring

    def _opened(self, stored: StoredKey) -> SigningKey | None:
        known = self._signing.get(stored.resource)
        if known is not None and known.id == stored.id:
            return known
        try:
            place = seal_place(stored.resource, stored.id)
            ready = SigningKey(stored.id, load_private_key(self._sealer.open(stored.sealed, place)))
        except (TandemError, ValueError):
            # Sealed by a master key that is gone: a fresh one signs, and this one goes on verifying.
            log.error("identity.key_does_not_open", resource=to_text(stored.resource), key=to_text(stored.id))
            return None
        self._signing[stored.resource] = ready
        return ready
