"""Webhook subscriptions under /admin, and the URL of the manual handshake."""

from typing import Any, Final

from msgspec import Raw, Struct

from telephony.events.backlog import MAX_REDRIVEN, DeadLetter
from telephony.events.verbs import VALIDATION_PATH, NewSubscription, SubscriptionVerbs, SubscriptionView
from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.paging import CONTINUATION, continuation, next_link, page_of, position_of
from telephony.kernel.http.route import PAGING, Auth, Query, Reply, Request, Route
from telephony.kernel.ids import ResourceId, SubscriptionId, from_text, to_text
from telephony.resources.known import known_resource

COLLECTION: Final = "/admin/resources/{resource}/subscriptions"
ITEM: Final = COLLECTION + "/{subscription}"
DEAD_LETTERS: Final = "/admin/resources/{resource}/deadLetters"

MAX_IDS: Final = 500
"""Dead letters that one request names; all of a subscription are sent again without naming them."""


class SubscriptionReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A subscription as /admin shows it."""

    id: str
    name: str
    endpoint_base_url: str
    """Without the query, in which applications keep tokens."""
    schema: str
    event_types: Raw
    state: str
    max_delivery_attempts: int
    event_time_to_live_in_minutes: int
    created: str
    secret: str | None = None
    """Once: in the answer that made it."""


class SubscriptionList(Struct, frozen=True):
    """A resource's subscriptions."""

    value: tuple[SubscriptionReply, ...]


class SecretReply(Struct, frozen=True):
    """A new secret; shown this once."""

    secret: str


class DeadLetterReply(Struct, frozen=True, rename="camel"):
    """A dead letter as /admin shows it; the names are those of Event Grid's own dead letters."""

    id: str
    subscription: str
    event_type: str
    dead_letter_reason: str
    delivery_attempts: int
    last_delivery_outcome: str | None
    last_http_status_code: int | None
    publish_time: str
    last_delivery_attempt_time: str | None
    payload: Raw
    """The body as it was sent."""


class DeadLetterList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of dead letters, oldest first."""

    value: tuple[DeadLetterReply, ...]
    next_link: str | None = None


class RedriveRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters to send again."""

    subscription: str
    ids: tuple[str, ...] | None = None
    """None: all of the subscription."""


class RedriveReply(Struct, frozen=True):
    """How many are on their way; as many as the ceiling: there may be more."""

    count: int
    ceiling: int = MAX_REDRIVEN


def routes(verbs: SubscriptionVerbs) -> list[Route]:
    """Return the operations on subscriptions and dead letters."""
    handlers = _Handlers(verbs)
    confirm = "What a receiver visits to agree to a subscription"
    return [
        Route(
            "events.subscriptions.create",
            "POST",
            COLLECTION,
            handlers.add,
            Auth.ADMIN,
            body=NewSubscription,
            summary="Subscribe an endpoint; it has to agree in a handshake",
            reply=SubscriptionReply,
            reply_status=201,
        ),
        Route(
            "events.subscriptions.list",
            "GET",
            COLLECTION,
            handlers.list,
            Auth.ADMIN,
            summary="A resource's subscriptions",
            reply=SubscriptionList,
        ),
        Route(
            "events.subscriptions.get",
            "GET",
            ITEM,
            handlers.get,
            Auth.ADMIN,
            summary="One subscription",
            reply=SubscriptionReply,
        ),
        Route(
            "events.subscriptions.delete",
            "DELETE",
            ITEM,
            handlers.remove,
            Auth.ADMIN,
            summary="Unsubscribe; what was not delivered becomes dead letters",
            reply_status=204,
        ),
        Route(
            "events.subscriptions.disable",
            "POST",
            ITEM + ":disable",
            handlers.disable,
            Auth.ADMIN,
            summary="Stop deliveries; what waits keeps waiting until its time to live is over",
            reply=SubscriptionReply,
        ),
        Route(
            "events.subscriptions.enable",
            "POST",
            ITEM + ":enable",
            handlers.enable,
            Auth.ADMIN,
            summary="Go on with deliveries",
            reply=SubscriptionReply,
        ),
        Route(
            "events.subscriptions.rotate",
            "POST",
            ITEM + ":rotateSecret",
            handlers.rotate,
            Auth.ADMIN,
            summary="Make a new secret; the old one signs as well for 24 hours",
            reply=SecretReply,
        ),
        Route(
            "events.dead_letters.list",
            "GET",
            DEAD_LETTERS,
            handlers.dead_letters,
            Auth.ADMIN,
            summary="Deliveries that were given up, oldest first; `subscription` narrows",
            reply=DeadLetterList,
            query=(Query("subscription", "Of this subscription only."), *PAGING),
        ),
        Route(
            "events.dead_letters.redrive",
            "POST",
            DEAD_LETTERS + ":redrive",
            handlers.redrive,
            Auth.ADMIN,
            body=RedriveRequest,
            summary="Send dead letters again",
            reply=RedriveReply,
        ),
        Route("events.validate", "GET", VALIDATION_PATH, handlers.confirm, Auth.NONE, summary=confirm),
        Route("events.validate.post", "POST", VALIDATION_PATH, handlers.confirm, Auth.NONE, summary=confirm),
    ]


class _Handlers:
    def __init__(self, verbs: SubscriptionVerbs) -> None:
        self._verbs = verbs

    async def add(self, request: Request[NewSubscription]) -> Reply:
        view, secret = await self._verbs.add(_resource(request), request.body, origin=request.origin)
        return Reply(201, _shown(view, secret.reveal()))

    async def list(self, request: Request[None]) -> Reply:
        found = await self._verbs.list(_resource(request))
        return Reply(200, {"value": [_shown(view) for view in found]})

    async def get(self, request: Request[None]) -> Reply:
        return Reply(200, _shown(await self._verbs.get(*_item(request))))

    async def remove(self, request: Request[None]) -> Reply:
        await self._verbs.remove(*_item(request))
        return Reply(204)

    async def disable(self, request: Request[None]) -> Reply:
        return Reply(200, _shown(await self._verbs.disable(*_item(request))))

    async def enable(self, request: Request[None]) -> Reply:
        return Reply(200, _shown(await self._verbs.enable(*_item(request))))

    async def rotate(self, request: Request[None]) -> Reply:
        return Reply(200, SecretReply((await self._verbs.rotate(*_item(request))).reveal()))

    async def dead_letters(self, request: Request[None]) -> Reply:
        page = page_of(request.query)
        given = request.query.get("subscription")
        subscription = None if given is None else _id_of(given, "subscription")
        begin = request.query.get(CONTINUATION)
        after = b"" if begin is None else _id_of(position_of(begin, str), CONTINUATION)
        found = await self._verbs.dead_letters(
            _resource(request),
            None if subscription is None else SubscriptionId(subscription),
            after=after,
            limit=page.size,
        )
        reply: dict[str, Any] = {"value": [_shown_dead(letter) for letter in found]}
        if len(found) == page.size:
            path = DEAD_LETTERS.format(resource=request.path["resource"])
            reply["nextLink"] = next_link(
                path, request.query, **{CONTINUATION: continuation(to_text(found[-1].id))}
            )
        return Reply(200, reply)

    async def redrive(self, request: Request[RedriveRequest]) -> Reply:
        body = request.body
        if body.ids is not None and len(body.ids) > MAX_IDS:
            raise InvalidRequest(f"At most {MAX_IDS} dead letters can be named.", target="ids")
        ids = None if body.ids is None else tuple(_id_of(each, "ids") for each in body.ids)
        subscription = SubscriptionId(_id_of(body.subscription, "subscription"))
        return Reply(200, RedriveReply(await self._verbs.redrive(_resource(request), subscription, ids)))

    async def confirm(self, request: Request[None]) -> Reply:
        resource, subscription = _item(request)
        await self._verbs.confirm(resource, subscription, request.path["token"])
        return Reply(200, b"The subscription is validated.\n", content_type="text/plain; charset=utf-8")


def _resource(request: Request[Any]) -> ResourceId:
    return known_resource(request.path["resource"])


def _item(request: Request[Any]) -> tuple[ResourceId, SubscriptionId]:
    found = from_text(request.path["subscription"])
    if found is None:
        raise NotFound("There is no such subscription.")
    return _resource(request), SubscriptionId(found)


def _id_of(text: str, target: str) -> bytes:
    found = from_text(text)
    if found is None:
        raise InvalidRequest(f"{target} must be an id.", target=target)
    return found


def _shown(view: SubscriptionView, secret: str | None = None) -> SubscriptionReply:
    return SubscriptionReply(
        to_text(view.id),
        view.name,
        view.endpoint,
        view.schema.value,
        Raw(view.event_types.encode()),
        view.state.value,
        view.max_attempts,
        view.ttl_minutes,
        to_iso(view.created),
        secret,
    )


def _shown_dead(letter: DeadLetter) -> DeadLetterReply:
    outcome = letter.error or (None if letter.status is None else f"HTTP {letter.status}")
    return DeadLetterReply(
        to_text(letter.id),
        to_text(letter.subscription),
        letter.event_type,
        letter.reason,
        letter.attempts,
        outcome,
        letter.status,
        to_iso(letter.created),
        None if letter.tried is None else to_iso(letter.tried),
        Raw(letter.payload),
    )
