"""Endpoints that rules send events to, whoever subscribed to what.

Each is a subscription like any other: listed, signed with a secret of its own, guarded, retried, with dead
letters, rotated and disabled. Its event type is `ROUTED`, which no event has, so that nothing but what a rule
sends there reaches it. A rule's URL that has none gets one with the first event; whoever wants to choose its
form, or to have the secret before that, subscribes the URL with this type first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from telephony.events.event import EventSchema
from telephony.events.ports import Sealer
from telephony.events.retry import DEFAULT_ATTEMPTS, DEFAULT_TTL_MINUTES
from telephony.events.signing import key_of, new_secret
from telephony.events.states import SUBSCRIPTION, SubscriptionEvent, SubscriptionState
from telephony.events.store import Delivery, Publication, Wanted, publish_many, subscriptions
from telephony.events.subscriptions import secret_place
from telephony.kernel.ids import NodeId, ResourceId, SubscriptionId, new_id

ROUTED: Final = "routed"
"""The event type of such a subscription."""

ROUTED_TYPES: Final = msgspec.json.encode((ROUTED,)).decode()
"""The same as the store spells it."""

_c = subscriptions.c


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A subscription that takes what rules send to its URL."""

    id: SubscriptionId
    schema: EventSchema
    ttl_minutes: int


def endpoint_of(tx: Connection, resource: ResourceId, url: str, sealer: Sealer, now: int) -> Endpoint | str:
    """Return what takes events for a URL, made when there is none; or why there is nothing, in words.

    The operator's rule stands for the endpoint's consent, so that nobody is asked. Two gateways that make one
    at the same moment make one.
    """
    found = _find(tx, resource, url)
    if found is not None:
        return found
    identifier = SubscriptionId(new_id(now))
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    values = {
        "resource": resource,
        "id": identifier,
        "name": f"route-{blake2b(url.encode(), digest_size=8).hexdigest()}",
        "url": url,
        "schema": EventSchema.EVENT_GRID.value,
        "event_types": ROUTED_TYPES,
        "secret": sealer.seal(key_of(new_secret()), secret_place(resource, identifier)),
        "state": SUBSCRIPTION.fire(SUBSCRIPTION.initial, SubscriptionEvent.VALIDATE).value,
        "version": 0,
        "max_attempts": DEFAULT_ATTEMPTS,
        "ttl_minutes": DEFAULT_TTL_MINUTES,
        "created": now,
    }
    tx.execute(dialect.insert(subscriptions).values(values).on_conflict_do_nothing())
    return _find(tx, resource, url) or "a subscription of another URL has its name"


def publish_to(
    tx: Connection, endpoint: Endpoint, publications: Sequence[Publication], *, node: NodeId, now: int
) -> list[Delivery]:
    """Write a delivery for every event to one endpoint; see `publish`."""
    return publish_many(tx, publications, subscriptions=_Only(endpoint), node=node, now=now)


def _find(tx: Connection, resource: ResourceId, url: str) -> Endpoint | str | None:
    """Return the active one of a URL, else why another one does not take anything; None: there is none."""
    mine = (_c.resource == resource, _c.url == url, _c.event_types == ROUTED_TYPES)
    rows = tx.execute(select(_c.id, _c.schema, _c.ttl_minutes, _c.state, _c.name).where(*mine)).all()
    for row in rows:
        if row.state == SubscriptionState.ACTIVE.value:
            return Endpoint(SubscriptionId(bytes(row.id)), EventSchema(row.schema), row.ttl_minutes)
    waiting = [row for row in rows if row.state != SubscriptionState.FAILED.value]
    return f"its subscription {waiting[0].name} is {waiting[0].state}" if waiting else None


@dataclass(frozen=True, slots=True)
class _Only:
    """A `Matching` of one endpoint."""

    endpoint: Endpoint

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Wanted]:
        return (self.endpoint,)
