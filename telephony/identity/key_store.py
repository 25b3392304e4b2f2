"""Signing keys in the store. A resource has one that signs; the rows of two gateways never cross, because
whoever changes keys holds the resource's row until the commit."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from telephony.identity.keys import KeyId, StoredKey
from telephony.identity.names import UserId
from telephony.identity.states import KEY, KeyEvent, KeyState
from telephony.identity.store import announce
from telephony.identity.tables import token_keys, users
from telephony.identity.token import MAX_MINUTES
from telephony.kernel.clock import HOUR, MINUTE
from telephony.kernel.errors import NotFound
from telephony.kernel.ids import ResourceId
from telephony.resources.tables import resources

OVERLAP: Final = MAX_MINUTES * MINUTE + HOUR
"""How long a replaced key still verifies: the longest life of a token, and an hour for clocks that differ."""

KEYS_CHANGED: Final = UserId(bytes(16))
"""The user in an announcement that is about a resource's keys."""


@dataclass(frozen=True, slots=True)
class EnsureKey:
    """Return the key that signs for a resource: the present one unless it is as old as `replace_before` or
    is `broken`, else `fresh`, which replaces it. Raises NotFound when there is no such resource."""

    fresh: StoredKey
    replace_before: int
    """Keys made before this time are replaced; microseconds."""
    broken: KeyId | None = None
    """A key that does not open any more."""

    def __call__(self, tx: Connection) -> StoredKey:
        """See `telephony.kernel.store.jobs.Job`."""
        _lock(tx, self.fresh.resource)
        present = _signing(tx, self.fresh.resource)
        if (
            present is not None
            and present.id not in (self.broken, self.fresh.id)
            and present.created > self.replace_before
        ):
            return present
        _replace(tx, self.fresh)
        return self.fresh


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Let a fresh key sign from now on. What others signed is believed until it expires, or with `end_old` no
    more from now on. Raises NotFound when there is no such resource."""

    fresh: StoredKey
    end_old: bool = False

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        _lock(tx, self.fresh.resource)
        if self.end_old:
            for state in (KeyState.SIGNING, KeyState.VERIFYING):
                _move(tx, self.fresh.resource, state, KeyEvent.END, self.fresh.created)
        _replace(tx, self.fresh)


@dataclass(frozen=True, slots=True)
class FindSigningKey:
    """A query for the key that signs for a resource."""

    resource: ResourceId

    def __call__(self, tx: Connection) -> StoredKey | None:
        """Return the key, or None."""
        return _signing(tx, self.resource)


@dataclass(frozen=True, slots=True)
class ListKeys:
    """A query for the keys of a resource that verify at `now`, oldest first."""

    resource: ResourceId
    now: int

    def __call__(self, tx: Connection) -> list[StoredKey]:
        """Return the keys."""
        query = select(token_keys).where(token_keys.c.resource == self.resource).order_by(token_keys.c.id)
        return [key for row in tx.execute(query) if (key := _key(row)).verifies(self.now)]


@dataclass(frozen=True, slots=True)
class FindStanding:
    """A query: from which generation a user's tokens count, and whether a key still verifies at `now`."""

    resource: ResourceId
    user: UserId
    key: KeyId
    now: int

    def __call__(self, tx: Connection) -> int | None:
        """Return the generation, or None when there is no such user, or the key is over."""
        key = tx.execute(
            select(token_keys).where(token_keys.c.resource == self.resource, token_keys.c.id == self.key)
        ).first()
        if key is None or not _key(key).verifies(self.now):
            return None
        query = select(users.c.generation).where(users.c.resource == self.resource, users.c.id == self.user)
        return tx.execute(query).scalar()


def _lock(tx: Connection, resource: ResourceId) -> None:
    """Keep other gateways from changing a resource's keys until the commit. SQLite has one writer anyway."""
    query = select(resources.c.id).where(resources.c.id == resource)
    if tx.dialect.name == "postgresql":
        query = query.with_for_update()
    if tx.execute(query).first() is None:
        raise NotFound("There is no such resource.", target="resource")


def _signing(tx: Connection, resource: ResourceId) -> StoredKey | None:
    query = select(token_keys).where(
        token_keys.c.resource == resource, token_keys.c.state == KeyState.SIGNING.value
    )
    row = tx.execute(query).first()
    return None if row is None else _key(row)


def _replace(tx: Connection, fresh: StoredKey) -> None:
    _move(tx, fresh.resource, KeyState.SIGNING, KeyEvent.REPLACE, fresh.created + OVERLAP)
    tx.execute(
        insert(token_keys).values(
            resource=fresh.resource,
            id=fresh.id,
            state=KEY.initial.value,
            public=fresh.public,
            sealed=fresh.sealed,
            created=fresh.created,
        )
    )
    announce(tx, fresh.resource, KEYS_CHANGED)


def _move(tx: Connection, resource: ResourceId, state: KeyState, event: KeyEvent, expires: int) -> None:
    """Let an event happen to all keys of a resource that are in a state."""
    tx.execute(
        update(token_keys)
        .where(token_keys.c.resource == resource, token_keys.c.state == state.value)
        .values(state=KEY.fire(state, event).value, expires=expires)
    )


def _key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        ResourceId(bytes(row.resource)),
        KeyId(bytes(row.id)),
        KeyState(row.state),
        bytes(row.public),
        bytes(row.sealed),
        row.created,
        row.expires,
    )
