"""Administration of routes: sets as a whole, and why something goes where it goes."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.route import Auth, Query, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId
from telephony.resources.audit_shown import HIDDEN
from telephony.resources.known import known_resource
from telephony.routing.directory import OPERATOR
from telephony.routing.explain import Asked, Explain, Explanation
from telephony.routing.overlaps import Oddity
from telephony.routing.rules import RouteSet
from telephony.routing.store import StoredSet
from telephony.routing.verbs import RouteVerbs

OPERATORS: Final = "/admin/routes"
RESOURCES: Final = "/admin/resources/{resource}/routes"
EXPLAIN: Final = "/admin/explain"

MAX_SET: Final = 32 * 1024 * 1024
"""Bytes of a set: two million prefixes are 25 MB."""

MAX_VERSION: Final = 2**31 - 1


class PutRoutesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A set to put in force."""

    set: Annotated[RouteSet, Meta(extra=HIDDEN)]
    """Every version is kept; the audit tells which."""
    version: Annotated[int, Meta(ge=0, le=MAX_VERSION)] | None = None
    """The version that it was made from, 0 when there was none; or say it in `If-Match`."""


class CheckRoutes(Struct, frozen=True, forbid_unknown_fields=True):
    """A set to look at."""

    set: RouteSet


class RouteSetReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A set in force."""

    version: int
    """0: there is none yet."""
    set: RouteSet
    updated_at: str | None = None


class _Shown(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The same, as the store has it."""

    version: int
    set: Annotated[msgspec.Raw, Meta(extra=HIDDEN)]
    updated_at: str | None = None


class ReplacedReply(Struct, frozen=True):
    """What came of a set that was put in force."""

    version: int
    warnings: tuple[Oddity, ...]


class CheckedReply(Struct, frozen=True):
    """What is odd about a set that could be put in force."""

    warnings: tuple[Oddity, ...]


def routes(verbs: RouteVerbs, explain: Explain, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the administration's operations on routes; `knows` tells which resources exist."""
    operator, tenant = _Sets(verbs, lambda _: OPERATOR), _Sets(verbs, lambda request: _owner(request, knows))

    async def explained(request: Request[Asked]) -> Reply:
        body = request.body
        if body.resource is not None:
            known_resource(body.resource, knows)
        return Reply(200, await explain(body))

    return [
        *_operations(operator, OPERATORS, "admin.routes", "the operator's routes and rules"),
        *_operations(tenant, RESOURCES, "admin.resource_routes", "a resource's inbound rules"),
        Route(
            "admin.explain",
            "POST",
            EXPLAIN,
            explained,
            Auth.ADMIN,
            body=Asked,
            roles=tuple(Role),
            audited=False,
            summary="Why a call or text goes where it goes: rules tried, digits, carriers, price, limits",
            reply=Explanation,
        ),
    ]


class _Sets:
    """The operations on the sets of one kind of owner."""

    def __init__(self, verbs: RouteVerbs, owner: Callable[[Request[Any]], ResourceId]) -> None:
        self._verbs, self._owner = verbs, owner

    async def show(self, request: Request[None]) -> Reply:
        found = await self._verbs.show(self._owner(request), _asked_version(request))
        return Reply(200, _shown(found), {"ETag": _tag(found.version)})

    async def replace(self, request: Request[PutRoutesBody]) -> Reply:
        owner = self._owner(request)
        done = await self._verbs.replace(owner, request.body.set, _made_from(request))
        return Reply(200, ReplacedReply(done.version, done.oddities), {"ETag": _tag(done.version)})

    async def check(self, request: Request[CheckRoutes]) -> Reply:
        return Reply(200, CheckedReply(await self._verbs.check(self._owner(request), request.body.set)))


def _operations(sets: _Sets, path: str, name: str, what: str) -> list[Route]:
    return [
        Route(
            f"{name}.get",
            "GET",
            path,
            sets.show,
            Auth.ADMIN,
            summary=f"Show {what}",
            reply=RouteSetReply,
            query=(Query("version", "An earlier version; the last twenty are kept.", int),),
        ),
        Route(
            f"{name}.put",
            "PUT",
            path,
            sets.replace,
            Auth.ADMIN,
            body=PutRoutesBody,
            max_body=MAX_SET,
            summary=f"Replace {what} as a whole",
            reply=ReplacedReply,
        ),
        Route(
            f"{name}.check",
            "POST",
            f"{path}:check",
            sets.check,
            Auth.ADMIN,
            body=CheckRoutes,
            max_body=MAX_SET,
            audited=False,
            summary=f"Look at {what} without replacing anything",
            reply=CheckedReply,
        ),
    ]


def _shown(found: StoredSet) -> _Shown:
    updated = to_iso(found.created) if found.version else None
    return _Shown(found.version, msgspec.Raw(found.document), updated)


def _tag(version: int) -> str:
    return f'"{version}"'


def _made_from(request: Request[PutRoutesBody]) -> int:
    """Return the version that a set was made from: what the body says, or `If-Match` (RFC 9110 §13.1.1)."""
    said = request.headers.get("If-Match")
    if said is None:
        if request.body.version is None:
            raise InvalidRequest(
                "version: Say which version it was made from, here or in If-Match; 0 when there is none.",
                target="version",
            )
        return request.body.version
    digits = said.strip().removeprefix('"').removesuffix('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10:
        raise InvalidRequest("If-Match: It is no ETag of ours.", target="If-Match")
    if request.body.version not in (None, int(digits)):
        raise InvalidRequest("version: If-Match says another one.", target="version")
    return int(digits)


def _asked_version(request: Request[None]) -> int | None:
    text = request.query.get("version")
    if text is None:
        return None
    if (
        not text.isascii()
        or not text.isdigit()
        or not 1 <= len(text) <= 10
        or not 0 < int(text) <= MAX_VERSION
    ):
        raise InvalidRequest("version: It is no version.", target="version")
    return int(text)


def _owner(request: Request[Any], knows: Callable[[ResourceId], bool]) -> ResourceId:
    return known_resource(request.path["resource"], knows)
