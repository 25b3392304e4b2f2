"""Every operation of administration that changes something leaves a record, whichever plane it is of.

The record's first half is written before the operation is tried: when it cannot be written, nothing is
changed. What a thing was before and is after the change is asked of the operation that shows it: the GET of
the same path, without its verb.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from telephony.kernel.clock import DAY, Clock
from telephony.kernel.errors import TandemError, Unavailable
from telephony.kernel.http.route import Auth, Handler, Reply, Request, Route
from telephony.kernel.ids import ResourceId, from_text, to_text
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings, Begin, Change, End, actor_of
from telephony.resources.audit_shown import shown_json
from telephony.resources.directory import NOBODY

log = structlog.get_logger(__name__)

UNEXPECTED: Final = 500
NO_CONTENT: Final = 204


def is_audited(route: Route) -> bool:
    """Tell whether an operation leaves a record."""
    return route.auth is Auth.ADMIN and route.method != "GET" and route.audited


def audited(routes: Iterable[Route], store: Store, clock: Clock, settings: AuditSettings) -> list[Route]:
    """Return the routes, those of them wrapped that have to leave a record."""
    known = list(routes)
    views = {route.template: route.handler for route in known if route.method == "GET"}
    return [_wrapped(route, views, store, clock, settings) if is_audited(route) else route for route in known]


def _wrapped(
    route: Route, views: Mapping[str, Handler], store: Store, clock: Clock, settings: AuditSettings
) -> Route:
    view, kept = _view_of(route, views), settings.days * DAY

    async def handler(request: Request[Any]) -> Reply:
        before = None if view is None else await _look(view, request)
        now = clock.now()
        resource = resource_of(request)
        target = _target(route.template, request.path)
        change = Change(resource, actor_of(request), route.operation, target, request.body, before)
        identifier = await store.write(Begin(change, now, now + kept))
        status, after = UNEXPECTED, None
        try:
            reply = await route.handler(request)
            status = reply.status
            after = None if view is None or route.method == "DELETE" else await _look(view, request)
            if after is None and reply.status != NO_CONTENT:
                after = reply.body
            return reply
        except TandemError as error:
            status, after = error.status, {"code": error.code, "target": error.target}
            raise
        finally:
            end = End(resource, identifier, status, shown_json(after), clock.now(), now + kept)
            await _write(store, end)

    fields = {name: getattr(route, name) for name in Route.__slots__}
    return Route(**{**fields, "handler": handler})


async def _write(store: Store, end: End) -> None:
    try:
        await store.write(end)
    except Unavailable as error:  # the first half stands, and says that the end is not known
        log.warning("audit.outcome_lost", record=to_text(end.id), status=end.status, error=error.message)


async def _look(view: Handler, request: Request[Any]) -> object:
    """Return how the thing is now, or None when there is none."""
    try:
        reply = await view(Request(request.resource, None, request.path, role=request.role, key=request.key))
    except TandemError:  # there is none, or the store is away: then writing the record fails too
        return None
    body: object = reply.body
    return body


def _view_of(route: Route, views: Mapping[str, Handler]) -> Handler | None:
    """Return the handler that shows what the route changes: of one thing, never of a whole list."""
    head, slash, last = route.template.rpartition("/")
    template = head + slash + last.partition(":")[0]
    if route.method == "POST" and not template.endswith("}"):
        return None
    return views.get(template)


def resource_of(request: Request[Any]) -> ResourceId:
    """Return which resource a request of administration is about: the one in its path, or the node."""
    return ResourceId(from_text(request.path.get("resource", "")) or NOBODY)


def _target(template: str, path: Mapping[str, str]) -> str:
    for name, value in path.items():
        template = template.replace("{" + name + "}", value)
    return template
