"""Subscriptions as deliveries see them: in memory, read again when the database has others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection, select

from telephony.events.event import EventSchema
from telephony.events.ports import Sealer
from telephony.events.states import SubscriptionState
from telephony.events.store import subscriptions
from telephony.kernel.errors import TandemError
from telephony.kernel.ids import ResourceId, SubscriptionId, to_text
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch

log = structlog.get_logger(__name__)

_IN_FORCE: Final = (SubscriptionState.ACTIVE.value, SubscriptionState.DISABLED.value)

Versions = dict[SubscriptionId, int]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that was validated."""

    resource: ResourceId
    id: SubscriptionId
    name: str
    url: str = field(repr=False)
    schema: EventSchema
    event_types: frozenset[str]
    """Empty: all."""
    keys: tuple[bytes, ...] = field(repr=False)
    """What signs: the key in force, then the one before it."""
    old_key_until: int
    """Until when the one before it signs too, in microseconds UTC."""
    state: SubscriptionState
    version: int
    max_attempts: int
    ttl_minutes: int

    def keys_at(self, now: int) -> tuple[bytes, ...]:
        """Return the keys that sign at a time."""
        return self.keys if now < self.old_key_until else self.keys[:1]


def secret_place(resource: ResourceId, subscription: SubscriptionId) -> bytes:
    """Return the place to which a sealed webhook secret is bound."""
    return b"webhook secret\0" + resource + subscription


class SubscriptionDirectory:
    """The look-ups. `start` before the first event, `refresh` after a change, `stop` at the end.

    `matching` may be asked on any thread.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store, self._sealer = store, sealer
        self._versions: Versions | None = None
        self._by_id: dict[SubscriptionId, Subscription] = {}
        self._by_resource: dict[ResourceId, tuple[Subscription, ...]] = {}
        self._matching: dict[tuple[ResourceId, str], tuple[Subscription, ...]] = {}
        self._watch = Watch("events.subscriptions", self.refresh)

    def get(self, subscription: SubscriptionId) -> Subscription | None:
        """Return an active or disabled subscription."""
        return self._by_id.get(subscription)

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Subscription]:
        """Return the active subscriptions of a resource that want a type of event."""
        remembered = self._matching  # a refresh puts another in its place, so that nothing old gets into it
        found = remembered.get((resource, event_type))
        if found is None:
            found = remembered[resource, event_type] = tuple(
                each
                for each in self._by_resource.get(resource, ())
                if not each.event_types or event_type in each.event_types
            )
        return found

    async def start(self) -> None:
        """Read everything, and keep looking for changes."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has, if it changed. Raises Unavailable when that is away."""
        known = self._versions
        found = await self._store.read(lambda tx: _changed(tx, known))
        if found is None:
            return
        before = self._by_id
        by_id: dict[SubscriptionId, Subscription] = {}
        by_resource: dict[ResourceId, list[Subscription]] = {}
        for row in found:
            identifier = SubscriptionId(bytes(row.id))
            same = before.get(identifier)
            subscription = same if same is not None and same.version == row.version else self._read(row)
            if subscription is None:
                continue
            by_id[identifier] = subscription
            if subscription.state is SubscriptionState.ACTIVE:
                by_resource.setdefault(subscription.resource, []).append(subscription)
        self._by_id = by_id
        self._by_resource = {resource: tuple(each) for resource, each in by_resource.items()}
        self._matching = {}
        self._versions = {SubscriptionId(bytes(row.id)): row.version for row in found}

    def _read(self, row: Any) -> Subscription | None:  # noqa: ANN401 - a row of the table
        resource, identifier = ResourceId(bytes(row.resource)), SubscriptionId(bytes(row.id))
        place = secret_place(resource, identifier)
        sealed = [each for each in (row.secret, row.old_secret) if each is not None]
        try:
            keys = tuple(self._sealer.open(bytes(each), place) for each in sealed)
        except TandemError as error:  # one that does not open must not stop the others
            log.error("events.secret_does_not_open", subscription=to_text(identifier), error=error.message)
            return None
        return Subscription(
            resource,
            identifier,
            row.name,
            row.url,
            EventSchema(row.schema),
            frozenset(msgspec.json.decode(row.event_types, type=list[str])),
            keys,
            row.old_secret_until or 0,
            SubscriptionState(row.state),
            row.version,
            row.max_attempts,
            row.ttl_minutes,
        )


def _changed(tx: Connection, known: Versions | None) -> Sequence[Any] | None:
    column = subscriptions.c
    in_force = column.state.in_(_IN_FORCE)
    if known is not None:
        found = tx.execute(select(column.id, column.version).where(in_force))
        if {SubscriptionId(bytes(row.id)): row.version for row in found} == known:
            return None
    return tx.execute(select(subscriptions).where(in_force).order_by(column.resource, column.id)).all()
