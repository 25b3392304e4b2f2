"""Who asks: a resource by its signature, a user by a token, an administrator by a key.

What fails here always fails with the same text. The resource is chosen by the request's authority before
anything is proven, and only its keys are tried; an unknown authority is tried against keys that fit nothing,
so that it costs what a wrong key costs.
"""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from tandem.http.matcher import Match
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Forbidden
from telephony.kernel.http.route import Auth, Role, Route, UserToken
from telephony.kernel.http.signature import SCHEME, SignatureRefused, verify
from telephony.kernel.ids import ResourceId
from telephony.resources.authority import signed_spellings
from telephony.resources.directory import NOBODY, Directory

UserVerifier = Callable[[ResourceId, str], Awaitable[UserToken | None]]
"""Takes the authority's resource and a token; returns what it says, or None when it proves nothing there.
Raises Unavailable when that cannot be found out."""


async def no_users(_resource: ResourceId, _token: str) -> None:
    """Stand where nobody issues tokens."""


class Caller(Struct, frozen=True, gc=False):
    """Who asks, proven."""

    resource: ResourceId = NOBODY
    token: UserToken | None = None
    """What a user's token says."""
    role: Role | None = None
    administrator: bytes = b""
    """The id of the administration key."""
    content_hash: str | None = None
    """The body hash that the signature covers; the body is checked against it when it is there."""


_ANYBODY = Caller()


class Authenticator:
    """Proves callers by what the directory knows."""

    def __init__(self, directory: Directory, clock: Clock, users: UserVerifier = no_users) -> None:
        self._directory, self._clock, self._users = directory, clock, users

    def prove(
        self, auth: Auth, method: str, target: str, headers: Mapping[str, str], match: Match[Route] | None
    ) -> Caller:
        """Return the caller of a request whose route asks for `auth`, which is not USER. Raises
        Unauthorized."""
        if auth is Auth.HMAC:
            return self._resource(method, target, headers, match)
        if auth is Auth.NONE:
            return _ANYBODY
        administrator = self._directory.administrator(_bearer(headers))
        if administrator is None:
            raise SignatureRefused("not a key of administration")
        return Caller(role=administrator.role, administrator=administrator.id)

    async def prove_user(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller of a request that a user's token proves. Raises Unauthorized, and Unavailable
        when nobody can tell whether the token was revoked."""
        token = _bearer(headers)
        resource = self._directory.by_authority(headers.get("Host", "")) or self._directory.stranger
        proven = await self._users(resource.id, token) if resource.id != NOBODY else None
        if proven is None:
            raise SignatureRefused("not a token of this resource's")
        return Caller(resource.id, token=proven)

    def _resource(
        self, method: str, target: str, headers: Mapping[str, str], match: Match[Route] | None
    ) -> Caller:
        host = headers.get("Host", "")
        known = self._directory.by_authority(host)
        resource = known or self._directory.stranger
        content_hash = verify(
            method,
            target,
            headers,
            hosts=signed_spellings(host),
            keys=resource.keys,
            now=self._clock.now(),
            template=match.template if match is not None else None,
            parameters=match.parameters if match is not None else None,
        )
        if known is None:
            raise SignatureRefused("an unknown authority")
        return Caller(resource.id, content_hash=content_hash)


def scheme_for(path: str, headers: Mapping[str, str], match: Match[Route] | None, method: str) -> Auth:
    """Return how the caller of a request has to prove itself: as its route says; where the path has no such
    method, as its other routes say; at an unknown path, as everything around it."""
    if match is not None:
        route = match.methods.get(method) or next(iter(match.methods.values()))
        return route.auth
    if path == "/admin" or path.startswith("/admin/"):
        return Auth.ADMIN
    return Auth.HMAC if headers.get("Authorization", "").startswith(SCHEME) else Auth.USER


def check_role(route: Route, role: Role | None) -> None:
    """Refuse an administrator whose role does not reach so far. Raises Forbidden."""
    if route.auth is not Auth.ADMIN or role is Role.OWNER:
        return
    allowed = route.allowed()
    if role not in allowed:
        raise Forbidden(f"This needs the role {' or '.join(allowed)}.")


def check_scopes(route: Route, token: UserToken | None) -> None:
    """Refuse a user whose token is for something else. Raises Forbidden."""
    if route.auth is Auth.USER and route.scopes:
        held = token.scopes if token is not None else ()
        if not any(scope in route.scopes for scope in held):
            raise Forbidden(f"This needs a token with the scope {' or '.join(route.scopes)}.")


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise SignatureRefused("no bearer token")
    return token.strip()
