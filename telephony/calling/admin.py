"""Administration of calls: live and past ones, one with its ladder; place one, hang one up."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from telephony.calling.queries import (
    MAX_FOUND,
    CallList,
    CallSummary,
    CallView,
    FindCall,
    SearchCalls,
    placed_view,
)
from telephony.calling.service import CallService
from telephony.calling.states import CallState
from telephony.kernel.clock import Clock
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.paging import next_link, page_of
from telephony.kernel.http.route import Auth, Query, Reply, Request, Route
from telephony.kernel.ids import InteractionId, ResourceId, from_text
from telephony.kernel.store import Store
from telephony.resources.audit_shown import SHORTENED
from telephony.resources.known import known_resource
from telephony.routing.rules import Kind
from telephony.routing.targets import Stop, TargetKinds

COLLECTION: Final = "/admin/resources/{resource}/calls"
ITEM: Final = COLLECTION + "/{callId}"

DEFAULT_SIZE: Final = 50
"""Calls a page unless the query says."""


class PlaceCall(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A call that is to go out."""

    from_: Annotated[str, Meta(min_length=1, max_length=32, extra=SHORTENED)] = field(name="from")
    """The caller: a number of the resource's own, or verified, in E.164."""
    to: Annotated[str, Meta(min_length=1, max_length=256, extra=SHORTENED)]
    """Whom to call."""
    then: dict[str, Any] = {}
    """The target that it is joined to when it is answered, as inbound rules have them; empty: `echo`."""


def routes(
    service: CallService,
    kinds: TargetKinds,
    store: Store,
    clock: Clock,
    knows: Callable[[ResourceId], bool],
) -> list[Route]:
    """Return the administration's operations on calls.

    `kinds` are those that inbound rules know; `knows` tells which resources exist.
    """

    def owner(request: Request[Any]) -> ResourceId:
        return known_resource(request.path["resource"], knows)

    def named(request: Request[Any]) -> tuple[ResourceId, InteractionId]:
        resource = owner(request)
        identifier = from_text(request.path["callId"])
        if identifier is None:
            raise NotFound("There is no such call.", target="callId")
        return resource, InteractionId(identifier)

    async def show(resource: ResourceId, identifier: InteractionId) -> Reply:
        view = await store.read(FindCall(resource, identifier, clock.now()))
        if view is None:
            raise NotFound("There is no such call.", target="callId")
        return Reply(200, view)

    async def list_calls(request: Request[None]) -> Reply:
        query = request.query
        size = page_of(query, default=DEFAULT_SIZE, ceiling=MAX_FOUND).size
        live = _one_of(query.get("live"), "live", ("true", "false"))
        search = SearchCalls(
            resource=owner(request),
            now=clock.now(),
            peer=query.get("peer"),
            own=query.get("own"),
            direction=_one_of(query.get("direction"), "direction", ("inbound", "outbound")),
            state=_one_of(query.get("state"), "state", tuple(state.value for state in CallState)),
            live=None if live is None else live == "true",
            before=_before(query.get("before")),
            limit=size,
        )
        found = await store.read(search)
        link = None
        if len(found) == size:
            path = f"/admin/resources/{request.path['resource']}/calls"
            link = next_link(path, query, before=found[-1].call_id)
        return Reply(200, CallList(tuple(found), link))

    async def get_call(request: Request[None]) -> Reply:
        return await show(*named(request))

    async def place_call(request: Request[PlaceCall]) -> Reply:
        body = request.body
        stops = target_of(kinds, body.then or {"kind": "echo"}, clock.now())
        call = await service.place(owner(request), body.from_, body.to, stops)
        return Reply(201, placed_view(call))

    async def hang_up(request: Request[None]) -> Reply:
        resource, identifier = named(request)
        await service.hang_up(resource, identifier)
        return await show(resource, identifier)

    return [
        Route(
            operation="admin.calls.list",
            method="GET",
            template=COLLECTION,
            handler=list_calls,
            auth=Auth.ADMIN,
            summary="Search calls, newest first: peer, own, direction, state, live, before, top.",
            reply=CallList,
            query=(
                Query("peer", "The other party's number."),
                Query("own", "The resource's number."),
                Query("direction", "inbound or outbound."),
                Query("state", "A state of calls."),
                Query("live", "true: those that are not over; false: those that are."),
                Query("before", "Only older ones than this call."),
                Query("top", f"Calls a page; at most {MAX_FOUND}.", int),
            ),
        ),
        Route(
            operation="admin.calls.get",
            method="GET",
            template=ITEM,
            handler=get_call,
            auth=Auth.ADMIN,
            summary="One call with its legs and its timeline.",
            reply=CallView,
        ),
        Route(
            operation="admin.calls.place",
            method="POST",
            template=COLLECTION,
            handler=place_call,
            auth=Auth.ADMIN,
            body=PlaceCall,
            summary="Call a number, and join it to a target when it answers.",
            reply=CallSummary,
            reply_status=201,
        ),
        Route(
            operation="admin.calls.hangUp",
            method="POST",
            template=ITEM + ":hangUp",
            handler=hang_up,
            auth=Auth.ADMIN,
            summary="End a call.",
            reply=CallView,
        ),
    ]


def target_of(kinds: TargetKinds, target: dict[str, Any], now: int) -> tuple[Stop, ...]:
    """Return a target as calls take it. Raises InvalidRequest, naming the place, for what cannot be used."""
    return tuple(kinds.node(target, (Kind.VOICE,), {}, "then").stops(now))


def _before(text: str | None) -> InteractionId | None:
    if text is None:
        return None
    identifier = from_text(text)
    if identifier is None:
        raise InvalidRequest("before: It must be the id of a call.", target="before")
    return InteractionId(identifier)


def _one_of(value: str | None, name: str, allowed: Sequence[str]) -> str | None:
    if value is not None and value not in allowed:
        raise InvalidRequest(f"{name}: It must be one of {', '.join(allowed)}.", target=name)
    return value
