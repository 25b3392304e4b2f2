"""What can be done with users and their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from telephony.identity.key_store import ListKeys
from telephony.identity.keyring import Keyring
from telephony.identity.keys import KeyId, StoredKey
from telephony.identity.metrics import IdentityMetrics
from telephony.identity.names import UserId, parse_raw_id
from telephony.identity.revocations import Revocations
from telephony.identity.scopes import Scope
from telephony.identity.settings import IdentitySettings
from telephony.identity.store import (
    DELETED,
    FIRST_GENERATION,
    CreateUser,
    DeleteUser,
    FindUser,
    IssueToken,
    ListUsers,
    RevokeTokens,
    User,
    unknown_user,
)
from telephony.identity.token import Token, claims_for, sign
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import LimitReached
from telephony.kernel.http.limits import Bucket
from telephony.kernel.ids import ResourceId, new_id, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.resources.audit import Actor, AuditSettings, Change, Trail
from telephony.resources.directory import Directory

log = structlog.get_logger(__name__)

LOCATION: Final = "tandem"
"""The claim `resourceLocation`: ACS names the region that keeps a resource's data."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The token that somebody wants."""

    scopes: tuple[Scope, ...]
    minutes: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token."""

    token: Secret
    expires: int
    """Microseconds, exactly as in the token."""


class IdentityVerbs:
    """Make, look up, list and delete users; issue and revoke their tokens.

    Users are named by their raw ids. One that there is not, or that is another resource's, is NotFound. Each
    verb raises Unavailable when the store is away, and LimitReached beyond the ceilings of the settings. `by`
    is who asks for a change, which then leaves a record; a token that is issued is only counted and logged.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        directory: Directory,
        keyring: Keyring,
        revocations: Revocations,
        settings: IdentitySettings,
        metrics: IdentityMetrics,
        audit: AuditSettings,
    ) -> None:
        self._store, self._clock, self._directory = store, clock, directory
        self._keyring, self._revocations = keyring, revocations
        self._settings, self._metrics, self._audit = settings, metrics, audit
        self._changes = _Pace(
            "identity.changes_per_second", settings.changes_per_second, settings.changes_burst, clock
        )
        self._tokens = _Pace(
            "identity.tokens_per_second", settings.tokens_per_second, settings.tokens_burst, clock
        )

    async def create(
        self, resource: ResourceId, wish: Wish | None, custom_id: str | None, by: Actor | None = None
    ) -> tuple[User, Issued | None]:
        """Make a user, with a token when one is wished for.

        With a custom id that the resource has given already, that user is returned: once more makes none.
        """
        self._changes.check(resource)
        if wish is not None:
            self._tokens.check(resource)
        now = self._clock.now()
        fresh = User(
            resource,
            UserId(new_id(now)),
            FIRST_GENERATION,
            custom_id,
            now,
            None if wish is None else now,
        )
        trail = self._trail(resource, by, "identity.create", "/identities")
        user, made = await self._store.write(CreateUser(fresh, self._settings.max_users, trail))
        if made:
            self._metrics.changed("created")
            log.info("identity.user_created", resource=to_text(resource), user=to_text(user.id))
        return user, None if wish is None else await self._sign(user, wish, now)

    async def find(self, resource: ResourceId, raw_id: str) -> User:
        """Return a user."""
        user = await self._store.read(FindUser(resource, _named(resource, raw_id)))
        if user is None:
            raise unknown_user()
        return user

    async def list(
        self, resource: ResourceId, *, after: bytes, limit: int, custom_id: str | None = None
    ) -> list[User]:
        """Return a resource's users, oldest first, from the one after `after`; `custom_id` narrows to one."""
        return await self._store.read(ListUsers(resource, after, limit, custom_id))

    async def issue(self, resource: ResourceId, raw_id: str, wish: Wish) -> Issued:
        """Return a token of a user's."""
        identifier = _named(resource, raw_id)
        self._tokens.check(resource)
        now = self._clock.now()
        return await self._sign(await self._store.write(IssueToken(resource, identifier, now)), wish, now)

    async def revoke(self, resource: ResourceId, raw_id: str, by: Actor | None = None) -> None:
        """End every token that a user has; a later one is good again."""
        identifier = _named(resource, raw_id)
        self._changes.check(resource)
        path = f"/identities/{raw_id}/:revokeAccessTokens"
        trail = self._trail(resource, by, "identity.revoke_tokens", path)
        generation = await self._store.write(RevokeTokens(resource, identifier, self._clock.now(), trail))
        self._revocations.tell(resource, identifier, generation)
        self._metrics.changed("revoked")
        log.info("identity.tokens_revoked", resource=to_text(resource), user=to_text(identifier))

    async def delete(self, resource: ResourceId, raw_id: str, by: Actor | None = None) -> None:
        """Delete a user with all that is known of it, and end its tokens."""
        identifier = _named(resource, raw_id)
        self._changes.check(resource)
        trail = self._trail(resource, by, "identity.delete", f"/identities/{raw_id}")
        await self._store.write(DeleteUser(resource, identifier, self._clock.now(), trail))
        self._revocations.tell(resource, identifier, DELETED)
        self._metrics.changed("deleted")
        log.info("identity.user_deleted", resource=to_text(resource), user=to_text(identifier))

    async def keys(self, resource: ResourceId) -> Sequence[StoredKey]:
        """Return the keys that verify a resource's tokens, oldest first."""
        return await self._store.read(ListKeys(resource, self._clock.now()))

    async def rotate_keys(self, resource: ResourceId, *, end_old: bool) -> KeyId:
        """Let a fresh key sign from now on; with `end_old` every token of the resource dies at once."""
        return await self._keyring.rotate(resource, end_old=end_old)

    def _trail(self, resource: ResourceId, by: Actor | None, operation: str, target: str) -> Trail | None:
        # Nothing of the body: the custom id is forgotten with its user, a record is not.
        return None if by is None else Trail(Change(resource, by, operation, target), self._audit.days)

    async def _sign(self, user: User, wish: Wish, now: int) -> Issued:
        key = await self._keyring.signing(user.resource)
        issued = now // SECOND
        expires = issued + wish.minutes * 60
        token = Token(user.resource, user.id, key.id, wish.scopes, issued, issued, expires, user.generation)
        known = self._directory.by_id(user.resource)
        issuer = f"https://{known.authorities[0]}" if known is not None and known.authorities else ""
        claims = claims_for(token, issuer=issuer, location=LOCATION, identifier=new_id(now))
        self._metrics.changed("issued")
        log.info(
            "identity.token_issued",
            resource=to_text(user.resource),
            user=to_text(user.id),
            jti=claims.jti,
            scopes=claims.acs_scope,
            minutes=wish.minutes,
        )
        return Issued(Secret(sign(claims, key.key, key.id)), expires * SECOND)


class _Pace:
    """Holds every resource to a rate, each on its own."""

    def __init__(self, limit: str, rate: float, burst: float, clock: Clock) -> None:
        self._limit, self._rate, self._burst, self._clock = limit, rate, burst, clock
        self._buckets: dict[bytes, Bucket] = {}

    def check(self, resource: ResourceId) -> None:
        """Count one. Raises LimitReached."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(resource)
        if bucket is None:
            bucket = self._buckets[resource] = Bucket(self._rate, self._burst, now)
        if (wait := bucket.take(now)) > 0:
            raise LimitReached(
                f"The resource asks more than {self._rate:g} times a second, its limit.",
                limit=self._limit,
                retry_after=wait,
            )


def _named(resource: ResourceId, raw_id: str) -> UserId:
    """Return the user that a raw id names. Raises NotFound when that is none of this resource's."""
    named = parse_raw_id(raw_id)
    if named is None or named[0] != resource:
        raise unknown_user()
    return named[1]
