"""Whose token it is: the check of every request of a user's.

A signature costs a tenth of a millisecond, so what was verified is remembered by the token's hash; times,
the key's standing and the user's generation are compared each time. These two are remembered as well, as long
as `Revocations` says that nothing was missed; otherwise the store is asked.
"""

import hashlib
from typing import Final

import structlog

from telephony.identity.key_store import FindStanding
from telephony.identity.keyring import Keyring
from telephony.identity.metrics import IdentityMetrics
from telephony.identity.names import UserId, raw_id
from telephony.identity.revocations import Revocations
from telephony.identity.token import Forged, Token, key_named, verify
from telephony.kernel.clock import Clock
from telephony.kernel.http.route import UserToken
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

MAX_TOKENS: Final = 20_000
"""Tokens remembered: some 400 bytes each. The oldest goes first."""

MAX_USERS: Final = 50_000
"""Users whose generation is remembered."""


class Verifier:
    """Proves users by their tokens. An `Observer` of revocations."""

    def __init__(
        self, store: Store, clock: Clock, keyring: Keyring, revocations: Revocations, metrics: IdentityMetrics
    ) -> None:
        self._store, self._clock, self._metrics = store, clock, metrics
        self._keyring, self._revocations = keyring, revocations
        self._tokens: dict[bytes, Token] = {}
        self._generations: dict[tuple[ResourceId, UserId], int] = {}
        revocations.observe(self, lasting=False)

    async def __call__(self, resource: ResourceId, token: str) -> UserToken | None:
        """Return whose token it is, or None when it proves nothing at this resource. Raises Unavailable."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._tokens.get(digest)
        try:
            proven = known or await self._prove(resource, token)
            if known is None:
                self._remember(digest, proven)
            await self._check(resource, proven)
        except Forged as error:
            self._tokens.pop(digest, None)
            self._metrics.checked("refused")
            log.info("identity.token_refused", resource=to_text(resource), reason=error.reason)
            return None
        self._metrics.checked("verified" if known is None else "remembered")
        user = raw_id(proven.resource, proven.user)
        return UserToken(user, tuple(proven.scopes), proven.issued, proven.expires)

    def revoked(self, resource: ResourceId, user: UserId, generation: int) -> None:
        """See Observer."""
        self._generations.pop((resource, user), None)

    def keys_changed(self, resource: ResourceId) -> None:
        """See Observer."""
        self._keyring.forget(resource)

    def lost(self) -> None:
        """See Observer."""
        self._generations.clear()
        self._keyring.forget()

    async def _prove(self, resource: ResourceId, token: str) -> Token:
        """Return what a token says. Raises Forged."""
        named = key_named(token)
        key = await self._keyring.public(resource, named)
        if key is None:
            raise Forged("a key that does not verify here")
        return verify(token, named, key, resource)

    def _remember(self, digest: bytes, token: Token) -> None:
        if len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[digest] = token

    async def _check(self, resource: ResourceId, token: Token) -> None:
        """Compare a genuine token with where and when it is used. Raises Forged."""
        if token.resource != resource:
            raise Forged("another resource's")
        if not token.timely(self._clock.now()):
            raise Forged("not in force at this time")
        generation = await self._generation(token)
        if generation is None:
            raise Forged("its user or its key is no more")
        if generation != token.generation:
            # Not `<`: a generation beyond the store's was written to a database that is gone.
            raise Forged("revoked")

    async def _generation(self, token: Token) -> int | None:
        """Return the generation from which the tokens of a token's user count; None: none does."""
        who = token.resource, token.user
        if self._revocations.fresh():
            known = self._generations.get(who)
            if known is not None and self._keyring.believed(token.resource, token.key):
                return known
        found = await self._store.read(FindStanding(token.resource, token.user, token.key, self._clock.now()))
        if found is None:
            return None
        await self._keyring.public(token.resource, token.key)  # so that the next one is believed
        # A revocation may have been heard of while the store was asked.
        generation = max(found, self._revocations.floor(*who))
        if self._revocations.fresh():
            if len(self._generations) >= MAX_USERS:
                self._generations.clear()
            self._generations[who] = generation
        return generation
