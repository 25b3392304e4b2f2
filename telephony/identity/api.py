"""ACS Identity: users, tokens, and the keys by which anybody can verify them."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from telephony.identity.keyring import Keyring
from telephony.identity.keys import Jwk
from telephony.identity.names import raw_id
from telephony.identity.scopes import parse_scopes
from telephony.identity.store import User
from telephony.identity.tables import MAX_CUSTOM_ID
from telephony.identity.token import DEFAULT_MINUTES, check_minutes
from telephony.identity.verbs import IdentityVerbs, Issued, Wish
from telephony.kernel.clock import SECOND, to_iso
from telephony.kernel.errors import CallerError, InvalidRequest, NotFound
from telephony.kernel.http.route import Auth, Handler, Reply, Request, Route
from telephony.kernel.ids import ResourceId, to_text
from telephony.resources.audit import actor_of

VERSIONS: Final = (
    "2021-03-07",
    "2022-06-01",
    "2022-10-01",
    "2023-08-01",
    "2023-10-01",
    "2025-06-30",
    "2026-07-22",
    "2026-09-23",
)
"""Every published one; the operations are the same in all."""

DETAILED: Final = VERSIONS[5:]
"""The versions in which a user shows its custom id and the time of its last token."""

JWKS: Final = "/.well-known/jwks.json"
JWKS_MAX_AGE: Final = 300
"""Seconds that keys may be kept: whoever meets a token with an unknown key asks again anyway."""

MAX_EXCHANGE: Final = 16 * 1024
"""Bytes of a request to exchange a token of Microsoft's: it is read before anybody is known."""

NO_STORE: Final = {"Cache-Control": "no-store"}
"""With every answer that holds a token or says whose it is (RFC 6750 §5.3)."""

HOW_TO: Final = "docs/how-to/users-and-tokens.md"


class NotOurs(CallerError):
    """An operation that needs Microsoft's own directory."""

    status = 501
    default_code = "NotImplemented"
    metric = "not_ours"


class CreateRequest(Struct, frozen=True, rename="camel"):
    """CommunicationIdentityCreateRequest."""

    create_token_with_scopes: tuple[str, ...] | None = None
    expires_in_minutes: int | None = None
    custom_id: Annotated[str, Meta(min_length=1, max_length=MAX_CUSTOM_ID)] | None = None


class IssueRequest(Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessTokenRequest."""

    scopes: tuple[str, ...]
    expires_in_minutes: int | None = None


class Identity(Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentity."""

    id: str
    custom_id: str | None = None
    last_token_issued_at: str | None = None


class AccessToken(Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessToken."""

    token: str
    expires_on: str


class CreateResult(Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentityAccessTokenResult."""

    identity: Identity
    access_token: AccessToken | None = None


class KeySet(Struct, frozen=True):
    """A JWK Set (RFC 7517 §5)."""

    keys: tuple[Jwk, ...]


class Me(Struct, frozen=True, rename="camel"):
    """What a token says, to whoever holds it."""

    id: str
    resource_id: str
    scopes: tuple[str, ...]
    issued_on: str
    expires_on: str


def routes(
    verbs: IdentityVerbs, keyring: Keyring, by_host: Callable[[str], ResourceId | None]
) -> list[Route]:
    """Return the operations of ACS Identity, and ours beside them.

    `by_host` returns the resource that a Host header chooses.
    """

    async def create(request: Request[CreateRequest]) -> Reply:
        body = request.body
        scopes = body.create_token_with_scopes
        minutes = _minutes(body.expires_in_minutes)
        wish = Wish(parse_scopes(scopes, target="createTokenWithScopes"), minutes) if scopes else None
        if body.custom_id is not None and not body.custom_id.isprintable():
            raise InvalidRequest("customId: Only printable characters are allowed.", target="customId")
        user, issued = await verbs.create(request.resource, wish, body.custom_id, actor_of(request))
        token = None if issued is None else _token(issued)
        return Reply(201, CreateResult(_identity(user, request.version), token), NO_STORE)

    async def get(request: Request[None]) -> Reply:
        user = await verbs.find(request.resource, request.path["id"])
        return Reply(200, _identity(user, request.version), NO_STORE)

    async def issue(request: Request[IssueRequest]) -> Reply:
        body = request.body
        wish = Wish(parse_scopes(body.scopes, target="scopes"), _minutes(body.expires_in_minutes))
        return Reply(200, _token(await verbs.issue(request.resource, request.path["id"], wish)), NO_STORE)

    async def revoke(request: Request[None]) -> Reply:
        await verbs.revoke(request.resource, request.path["id"], actor_of(request))
        return Reply(204)

    async def delete(request: Request[None]) -> Reply:
        await verbs.delete(request.resource, request.path["id"], actor_of(request))
        return Reply(204)

    async def keys(request: Request[None]) -> Reply:
        resource = by_host(request.headers.get("Host", ""))
        if resource is None:
            raise NotFound("There is no such path.")
        headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE}"}
        return Reply(200, KeySet(await keyring.published(resource)), headers)

    async def me(request: Request[None]) -> Reply:
        token = request.token
        assert token is not None
        return Reply(
            200,
            Me(
                token.user,
                to_text(request.resource),
                token.scopes,
                to_iso(token.issued * SECOND),
                to_iso(token.expires * SECOND),
            ),
            NO_STORE,
        )

    user = "/identities/{id}"
    return [
        Route(
            "identity.create",
            "POST",
            "/identities",
            create,
            versions=VERSIONS,
            body=CreateRequest,
            summary="Make a user, and a token for it when scopes are given.",
            recorded=True,
        ),
        Route("identity.get", "GET", user, get, versions=DETAILED, summary="A user."),
        Route(
            "identity.delete",
            "DELETE",
            user,
            delete,
            versions=VERSIONS,
            summary="Delete a user.",
            recorded=True,
        ),
        Route(
            "identity.issue_token",
            "POST",
            user + "/:issueAccessToken",
            issue,
            versions=VERSIONS,
            body=IssueRequest,
            summary="Issue a token.",
        ),
        Route(
            "identity.revoke_tokens",
            "POST",
            user + "/:revokeAccessTokens",
            revoke,
            versions=VERSIONS,
            summary="End every token that a user has.",
            recorded=True,
        ),
        Route(
            "identity.me",
            "GET",
            "/identity/me",
            me,
            Auth.USER,
            summary="Whose token it is, what for, and until when: for clients that hold one.",
            reply=Me,
        ),
        Route(
            "identity.keys",
            "GET",
            JWKS,
            keys,
            Auth.NONE,
            summary="The keys by which anybody can verify the tokens of the authority's resource (JWKS).",
            reply=KeySet,
        ),
        *_not_ours(),
    ]


def _not_ours() -> list[Route]:
    """Return the exchanges of Microsoft's tokens for ours, which answer what to do instead."""
    listed = (
        ("teams_user", "/teamsUser/:exchangeAccessToken", Auth.HMAC, VERSIONS, "a Teams user's token"),
        (
            "entra",
            "/access/entra/:exchangeAccessToken",
            Auth.NONE,
            ("2025-03-02-preview", *DETAILED),
            "an Entra ID token",
        ),
        (
            "teams_extension",
            "/access/teamsExtension/:exchangeAccessToken",
            Auth.NONE,
            ("2025-03-02-preview", *DETAILED),
            "a Teams Phone token",
        ),
    )
    return [
        Route(
            f"identity.exchange.{name}",
            "POST",
            template,
            _refusal(what),
            auth,  # who holds a token of Microsoft's has none of ours; the answer tells nothing of anybody
            versions=versions,
            max_body=MAX_EXCHANGE,
            summary=f"Answers 501: {what} proves nothing here.",
            unsupported="Answers 501: Microsoft Entra and Teams are not ours; use POST /identities.",
        )
        for name, template, auth, versions, what in listed
    ]


def _refusal(what: str) -> Handler:
    async def refuse(_request: Request[Any]) -> Reply:
        raise NotOurs(
            f"{what[0].upper()}{what[1:]} cannot be exchanged here: Microsoft Entra is not behind this"
            " service. Let a service of your own log the person in, and give it the token of a user that"
            f" POST /identities makes; see {HOW_TO}."
        )

    return refuse


def _minutes(asked: int | None) -> int:
    return DEFAULT_MINUTES if asked is None else check_minutes(asked)


def _identity(user: User, version: str) -> Identity:
    spelled = raw_id(user.resource, user.id)
    if version not in DETAILED:
        return Identity(spelled)
    issued = None if user.token_issued is None else to_iso(user.token_issued)
    return Identity(spelled, user.custom_id, issued)


def _token(issued: Issued) -> AccessToken:
    return AccessToken(issued.token.reveal(), to_iso(issued.expires))
