"""Administration of resources and of the keys of administration."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.errors import NotFound
from telephony.kernel.http.route import Auth, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.resources.access_key import Slot
from telephony.resources.authority import MAX_LENGTH
from telephony.resources.directory import Resource
from telephony.resources.known import known_resource
from telephony.resources.service import ResourceVerbs
from telephony.resources.verbs import MAX_AUTHORITIES, MAX_NAME, AdminKeyView

COLLECTION: Final = "/admin/resources"
ITEM: Final = COLLECTION + "/{resource}"
KEYS: Final = "/admin/keys"

OWNER: Final = (Role.OWNER,)
"""Whoever hands out keys hands out everything."""

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Authority = Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]
SomeAuthorities = Annotated[tuple[Authority, ...], Meta(min_length=1, max_length=MAX_AUTHORITIES)]


class ResourceSummary(Struct, frozen=True, rename="camel"):
    """A resource; its keys are shown to nobody."""

    id: str
    name: str
    authorities: tuple[str, ...]
    demonstration: bool
    enabled: bool = True


class ResourceList(Struct, frozen=True):
    """Every resource."""

    value: tuple[ResourceSummary, ...]


class AddResource(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A resource to make."""

    name: Name
    authorities: SomeAuthorities
    """`host:port` under which clients reach it; no two resources share one. The first is the one in the
    connection strings."""
    demonstration: bool = False
    """Its traffic is the simulated carrier's only."""


class AddedResource(Struct, frozen=True, rename="camel"):
    """A new resource; the connection strings are shown this once."""

    id: str
    name: str
    authorities: tuple[str, ...]
    demonstration: bool
    primary_connection_string: str
    secondary_connection_string: str


class Authorities(Struct, frozen=True, forbid_unknown_fields=True):
    """Authorities to add or to remove."""

    authorities: SomeAuthorities


class RotateKeyRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which key to replace."""

    key_type: Slot


class RotatedKey(Struct, frozen=True, rename="camel"):
    """A fresh key, shown this once."""

    key_type: Slot
    connection_string: str


class AddKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of administration to make."""

    name: Name
    role: Role


class AdminKeyReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A key of administration."""

    id: str
    name: str
    role: Role
    created: str
    revoked: str | None = None
    key: str | None = None
    """Once: in the answer that made it."""


class AdminKeyList(Struct, frozen=True):
    """Every key of administration, the revoked ones too."""

    value: tuple[AdminKeyReply, ...]


def routes(verbs: ResourceVerbs) -> list[Route]:
    """Return the operations on resources and keys."""
    return [*_resource_routes(_Resources(verbs)), *_key_routes(_Keys(verbs))]


def _resource_routes(handlers: "_Resources") -> list[Route]:
    return [
        Route(
            "admin.resources.list",
            "GET",
            COLLECTION,
            handlers.list,
            Auth.ADMIN,
            summary="The resources and the authorities they are reached under",
            reply=ResourceList,
        ),
        Route(
            "admin.resources.create",
            "POST",
            COLLECTION,
            handlers.add,
            Auth.ADMIN,
            body=AddResource,
            summary="Make a resource; its connection strings are shown this once",
            roles=OWNER,
            reply=AddedResource,
            reply_status=201,
        ),
        Route(
            "admin.resources.get",
            "GET",
            ITEM,
            handlers.get,
            Auth.ADMIN,
            summary="One resource",
            reply=ResourceSummary,
        ),
        Route(
            "admin.resources.delete",
            "DELETE",
            ITEM,
            handlers.disable,
            Auth.ADMIN,
            summary="Disable a resource: nobody gets in any more; what it has stays",
            roles=OWNER,
            reply_status=204,
        ),
        Route(
            "admin.resources.enable",
            "POST",
            ITEM + ":enable",
            handlers.enable,
            Auth.ADMIN,
            summary="Let a disabled resource's clients in again",
            roles=OWNER,
            reply=ResourceSummary,
        ),
        Route(
            "admin.resources.add_authorities",
            "POST",
            ITEM + ":addAuthorities",
            handlers.add_authorities,
            Auth.ADMIN,
            body=Authorities,
            summary="Reach a resource under more names; the certificate follows",
            reply=ResourceSummary,
        ),
        Route(
            "admin.resources.remove_authorities",
            "POST",
            ITEM + ":removeAuthorities",
            handlers.remove_authorities,
            Auth.ADMIN,
            body=Authorities,
            summary="Reach a resource under fewer names",
            reply=ResourceSummary,
        ),
        Route(
            "admin.resources.rotate_key",
            "POST",
            ITEM + ":rotateKey",
            handlers.rotate,
            Auth.ADMIN,
            body=RotateKeyRequest,
            summary="Replace one of a resource's two keys; the old one opens nothing from now on",
            roles=OWNER,
            reply=RotatedKey,
        ),
    ]


def _key_routes(handlers: "_Keys") -> list[Route]:
    return [
        Route(
            "admin.keys.list",
            "GET",
            KEYS,
            handlers.list,
            Auth.ADMIN,
            summary="The keys of administration",
            reply=AdminKeyList,
        ),
        Route(
            "admin.keys.create",
            "POST",
            KEYS,
            handlers.add,
            Auth.ADMIN,
            body=AddKey,
            summary="Make a key of administration with a role; it is shown this once",
            roles=OWNER,
            reply=AdminKeyReply,
            reply_status=201,
        ),
        Route(
            "admin.keys.delete",
            "DELETE",
            KEYS + "/{keyId}",
            handlers.revoke,
            Auth.ADMIN,
            summary="Revoke a key of administration",
            roles=OWNER,
            reply_status=204,
        ),
    ]


class _Resources:
    def __init__(self, verbs: ResourceVerbs) -> None:
        self._verbs = verbs

    async def list(self, _: Request[None]) -> Reply:
        return Reply(200, ResourceList(tuple(_summary(one) for one in self._verbs.list())))

    async def get(self, request: Request[None]) -> Reply:
        return Reply(200, _summary(self._verbs.get(_resource(request))))

    async def add(self, request: Request[AddResource]) -> Reply:
        body = request.body
        made = await self._verbs.add(body.name, body.authorities, demonstration=body.demonstration)
        one = made.resource
        return Reply(
            201,
            AddedResource(
                to_text(one.id),
                one.name,
                one.authorities,
                one.demonstration,
                made.primary.reveal(),
                made.secondary.reveal(),
            ),
        )

    async def disable(self, request: Request[None]) -> Reply:
        await self._verbs.set_disabled(_resource(request), True)
        return Reply(204)

    async def enable(self, request: Request[None]) -> Reply:
        return Reply(200, _summary(await self._verbs.set_disabled(_resource(request), False)))

    async def add_authorities(self, request: Request[Authorities]) -> Reply:
        changed = await self._verbs.add_authorities(_resource(request), request.body.authorities)
        return Reply(200, _summary(changed))

    async def remove_authorities(self, request: Request[Authorities]) -> Reply:
        changed = await self._verbs.remove_authorities(_resource(request), request.body.authorities)
        return Reply(200, _summary(changed))

    async def rotate(self, request: Request[RotateKeyRequest]) -> Reply:
        slot = request.body.key_type
        secret = await self._verbs.rotate(_resource(request), slot)
        return Reply(200, RotatedKey(slot, secret.reveal()))


class _Keys:
    def __init__(self, verbs: ResourceVerbs) -> None:
        self._verbs = verbs

    async def list(self, _: Request[None]) -> Reply:
        found = await self._verbs.list_admin_keys()
        return Reply(200, AdminKeyList(tuple(_shown(one) for one in found)))

    async def add(self, request: Request[AddKey]) -> Reply:
        made = await self._verbs.add_admin_key(request.body.name, request.body.role)
        found = next(one for one in await self._verbs.list_admin_keys() if one.id == made.id)
        return Reply(201, _shown(found, made.key.reveal()))

    async def revoke(self, request: Request[None]) -> Reply:
        key = from_text(request.path["keyId"])
        if key is None:
            raise NotFound("There is no such administration key.", target="keyId")
        await self._verbs.revoke_admin_key(key)
        return Reply(204)


def _resource(request: Request[Any]) -> ResourceId:
    return known_resource(request.path["resource"])


def _summary(one: Resource) -> ResourceSummary:
    return ResourceSummary(to_text(one.id), one.name, one.authorities, one.demonstration, not one.disabled)


def _shown(one: AdminKeyView, key: str | None = None) -> AdminKeyReply:
    revoked = None if one.revoked is None else to_iso(one.revoked)
    return AdminKeyReply(to_text(one.id), one.name, one.role, to_iso(one.created), revoked, key)
