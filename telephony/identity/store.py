"""Users in the store. What ends tokens is announced to every gateway in the transaction that ends them."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telephony.identity.names import UserId, raw_id
from telephony.identity.tables import token_revocations, user_counts, users
from telephony.kernel.clock import HOUR
from telephony.kernel.errors import LimitReached, NotFound
from telephony.kernel.ids import ResourceId
from telephony.kernel.store.leases import database_now
from telephony.resources.audit import Trail

FIRST_GENERATION: Final = 0
DELETED: Final = 2**62
"""The generation of a user that is no more: beyond every token's."""

KEPT: Final = HOUR
"""How long a revocation can be read by gateways that were cut off from the database. One that was away for
longer believes nothing that it remembers."""

FULL_RETRY_SECONDS: Final = 60.0
"""When to come back after "too many users": somebody has to delete some first."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as the store has it."""

    resource: ResourceId
    id: UserId
    generation: int
    custom_id: str | None
    created: int
    token_issued: int | None


@dataclass(frozen=True, slots=True)
class CreateUser:
    """Make a user, or return the one that has the same custom id already; true when it was made.

    Raises LimitReached when the resource has `ceiling` users.
    """

    user: User
    ceiling: int
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> tuple[User, bool]:
        """See `telephony.kernel.store.jobs.Job`."""
        user = self.user
        # Also the lock that keeps two gateways from making the same user.
        count = _count(tx, user.resource, 1)
        if user.custom_id is not None:
            same = (users.c.resource == user.resource, users.c.custom_id == user.custom_id)
            existing = tx.execute(select(users.c.id).where(*same)).scalar()
            if existing is not None:
                _count(tx, user.resource, -1)
                return self._existing(tx, UserId(bytes(existing))), False
        if count > self.ceiling:
            raise LimitReached(
                f"The resource has {self.ceiling} users, its limit.",
                limit="identity.max_users",
                retry_after=FULL_RETRY_SECONDS,
            )
        tx.execute(
            insert(users).values(
                resource=user.resource,
                id=user.id,
                generation=user.generation,
                custom_id=user.custom_id,
                created=user.created,
                token_issued=user.token_issued,
            )
        )
        if self.trail is not None:
            self.trail.leave(tx, user.created, after={"id": raw_id(user.resource, user.id)})
        return user, True

    def _existing(self, tx: Connection, identifier: UserId) -> User:
        if self.user.token_issued is not None:
            return IssueToken(self.user.resource, identifier, self.user.token_issued)(tx)
        found = FindUser(self.user.resource, identifier)(tx)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Note that a user gets a token at `now`; returns the user. Raises NotFound."""

    resource: ResourceId
    user: UserId
    now: int

    def __call__(self, tx: Connection) -> User:
        """See `telephony.kernel.store.jobs.Job`."""
        changed = update(users).where(*_is(self.resource, self.user)).values(token_issued=self.now)
        row = tx.execute(changed.returning(*users.c)).first()
        if row is None:
            raise unknown_user()
        return _user(row)


@dataclass(frozen=True, slots=True)
class RevokeTokens:
    """End every token that a user has; returns the generation from which tokens count. Raises NotFound."""

    resource: ResourceId
    user: UserId
    now: int
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> int:
        """See `telephony.kernel.store.jobs.Job`."""
        changed = (
            update(users).where(*_is(self.resource, self.user)).values(generation=users.c.generation + 1)
        )
        generation = tx.execute(changed.returning(users.c.generation)).scalar()
        if generation is None:
            raise unknown_user()
        announce(tx, self.resource, self.user, generation)
        if self.trail is not None:
            self.trail.leave(tx, self.now)
        return int(generation)


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Delete a user with all that is known of it, and end its tokens. Raises NotFound."""

    resource: ResourceId
    user: UserId
    now: int
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        if tx.execute(delete(users).where(*_is(self.resource, self.user))).rowcount == 0:
            raise unknown_user()
        _count(tx, self.resource, -1)
        announce(tx, self.resource, self.user, DELETED)
        if self.trail is not None:
            self.trail.leave(tx, self.now)


@dataclass(frozen=True, slots=True)
class FindUser:
    """A query for one user."""

    resource: ResourceId
    user: UserId

    def __call__(self, tx: Connection) -> User | None:
        """Return the user, or None."""
        row = tx.execute(select(users).where(*_is(self.resource, self.user))).first()
        return None if row is None else _user(row)


@dataclass(frozen=True, slots=True)
class ListUsers:
    """A query for a resource's users, oldest first, from the one after `after`; perhaps for one alone."""

    resource: ResourceId
    after: bytes
    limit: int
    custom_id: str | None = None

    def __call__(self, tx: Connection) -> list[User]:
        """Return the users."""
        query = select(users).where(users.c.resource == self.resource, users.c.id > self.after)
        if self.custom_id is not None:
            query = query.where(users.c.custom_id == self.custom_id)
        return [_user(row) for row in tx.execute(query.order_by(users.c.id).limit(self.limit))]


def announce(tx: Connection, resource: ResourceId, user: UserId, generation: int | None = None) -> None:
    """Let every gateway hear that a user's tokens below `generation` are dead; without one, that something
    changed which has none."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    now = database_now(tx)
    row = {
        "resource": resource,
        "user": user,
        "generation": now if generation is None else generation,
        "at": now,
        "expires": now + KEPT,
    }
    tx.execute(dialect.insert(token_revocations).on_conflict_do_nothing(), row)


def unknown_user() -> NotFound:
    """Return the error for a user that there is not, or that is another resource's: nobody can tell which."""
    return NotFound("There is no such user.", target="id")


def _count(tx: Connection, resource: ResourceId, change: int) -> int:
    """Change the number of a resource's users and return it; nobody else changes it until the commit."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    counted = dialect.insert(user_counts).values(resource=resource, users=max(0, change))
    changed = counted.on_conflict_do_update(
        index_elements=[user_counts.c.resource], set_={"users": user_counts.c.users + change}
    )
    return int(tx.execute(changed.returning(user_counts.c.users)).scalar_one())


def _is(resource: ResourceId, user: UserId) -> tuple[ColumnElement[bool], ...]:
    return users.c.resource == resource, users.c.id == user


def _user(row: Row[Any]) -> User:
    return User(
        ResourceId(bytes(row.resource)),
        UserId(bytes(row.id)),
        row.generation,
        row.custom_id,
        row.created,
        row.token_issued,
    )
