"""Changes of subscriptions as jobs for the store's writer."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from telephony.events.event import EventSchema
from telephony.events.ports import Sealer
from telephony.events.retry import DeadReason
from telephony.events.routed import ROUTED_TYPES
from telephony.events.states import (
    DELIVERY,
    SUBSCRIPTION,
    DeliveryEvent,
    DeliveryState,
    SubscriptionEvent,
    SubscriptionState,
)
from telephony.events.store import deliveries, subscriptions
from telephony.events.subscriptions import secret_place
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import ResourceId, SubscriptionId

MAX_SUBSCRIPTIONS: Final = 100
"""Subscriptions a resource: every event is written once for each that wants it."""

_c = subscriptions.c
_d = deliveries.c


def token_hash(token: str) -> bytes:
    """Return what is stored of a validation token; it is random enough for a plain hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class AddSubscription:
    """Write a subscription that awaits validation.

    One of the same name that failed is replaced. Raises Conflict when the name is taken or there are too
    many.
    """

    resource: ResourceId
    id: SubscriptionId
    name: str
    url: str
    schema: EventSchema
    event_types: tuple[str, ...]
    sealed: bytes
    max_attempts: int
    ttl_minutes: int
    token: bytes
    """The token's hash."""
    until: int
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        mine = _c.resource == self.resource
        lapsed = and_(_c.state == SubscriptionState.AWAITING.value, _c.validation_until <= self.now)
        failed = _c.state == SubscriptionState.FAILED.value
        tx.execute(delete(subscriptions).where(mine, _c.name == self.name, or_(lapsed, failed)))
        if tx.execute(select(_c.id).where(mine, _c.name == self.name)).first() is not None:
            raise Conflict("There is a subscription of this name.", target="name")
        counted = (mine, _c.event_types != ROUTED_TYPES)  # of those of rules there are as many as URLs
        count = tx.execute(select(func.count()).select_from(subscriptions).where(*counted)).scalar_one()
        if count >= MAX_SUBSCRIPTIONS:
            raise Conflict(f"A resource has at most {MAX_SUBSCRIPTIONS} subscriptions.")
        tx.execute(
            insert(subscriptions).values(
                resource=self.resource,
                id=self.id,
                name=self.name,
                url=self.url,
                schema=self.schema.value,
                event_types=msgspec.json.encode(self.event_types).decode(),
                secret=self.sealed,
                state=SUBSCRIPTION.initial.value,
                version=0,
                max_attempts=self.max_attempts,
                ttl_minutes=self.ttl_minutes,
                validation=self.token,
                validation_until=self.until,
                created=self.now,
            )
        )


@dataclass(frozen=True, slots=True)
class FireSubscription:
    """Let something happen to a subscription. Raises NotFound, IllegalTransition."""

    resource: ResourceId
    id: SubscriptionId
    event: SubscriptionEvent

    def __call__(self, tx: Connection) -> SubscriptionState:
        """See the class; returns the state that follows."""
        row = _find(tx, self.resource, self.id)
        state = SUBSCRIPTION.fire(SubscriptionState(row.state), self.event)
        _change(tx, row, state=state.value, validation=None, validation_until=None)
        return state


@dataclass(frozen=True, slots=True)
class ConfirmSubscription:
    """The validation URL was visited. Raises NotFound when token, time or state do not fit."""

    resource: ResourceId
    id: SubscriptionId
    token: bytes
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        row = _find(tx, self.resource, self.id)
        fits = row.validation is not None and hmac.compare_digest(bytes(row.validation), self.token)
        state = SubscriptionState(row.state)
        if (
            not fits
            or self.now >= row.validation_until
            or not SUBSCRIPTION.allows(state, SubscriptionEvent.VALIDATE)
        ):
            raise NotFound("There is no such validation.")
        after = SUBSCRIPTION.fire(state, SubscriptionEvent.VALIDATE)
        _change(tx, row, state=after.value, validation=None, validation_until=None)


@dataclass(frozen=True, slots=True)
class DiscardUnvalidated:
    """Forget a subscription whose endpoint refused, unless somebody confirmed it meanwhile; tells whether."""

    resource: ResourceId
    id: SubscriptionId

    def __call__(self, tx: Connection) -> bool:
        """See the class."""
        awaiting = _c.state == SubscriptionState.AWAITING.value
        return (
            tx.execute(delete(subscriptions).where(*_place(self.resource, self.id), awaiting)).rowcount == 1
        )


@dataclass(frozen=True, slots=True)
class LapseSubscriptions:
    """Fail those that nobody confirmed in time; returns how many."""

    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        before = SubscriptionState.AWAITING
        after = SUBSCRIPTION.fire(before, SubscriptionEvent.LAPSE)
        return tx.execute(
            update(subscriptions)
            .where(_c.state == before.value, _c.validation_until <= self.now)
            .values(state=after.value, version=_c.version + 1, validation=None, validation_until=None)
        ).rowcount


@dataclass(frozen=True, slots=True)
class RemoveSubscription:
    """Forget a subscription; what was not delivered becomes dead letters. Raises NotFound."""

    resource: ResourceId
    id: SubscriptionId

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        if tx.execute(delete(subscriptions).where(*_place(self.resource, self.id))).rowcount == 0:
            raise NotFound("There is no such subscription.")
        for state in (DeliveryState.PENDING, DeliveryState.WAITING):
            tx.execute(
                update(deliveries)
                .where(
                    _d.node.is_not(None),
                    _d.resource == self.resource,
                    _d.subscription == self.id,
                    _d.state == state.value,
                )
                .values(
                    state=DELIVERY.fire(state, DeliveryEvent.GIVE_UP).value,
                    version=_d.version + 1,
                    node=None,
                    reason=DeadReason.UNSUBSCRIBED.value,
                )
            )


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """Put a new secret in force; the one before signs too until `old_until`. Raises NotFound."""

    resource: ResourceId
    id: SubscriptionId
    sealed: bytes
    old_until: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        row = _find(tx, self.resource, self.id)
        _change(tx, row, secret=self.sealed, old_secret=bytes(row.secret), old_secret_until=self.old_until)


@dataclass(frozen=True, slots=True)
class ResealSecrets:
    """Seal every secret again, after the master key changed; returns how many subscriptions."""

    sealer: Sealer

    def __call__(self, tx: Connection) -> int:
        """See the class. Raises what `Sealer.open` raises; then none is changed."""
        rows = tx.execute(select(subscriptions)).all()
        for row in rows:
            place = secret_place(ResourceId(bytes(row.resource)), SubscriptionId(bytes(row.id)))
            again = {
                name: self.sealer.seal(self.sealer.open(bytes(sealed), place), place)
                for name, sealed in (("secret", row.secret), ("old_secret", row.old_secret))
                if sealed is not None
            }
            _change(tx, row, **again)
        return len(rows)


def _place(resource: ResourceId, identifier: SubscriptionId) -> tuple[ColumnElement[bool], ...]:
    return _c.resource == resource, _c.id == identifier


def _find(tx: Connection, resource: ResourceId, identifier: SubscriptionId) -> Row[tuple[object, ...]]:
    row = tx.execute(select(subscriptions).where(*_place(resource, identifier))).first()
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def _change(tx: Connection, row: Row[tuple[object, ...]], **values: object) -> None:
    """Compare and set; another gateway may be at the same subscription."""
    changed = tx.execute(
        update(subscriptions)
        .where(_c.resource == row.resource, _c.id == row.id, _c.version == row.version)
        .values(version=row.version + 1, **values)
    )
    if changed.rowcount == 0:
        raise Conflict("The subscription was changed at the same time; try again.")
