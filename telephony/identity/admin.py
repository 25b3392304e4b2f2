"""Administration of users and signing keys: what ACS has no operation for."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from telephony.identity.names import raw_id
from telephony.identity.store import User
from telephony.identity.verbs import IdentityVerbs
from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.paging import CONTINUATION, continuation, next_link, page_of, position_of
from telephony.kernel.http.route import PAGING, Auth, Query, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.resources.known import known_resource

USERS: Final = "/admin/resources/{resource}/users"
KEYS: Final = "/admin/resources/{resource}/tokenKeys"


class UserReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A user as /admin shows it."""

    id: str
    created: str
    custom_id: str | None = None
    last_token_issued_at: str | None = None


class UserList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of a resource's users."""

    value: tuple[UserReply, ...]
    next_link: str | None = None


class KeyReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A signing key; its private half is shown to nobody."""

    kid: str
    state: str
    created: str
    expires: str | None = None
    """Until when it verifies."""


class KeyList(Struct, frozen=True):
    """The keys that verify a resource's tokens, oldest first."""

    value: tuple[KeyReply, ...]


class RotateRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How to replace the key that signs."""

    end_old: bool = False
    """Every token that was issued so far dies at once: for a key that others may know."""


class RotateReply(Struct, frozen=True):
    """The key that signs from now on."""

    kid: str


def routes(verbs: IdentityVerbs, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the administration's operations; `knows` tells which resources exist."""

    def owner(request: Request[Any]) -> ResourceId:
        return known_resource(request.path["resource"], knows)

    async def list_users(request: Request[None]) -> Reply:
        resource, size = owner(request), page_of(request.query).size
        after = b""
        if CONTINUATION in request.query:
            position = from_text(position_of(request.query[CONTINUATION], str))
            if position is None:
                raise InvalidRequest("The continuation is not one of ours.", target=CONTINUATION)
            after = position
        found = await verbs.list(
            resource, after=after, limit=size + 1, custom_id=request.query.get("customId")
        )
        shown = tuple(_user(each) for each in found[:size])
        link = None
        if len(found) > size:
            here = USERS.replace("{resource}", to_text(resource))
            link = next_link(here, request.query, continuation=continuation(to_text(found[size - 1].id)))
        return Reply(200, UserList(shown, link))

    async def list_keys(request: Request[None]) -> Reply:
        return Reply(
            200,
            KeyList(
                tuple(
                    KeyReply(
                        to_text(key.id),
                        key.state.value,
                        to_iso(key.created),
                        None if key.expires is None else to_iso(key.expires),
                    )
                    for key in await verbs.keys(owner(request))
                )
            ),
        )

    async def rotate(request: Request[RotateRequest]) -> Reply:
        key = await verbs.rotate_keys(owner(request), end_old=request.body.end_old)
        return Reply(200, RotateReply(to_text(key)))

    return [
        Route(
            "admin.users.list",
            "GET",
            USERS,
            list_users,
            Auth.ADMIN,
            summary="A resource's users, oldest first.",
            reply=UserList,
            query=(*PAGING, Query("customId", "The user that the application knows by this id.")),
        ),
        Route(
            "admin.token_keys.list",
            "GET",
            KEYS,
            list_keys,
            Auth.ADMIN,
            summary="The keys that verify a resource's tokens.",
            reply=KeyList,
        ),
        Route(
            "admin.token_keys.rotate",
            "POST",
            KEYS + ":rotate",
            rotate,
            Auth.ADMIN,
            body=RotateRequest,
            roles=(Role.OWNER,),
            summary="Let a fresh key sign a resource's tokens; `endOld` ends every token there is.",
            reply=RotateReply,
        ),
    ]


def _user(user: User) -> UserReply:
    return UserReply(
        raw_id(user.resource, user.id),
        to_iso(user.created),
        user.custom_id,
        None if user.token_issued is None else to_iso(user.token_issued),
    )
