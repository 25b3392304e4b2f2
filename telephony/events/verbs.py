"""What can be done with subscriptions."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import structlog
from msgspec import Meta, Struct
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from telephony.events.backlog import DeadLetter, Redrive, dead_letters
from telephony.events.event import EventSchema, topic_of
from telephony.events.handshake import (
    MANUAL_SECONDS,
    TIMEOUT_SECONDS,
    Verdict,
    judge_options,
    judge_post,
    options_headers,
    validation_event,
    validation_headers,
)
from telephony.events.ports import Sealer, Tenants, Wakes
from telephony.events.retry import DEFAULT_ATTEMPTS, DEFAULT_TTL_MINUTES, MAX_ATTEMPTS, MAX_TTL_MINUTES
from telephony.events.settings import EventSettings
from telephony.events.signing import key_of, new_secret, signature_headers
from telephony.events.states import SubscriptionEvent, SubscriptionState
from telephony.events.store import subscriptions
from telephony.events.subscription_jobs import (
    AddSubscription,
    ConfirmSubscription,
    DiscardUnvalidated,
    FireSubscription,
    RemoveSubscription,
    RotateSecret,
    token_hash,
)
from telephony.events.subscriptions import SubscriptionDirectory, secret_place
from telephony.kernel.clock import HOUR, MINUTE, SECOND, Clock
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound, RemoteUnavailable
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.outbound_addresses import parse_destination
from telephony.kernel.ids import NodeId, ResourceId, SubscriptionId, new_id, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

ROTATION_HOURS: Final = 24
"""How long the secret before signs too, so that receivers may change over without a gap."""

VALIDATION_PATH: Final = "/eventSubscriptions/{resource}/{subscription}/validate/{token}"
"""Where the manual handshake leads."""

_HERE: Final = frozenset({"localhost", "::1"})


class NewSubscription(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What an administrator says of a new subscription."""

    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9-]{3,64}\Z")]
    """Unique in the resource; stands in `aeg-subscription-name`."""
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    schema: EventSchema = EventSchema.EVENT_GRID
    event_types: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=96)], ...], Meta(max_length=100)
    ] = ()
    """Empty: all."""
    max_delivery_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)] = DEFAULT_ATTEMPTS
    event_time_to_live_in_minutes: Annotated[int, Meta(ge=1, le=MAX_TTL_MINUTES)] = DEFAULT_TTL_MINUTES
    secret: Annotated[str, Meta(max_length=128)] = ""
    """`whsec_…` that the receiver has already; empty: a new one is made and answered."""

    def __repr__(self) -> str:
        return f"NewSubscription({self.name!r})"


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription as it may be shown: without its secret, and without the query of its URL."""

    id: SubscriptionId
    name: str
    endpoint: str
    schema: EventSchema
    event_types: str
    """JSON list."""
    state: SubscriptionState
    max_attempts: int
    ttl_minutes: int
    created: int


class SubscriptionVerbs:
    """Add, list, get, remove, disable, enable, rotate, confirm; read and re-drive dead letters."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        client: GuardedClient,
        directory: SubscriptionDirectory,
        tenants: Tenants,
        deliverer: Wakes,
        clock: Clock,
        node: NodeId,
        settings: EventSettings,
    ) -> None:
        self._store, self._sealer, self._client, self._directory = store, sealer, client, directory
        self._tenants, self._deliverer, self._clock, self._node = tenants, deliverer, clock, node
        self._settings = settings

    async def add(
        self, resource: ResourceId, new: NewSubscription, *, origin: str
    ) -> tuple[SubscriptionView, Secret]:
        """Make a subscription and ask its endpoint; `origin` is scheme and authority of our own.

        Returns it, active or awaiting somebody's visit to the validation URL, with its secret, which is never
        shown again. Raises NotFound, Conflict, DestinationRefused, or InvalidRequest when the endpoint does
        not agree: then nothing is kept.
        """
        self._know(resource)
        self._check_url(new.url)
        secret = Secret(new.secret) if new.secret else new_secret()
        key = key_of(secret)
        now = self._clock.now()
        identifier = SubscriptionId(new_id(now))
        token = secrets.token_urlsafe(32)
        job = AddSubscription(
            resource,
            identifier,
            new.name,
            new.url,
            new.schema,
            new.event_types,
            self._sealer.seal(key, secret_place(resource, identifier)),
            new.max_delivery_attempts,
            new.event_time_to_live_in_minutes,
            token_hash(token),
            now + MANUAL_SECONDS * SECOND,
            now,
        )
        try:
            await self._store.write(job)
        except IntegrityError:  # another gateway was quicker
            raise Conflict("There is a subscription of this name.", target="name") from None
        base = self._settings.public_origin or origin
        path = VALIDATION_PATH.format(
            resource=to_text(resource), subscription=to_text(identifier), token=token
        )
        await self._agree(resource, identifier, new, key, base, base + path)
        await self._directory.refresh()
        return await self.get(resource, identifier), secret

    async def list(self, resource: ResourceId) -> Sequence[SubscriptionView]:
        """Return a resource's subscriptions, oldest first. Raises NotFound."""
        self._know(resource)
        return await self._store.read(lambda tx: _views(tx, resource, None))

    async def get(self, resource: ResourceId, subscription: SubscriptionId) -> SubscriptionView:
        """Return one. Raises NotFound."""
        found = await self._store.read(lambda tx: _views(tx, resource, subscription))
        if not found:
            raise NotFound("There is no such subscription.")
        return found[0]

    async def remove(self, resource: ResourceId, subscription: SubscriptionId) -> None:
        """Forget one; what it did not get yet becomes dead letters. Raises NotFound."""
        await self._store.write(RemoveSubscription(resource, subscription))
        await self._directory.refresh()
        log.info("events.unsubscribed", subscription=to_text(subscription))

    async def disable(self, resource: ResourceId, subscription: SubscriptionId) -> SubscriptionView:
        """Stop an active one: new events pass it by, what waits keeps waiting. Raises NotFound, Conflict."""
        return await self._fire(resource, subscription, SubscriptionEvent.DISABLE)

    async def enable(self, resource: ResourceId, subscription: SubscriptionId) -> SubscriptionView:
        """Start a disabled one again. Raises NotFound, Conflict."""
        view = await self._fire(resource, subscription, SubscriptionEvent.ENABLE)
        self._deliverer.wake((subscription,))
        return view

    async def rotate(self, resource: ResourceId, subscription: SubscriptionId) -> Secret:
        """Put a new secret in force and return it; for 24 hours the old one signs too. Raises NotFound."""
        secret = new_secret()
        sealed = self._sealer.seal(key_of(secret), secret_place(resource, subscription))
        until = self._clock.now() + ROTATION_HOURS * HOUR
        await self._store.write(RotateSecret(resource, subscription, sealed, until))
        await self._directory.refresh()
        return secret

    async def confirm(self, resource: ResourceId, subscription: SubscriptionId, token: str) -> None:
        """The validation URL was visited. Raises NotFound when it does not fit, or no longer."""
        await self._store.write(
            ConfirmSubscription(resource, subscription, token_hash(token), self._clock.now())
        )
        await self._directory.refresh()
        log.info("events.subscribed", subscription=to_text(subscription), how="manually")

    async def dead_letters(
        self, resource: ResourceId, subscription: SubscriptionId | None, *, after: bytes, limit: int
    ) -> Sequence[DeadLetter]:
        """Return dead letters, oldest first, after the id `after`. Raises NotFound."""
        self._know(resource)
        return await self._store.read(dead_letters(resource, subscription, after=after, limit=limit))

    async def redrive(
        self, resource: ResourceId, subscription: SubscriptionId, ids: tuple[bytes, ...] | None = None
    ) -> int:
        """Send dead letters again, all when `ids` is None; return how many. Raises NotFound."""
        view = await self.get(resource, subscription)
        now = self._clock.now()
        expires = now + view.ttl_minutes * MINUTE
        count = await self._store.write(Redrive(resource, subscription, ids, expires, self._node, now))
        self._deliverer.wake((subscription,))
        log.info("events.redriven", subscription=to_text(subscription), count=count)
        return count

    async def _agree(
        self,
        resource: ResourceId,
        identifier: SubscriptionId,
        new: NewSubscription,
        key: bytes,
        origin: str,
        validation_url: str,
    ) -> None:
        """Ask the endpoint; without its consent the subscription is forgotten again."""
        verdict, why = Verdict.REFUSED, "It did not agree."
        try:
            if new.schema is EventSchema.EVENT_GRID:
                verdict = await self._ask_by_post(resource, new, key, validation_url)
            else:
                verdict = await self._ask_by_options(new, origin, validation_url)
        except RemoteUnavailable as error:
            why = error.message
        finally:
            if verdict is Verdict.AGREED:
                await self._validated(resource, identifier)
            kept = verdict is not Verdict.REFUSED
            if not kept:
                # Somebody may have visited the validation URL while the endpoint was still thinking.
                kept = not await self._store.write(DiscardUnvalidated(resource, identifier))
        if not kept:
            raise InvalidRequest(
                f"The endpoint failed the validation handshake. {why}",
                code="EndpointNotValidated",
                target="url",
            )

    async def _ask_by_post(
        self, resource: ResourceId, new: NewSubscription, key: bytes, validation_url: str
    ) -> Verdict:
        now = self._clock.now()
        code, event = secrets.token_hex(16), to_text(new_id(now))
        body = validation_event(event, topic_of(resource), code=code, url=validation_url, now=now)
        headers = validation_headers(new.name) | signature_headers((key,), event, now // SECOND, body)
        reply = await self._client.request("POST", new.url, headers, body, TIMEOUT_SECONDS)
        return judge_post(reply.status, reply.body, code=code)

    async def _ask_by_options(self, new: NewSubscription, origin: str, validation_url: str) -> Verdict:
        host = urlsplit(origin).hostname or ""
        headers = options_headers(host, validation_url)
        reply = await self._client.request("OPTIONS", new.url, headers, None, TIMEOUT_SECONDS)
        return judge_options(reply.status, reply.headers, origin=host)

    async def _validated(self, resource: ResourceId, identifier: SubscriptionId) -> None:
        try:
            await self._store.write(FireSubscription(resource, identifier, SubscriptionEvent.VALIDATE))
        except Conflict:  # somebody visited the validation URL as well
            return
        log.info("events.subscribed", subscription=to_text(identifier), how="handshake")

    async def _fire(
        self, resource: ResourceId, subscription: SubscriptionId, event: SubscriptionEvent
    ) -> SubscriptionView:
        await self._store.write(FireSubscription(resource, subscription, event))
        await self._directory.refresh()
        return await self.get(resource, subscription)

    def _know(self, resource: ResourceId) -> None:
        if not self._tenants.knows(resource):
            raise NotFound("There is no such resource.")

    def _check_url(self, url: str) -> None:
        self._client.check(url)
        destination = parse_destination(url)
        here = destination.host in _HERE or (destination.literal and destination.host.startswith("127."))
        if destination.scheme == "http" and self._settings.https_only and not here:
            raise InvalidRequest("The endpoint's URL must begin with https://.", target="url")


def _views(
    tx: Connection, resource: ResourceId, subscription: SubscriptionId | None
) -> Sequence[SubscriptionView]:
    column = subscriptions.c
    query = select(subscriptions).where(column.resource == resource)
    if subscription is not None:
        query = query.where(column.id == subscription)
    return [_view(row) for row in tx.execute(query.order_by(column.id))]


def _view(row: Any) -> SubscriptionView:  # noqa: ANN401 - a row of the table
    return SubscriptionView(
        SubscriptionId(bytes(row.id)),
        row.name,
        row.url.partition("?")[0].partition("#")[0],
        EventSchema(row.schema),
        row.event_types,
        SubscriptionState(row.state),
        row.max_attempts,
        row.ttl_minutes,
        row.created,
    )
