"""Administration of messages: look them up, take them back, send them again; see the links."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from sms.life import MessageLife
from sms.message import from_wire_id
from sms.smpp.link import LinkStatus
from sms.states import MessageState
from sms.store.queries import MAX_FOUND, Find, MessageList, MessageView, Search
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.paging import next_link, page_of
from telephony.kernel.http.route import Auth, Query, Reply, Request, Route
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store import Store
from telephony.resources.known import known_resource

ITEM: Final = "/admin/resources/{resource}/messages/{messageId}"

DEFAULT_SIZE: Final = 50
"""Messages a page unless the query says."""


class LinkList(Struct, frozen=True):
    """Every link of the node that answers."""

    value: tuple[LinkStatus, ...]


def routes(
    store: Store,
    links: Callable[[], Sequence[LinkStatus]],
    knows: Callable[[ResourceId], bool],
    life: MessageLife,
) -> list[Route]:
    """Return the administration's operations on messages and links; `knows` tells which resources exist."""

    def owner(request: Request[None]) -> ResourceId:
        return known_resource(request.path["resource"], knows)

    async def list_messages(request: Request[None]) -> Reply:
        size = page_of(request.query, default=DEFAULT_SIZE, ceiling=MAX_FOUND).size
        search = Search(
            resource=owner(request),
            peer=request.query.get("peer"),
            own=request.query.get("own"),
            direction=_one_of(request, "direction", ("inbound", "outbound")),
            state=_one_of(request, "state", tuple(state.value for state in MessageState)),
            before=_before(request.query.get("before")),
            limit=size,
        )
        found = await store.read(search)
        link = None
        if len(found) == size:
            path = f"/admin/resources/{request.path['resource']}/messages"
            link = next_link(path, request.query, before=found[-1].message_id)
        return Reply(200, MessageList(tuple(found), link))

    def named(request: Request[None]) -> tuple[ResourceId, InteractionId]:
        resource = owner(request)
        identifier = from_wire_id(request.path["messageId"])
        if identifier is None:
            raise NotFound("There is no such message.", target="messageId")
        return resource, identifier

    async def get_message(request: Request[None]) -> Reply:
        return await _show(store, *named(request))

    async def list_links(_: Request[None]) -> Reply:
        return Reply(200, LinkList(tuple(links())))

    return [
        Route(
            operation="admin.messages.list",
            method="GET",
            template="/admin/resources/{resource}/messages",
            handler=list_messages,
            auth=Auth.ADMIN,
            summary="Search messages, newest first: peer, own, direction, state, before, top.",
            reply=MessageList,
            query=(
                Query("peer", "The other party's number."),
                Query("own", "The resource's number."),
                Query("direction", "inbound or outbound."),
                Query("state", "A state of messages."),
                Query("before", "Only older ones than this message."),
                Query("top", f"Messages a page; at most {MAX_FOUND}.", int),
            ),
        ),
        Route(
            operation="admin.messages.get",
            method="GET",
            template=ITEM,
            handler=get_message,
            auth=Auth.ADMIN,
            summary="One message with its parts and its timeline.",
            reply=MessageView,
        ),
        *_life_routes(store, life, named),
        Route(
            operation="admin.links.list",
            method="GET",
            template="/admin/links",
            handler=list_links,
            auth=Auth.ADMIN,
            summary="The SMPP links of this node and how they do.",
            reply=LinkList,
        ),
    ]


def _life_routes(
    store: Store,
    life: MessageLife,
    named: Callable[[Request[None]], tuple[ResourceId, InteractionId]],
) -> list[Route]:
    async def cancel(request: Request[None]) -> Reply:
        key = named(request)
        await life.cancel(*key)
        return await _show(store, *key)

    async def requeue(request: Request[None]) -> Reply:
        key = named(request)
        await life.requeue(*key)
        return await _show(store, *key)

    return [
        Route(
            operation="admin.messages.cancel",
            method="POST",
            template=ITEM + ":cancel",
            handler=cancel,
            auth=Auth.ADMIN,
            summary="Take a message back that nothing was sent of.",
            reply=MessageView,
        ),
        Route(
            operation="admin.messages.requeue",
            method="POST",
            template=ITEM + ":requeue",
            handler=requeue,
            auth=Auth.ADMIN,
            summary="Send a message again that failed, expired, was not reported or was taken back.",
            reply=MessageView,
        ),
    ]


async def _show(store: Store, resource: ResourceId, identifier: InteractionId) -> Reply:
    view = await store.read(Find(resource, identifier))
    if view is None:
        raise NotFound("There is no such message.", target="messageId")
    return Reply(200, view)


def _before(text: str | None) -> InteractionId | None:
    if text is None:
        return None
    identifier = from_wire_id(text)
    if identifier is None:
        raise InvalidRequest("before: It must be the id of a message.", target="before")
    return identifier


def _one_of(request: Request[None], name: str, allowed: Sequence[str]) -> str | None:
    value = request.query.get(name)
    if value is not None and value not in allowed:
        raise InvalidRequest(f"{name}: It must be one of {', '.join(allowed)}.", target=name)
    return value
