"""The tables of this plane, and the outbox: events become rows in the transaction that caused them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import Struct
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from telephony.events.event import Event, EventSchema, body_of, topic_of
from telephony.events.states import DELIVERY, DeliveryState
from telephony.kernel.clock import MINUTE, SECOND
from telephony.kernel.ids import InteractionId, NodeId, ResourceId, SubscriptionId, new_ids
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import WORK, Identifier, Microseconds, metadata

MAX_ERROR: Final = 200
"""Characters of a try's error that are kept."""

subscriptions: Final = Table(
    "subscriptions",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("url", String(2048), nullable=False),
    Column("schema", String(16), nullable=False),
    Column("event_types", Text, nullable=False),  # JSON list; empty: all
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("old_secret", LargeBinary),  # sealed; signs too until the time beside it
    Column("old_secret_until", Microseconds),
    Column("state", String(24), nullable=False),
    Column("version", Integer, nullable=False),  # grows with every change
    Column("max_attempts", Integer, nullable=False),
    Column("ttl_minutes", Integer, nullable=False),
    Column("validation", LargeBinary(32)),  # SHA-256 of the token of the manual handshake
    Column("validation_until", Microseconds),
    Column("created", Microseconds, nullable=False),
    UniqueConstraint("resource", "name"),
)
"""Who wants to know what."""

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("subscription", Identifier, nullable=False),
    Column("interaction", Identifier),
    Column("event_id", String(128), nullable=False),
    Column("event_type", String(96), nullable=False),
    Column("data_version", String(8), nullable=False),
    Column("payload", LargeBinary, nullable=False),  # the body as it is sent
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Microseconds, nullable=False),
    Column("expires", Microseconds, nullable=False),
    Column("node", Identifier),  # who works on it; NULL when it is finished
    Column("created", Microseconds, nullable=False),
    Column("tried", Microseconds),
    Column("last_status", Integer),
    Column("last_error", String(MAX_ERROR)),
    Column("reason", String(48)),  # why it is dead
    info=WORK,
)
"""One row an event and subscription."""

Index(
    "deliveries_due",
    deliveries.c.node,
    deliveries.c.subscription,
    deliveries.c.due,
    sqlite_where=deliveries.c.node.is_not(None),
    postgresql_where=deliveries.c.node.is_not(None),
)
Index(
    "deliveries_dead",
    deliveries.c.resource,
    deliveries.c.subscription,
    deliveries.c.id,
    sqlite_where=deliveries.c.state == "dead",
    postgresql_where=deliveries.c.state == "dead",
)
Index(
    "deliveries_finished",
    deliveries.c.state,
    deliveries.c.created,
    sqlite_where=deliveries.c.node.is_(None),
    postgresql_where=deliveries.c.node.is_(None),
)


class Delivery(Struct, frozen=True, gc=False):
    """A delivery that somebody has to work on."""

    resource: ResourceId
    id: bytes
    subscription: SubscriptionId
    interaction: InteractionId | None
    event_id: str
    event_type: str
    data_version: str
    payload: bytes
    state: DeliveryState
    version: int
    attempts: int
    due: int
    expires: int


class Wanted(Protocol):
    """What publishing has to know of a subscription."""

    @property
    def id(self) -> SubscriptionId:
        """Its id."""
        ...

    @property
    def schema(self) -> EventSchema:
        """The form it wants."""
        ...

    @property
    def ttl_minutes(self) -> int:
        """How long an event is worth delivering to it."""
        ...


class Matching(Protocol):
    """Knows who wants what; asked on the store's thread too."""

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Wanted]:
        """Return the active subscriptions of a resource that want a type of event."""
        ...


@dataclass(frozen=True, slots=True)
class Publication:
    """Events of one interaction, or of none."""

    resource: ResourceId
    interaction: InteractionId | None
    events: Sequence[Event]


def publish(
    tx: Connection,
    resource: ResourceId,
    interaction: InteractionId | None,
    events: Sequence[Event],
    *,
    subscriptions: Matching,
    node: NodeId,
    now: int,
) -> list[Delivery]:
    """Write a delivery for every event and subscription that wants it, and return them.

    Called inside the job that changes what the events tell of, so that both are committed or neither is.
    After the commit hand the result to `Deliverer.enqueue`; a result that is lost is found in the store.
    """
    return publish_many(
        tx, (Publication(resource, interaction, events),), subscriptions=subscriptions, node=node, now=now
    )


def publish_many(
    tx: Connection, publications: Iterable[Publication], *, subscriptions: Matching, node: NodeId, now: int
) -> list[Delivery]:
    """Do the work of `publish` for many interactions in one statement; without subscriptions, none."""
    wanted = [
        (publication, event, found)
        for publication in publications
        for event in publication.events
        if (found := subscriptions.matching(publication.resource, event.type))
    ]
    if not wanted:
        return []
    ids = iter(new_ids(now, sum(len(found) for _, _, found in wanted)))
    made: list[Delivery] = []
    for publication, event, found in wanted:
        _deliveries_of(made, publication, event, found, ids, now)
    insert_rows(tx, deliveries, [_row(delivery, node, now) for delivery in made])
    return made


def _deliveries_of(
    made: list[Delivery],
    publication: Publication,
    event: Event,
    wanted: Sequence[Wanted],
    ids: Iterator[bytes],
    now: int,
) -> None:
    resource = publication.resource
    topic = topic_of(resource)
    bodies: dict[EventSchema, bytes] = {}
    for subscription in wanted:
        schema = subscription.schema
        body = bodies.get(schema) if bodies else None
        if body is None:
            body = bodies[schema] = body_of(event, schema, topic)
        life = subscription.ttl_minutes * MINUTE
        if event.ttl_seconds is not None:
            life = min(life, round(event.ttl_seconds * SECOND))
        made.append(
            Delivery(
                resource,
                next(ids),
                subscription.id,
                publication.interaction,
                event.id,
                event.type,
                event.data_version,
                body,
                DELIVERY.initial,
                0,
                0,
                now,
                now + life,
            )
        )


def _row(delivery: Delivery, node: NodeId, now: int) -> tuple[object, ...]:
    """Return a value for every column, in the order of the table."""
    return (
        delivery.resource,
        delivery.id,
        delivery.subscription,
        delivery.interaction,
        delivery.event_id,
        delivery.event_type,
        delivery.data_version,
        delivery.payload,
        delivery.state.value,
        delivery.version,
        delivery.attempts,
        delivery.due,
        delivery.expires,
        node,
        now,
        None,  # tried
        None,  # last_status
        None,  # last_error
        None,  # reason
    )
