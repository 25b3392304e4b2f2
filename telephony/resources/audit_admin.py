"""Reading who changed what."""

from typing import Any, Final

from msgspec import Raw, Struct

from telephony.kernel.clock import from_iso, to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.paging import CONTINUATION, continuation, next_link, page_of, position_of
from telephony.kernel.http.route import PAGING, Auth, Query, Reply, Request, Route
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.kernel.store import Store
from telephony.resources.audit import ActorKind, Filter, Recorded, find

PATH: Final = "/admin/audit"


class AuditActor(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who changed something."""

    kind: ActorKind
    id: str
    name: str | None = None
    """Of an administration key."""
    role: str | None = None
    address: str | None = None
    """Where the request came from; none over a unix socket."""


class AuditRecord(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A change, or the attempt at one. Secrets are left out."""

    id: str
    at: str
    resource: str
    """The resource it is about; all zero: the node."""
    actor: AuditActor
    operation: str
    target: str
    """The path."""
    request_id: str
    """As `x-ms-request-id` of the answer."""
    status: int | None
    """As it was answered; null: the node ended in the middle, or is at it."""
    body: Raw | None = None
    """What was asked."""
    before: Raw | None = None
    after: Raw | None = None


class AuditRecords(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of records, newest first."""

    value: tuple[AuditRecord, ...]
    next_link: str | None = None


def routes(store: Store) -> list[Route]:
    """Return the operation that shows records."""

    async def list_records(request: Request[None]) -> Reply:
        page = page_of(request.query)
        found = await store.read(find(_filter(request.query), page.size))
        link = None
        if len(found) == page.size:
            link = next_link(PATH, request.query, **{CONTINUATION: continuation(to_text(found[-1].id))})
        return Reply(200, AuditRecords(tuple(_shown(each) for each in found), link))

    return [
        Route(
            "admin.audit.list",
            "GET",
            PATH,
            list_records,
            Auth.ADMIN,
            summary="Who changed what, newest first",
            reply=AuditRecords,
            query=(
                Query("resource", "Changes of this resource only; all zero: of the node."),
                Query("operation", "An operation, or with a dot at its end all that begin so."),
                Query("actor", "The id of an administration key or of a resource."),
                Query("since", "ISO 8601 with a zone: not older."),
                Query("until", "ISO 8601 with a zone: older only."),
                *PAGING,
            ),
        )
    ]


def _filter(query: Any) -> Filter:  # noqa: ANN401 - a mapping of texts
    begin = query.get(CONTINUATION)
    resource = _id(query, "resource")
    return Filter(
        None if resource is None else ResourceId(resource),
        query.get("operation"),
        _id(query, "actor"),
        _time(query, "since"),
        _time(query, "until"),
        None if begin is None else _parsed(position_of(begin, str), CONTINUATION),
    )


def _id(query: Any, name: str) -> bytes | None:  # noqa: ANN401 - a mapping of texts
    text = query.get(name)
    return None if text is None else _parsed(text, name)


def _parsed(text: str, name: str) -> bytes:
    found = from_text(text)
    if found is None:
        raise InvalidRequest(f"{name}: It must be an id.", target=name)
    return found


def _time(query: Any, name: str) -> int | None:  # noqa: ANN401 - a mapping of texts
    text = query.get(name)
    if text is None:
        return None
    found = from_iso(text)
    if found is None:
        raise InvalidRequest(f"{name}: It must be a time with a zone: 2026-01-31T12:00:00Z.", target=name)
    return found


def _shown(each: Recorded) -> AuditRecord:
    actor = each.actor.decode() if each.kind is ActorKind.USER else to_text(each.actor)
    return AuditRecord(
        to_text(each.id),
        to_iso(each.at),
        to_text(each.resource),
        AuditActor(each.kind, actor, each.name, each.role, each.address or None),
        each.operation,
        each.target,
        each.request,
        each.status,
        _raw(each.body),
        _raw(each.before),
        _raw(each.after),
    )


def _raw(text: str | None) -> Raw | None:
    return None if text is None else Raw(text.encode())
