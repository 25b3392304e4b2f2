"""What the deliverer asks of the store and writes into it: due rows, outcomes, dead letters, purging."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, select, tuple_, update

from telephony.events.retry import DeadReason
from telephony.events.states import DELIVERY, DeliveryEvent, DeliveryState
from telephony.events.store import MAX_ERROR, Delivery, deliveries
from telephony.kernel.ids import InteractionId, NodeId, ResourceId, SubscriptionId
from telephony.kernel.store.bulk import among
from telephony.kernel.store.timeline import Entry, TimelineKind, append_many

SOURCE: Final = "webhook"
"""The `source` of timeline entries."""

MAX_REDRIVEN: Final = 10_000
"""Dead letters that one request sends again: keeps the writer's transaction short."""

PURGE_SLICE: Final = 1000
"""Rows that one purge removes."""

_ACCEPTED: Final = (
    f"UPDATE deliveries SET state = '{DeliveryState.DELIVERED.value}', version = version + 1, attempts = 1,"  # noqa: S608 - words of ours
    " node = NULL, tried = ?, last_status = ? WHERE resource = ? AND id {ids} AND node = ?"
    f" AND state = '{DeliveryState.PENDING.value}'"
)

_DELETED: Final = f"DELETE FROM deliveries WHERE resource = ? AND id {{ids}} AND node = ? AND state = '{DeliveryState.PENDING.value}'"  # noqa: S608, E501 - words of ours

_c = deliveries.c
_COLUMNS: Final = (
    _c.resource,
    _c.id,
    _c.subscription,
    _c.interaction,
    _c.event_id,
    _c.event_type,
    _c.data_version,
    _c.payload,
    _c.state,
    _c.version,
    _c.attempts,
    _c.due,
    _c.expires,
)


class WebhookKind(TimelineKind):
    """What can happen between an event and its endpoint."""

    DELIVERED = "webhook.delivered"
    FAILED = "webhook.failed"
    DEAD = "webhook.dead"


_KINDS: Final = {
    DeliveryState.DELIVERED: WebhookKind.DELIVERED,
    DeliveryState.WAITING: WebhookKind.FAILED,
    DeliveryState.DEAD: WebhookKind.DEAD,
}


class TryData(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """The data of a timeline entry of this plane: one try."""

    subscription: str
    event_type: str
    attempt: int
    status: int | None = None
    duration_ms: float | None = None
    error: str | None = None
    due: int | None = None
    """When it is tried again."""
    reason: str | None = None
    """Why it is not."""


class Outcome(Struct, frozen=True, gc=False):
    """What a try came to."""

    delivery: Delivery
    state: DeliveryState
    at: int
    name: str
    """The subscription's."""
    attempts: int
    due: int
    status: int | None = None
    error: str | None = None
    reason: DeadReason | None = None
    duration_ms: float | None = None
    """None when nothing was sent."""


@dataclass(frozen=True, slots=True)
class RecordOutcomes:
    """Job: write what tries came to, with an entry in the timeline each.

    A row that is no longer this node's keeps what its new owner says.
    """

    outcomes: Sequence[Outcome]
    node: NodeId
    keep: bool = True
    """Whether rows accepted at the first try stay until they are purged; else they go now: cheaper."""

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        first: dict[tuple[ResourceId, int | None], list[Outcome]] = {}
        others: list[Outcome] = []
        for outcome in self.outcomes:
            if outcome.state is DeliveryState.DELIVERED and outcome.attempts == 1:
                first.setdefault((outcome.delivery.resource, outcome.status), []).append(outcome)
            else:
                others.append(outcome)
        for (resource, status), accepted in first.items():
            self._accepted(tx, resource, status, accepted)
        if others:
            tx.execute(_SETTLE, [self._values(outcome) for outcome in others])
        append_many(
            tx,
            [self._entry(outcome) for outcome in self.outcomes if outcome.delivery.interaction is not None],
        )

    def _accepted(
        self, tx: Connection, resource: ResourceId, status: int | None, accepted: Sequence[Outcome]
    ) -> None:
        # Nearly all end here, so they share a statement. Of a row that is still ours the version is known.
        ids = [outcome.delivery.id for outcome in accepted]
        if self.keep:
            among(tx, _ACCEPTED, ids, before=(accepted[-1].at, status, resource), after=(self.node,))
        else:
            among(tx, _DELETED, ids, before=(resource,), after=(self.node,))

    def _values(self, outcome: Outcome) -> dict[str, object]:
        delivery = outcome.delivery
        return {
            "at_resource": delivery.resource,
            "at_id": delivery.id,
            "at_version": delivery.version,
            "at_state": delivery.state.value,
            "at_node": self.node,
            "state": outcome.state.value,
            "version": delivery.version + 1,
            "attempts": outcome.attempts,
            "due": outcome.due,
            "node": self.node if outcome.state is DeliveryState.WAITING else None,
            "tried": outcome.at,
            "last_status": outcome.status,
            "last_error": outcome.error and outcome.error[:MAX_ERROR],
            "reason": outcome.reason,
        }

    def _entry(self, outcome: Outcome) -> Entry:
        delivery = outcome.delivery
        data = TryData(
            subscription=outcome.name,
            event_type=delivery.event_type,
            attempt=outcome.attempts,
            status=outcome.status,
            duration_ms=outcome.duration_ms,
            error=outcome.error,
            due=outcome.due if outcome.state is DeliveryState.WAITING else None,
            reason=outcome.reason,
        )
        interaction = InteractionId(delivery.interaction or b"")
        return Entry(
            delivery.resource, interaction, outcome.at, self.node, SOURCE, _KINDS[outcome.state], data
        )


_SETTLE: Final = (
    update(deliveries).where(
        _c.resource == bindparam("at_resource"),
        _c.id == bindparam("at_id"),
        _c.version == bindparam("at_version"),
        _c.state == bindparam("at_state"),
        _c.node == bindparam("at_node"),
    )
    # What is set follows from the names of the parameters.
)


def waiting_subscriptions(node: NodeId) -> Callable[[Connection], list[tuple[SubscriptionId, int]]]:
    """Return the query for the subscriptions that this node has deliveries of, with the earliest due time."""
    query = select(_c.subscription, func.min(_c.due)).where(_c.node == node).group_by(_c.subscription)
    return lambda tx: [(SubscriptionId(bytes(found)), due) for found, due in tx.execute(query)]


class Due(Struct, frozen=True, gc=False):
    """What the store has for a lane."""

    deliveries: Sequence[Delivery]
    """The earliest first; only the last may be due later."""
    more: bool
    """Whether others are due behind them."""


def due_deliveries(
    node: NodeId, subscription: SubscriptionId, *, held: Set[bytes], limit: int, now: int
) -> Callable[[Connection], Due]:
    """Return the query for this node's deliveries of a subscription that are due, at most `limit`.

    Those `held` in memory are passed over, before anything but their ids is read: beside a full queue they
    are most of what is found.
    """
    query = (
        select(_c.id, _c.resource, _c.due)
        .where(_c.node == node, _c.subscription == subscription)
        .order_by(_c.due, _c.id)
        .limit(limit + len(held))
    )

    def run(tx: Connection) -> Due:
        wanted: list[bytes] = []
        resource = b""
        found = tx.execute(query).all()
        for row in found:
            identifier = bytes(row[0])
            if identifier in held:
                continue
            wanted.append(identifier)
            resource = row[1]  # one, the subscription's
            if len(wanted) == limit or row[2] > now:
                break
        more = len(wanted) == limit or len(found) == limit + len(held)
        rows = {bytes(row[1]): row for row in among(tx, _READ, wanted, before=(resource,))}
        return Due([_delivery(rows[each]) for each in wanted], more)

    return run


_NAMES: Final = ", ".join(column.name for column in _COLUMNS)
_READ: Final = f"SELECT {_NAMES} FROM deliveries WHERE resource = ? AND id {{ids}}"  # noqa: S608 - words of ours
_STATES: Final = {state.value: state for state in DeliveryState}


def _delivery(row: Sequence[Any]) -> Delivery:
    """Return a row of `_COLUMNS`."""
    return Delivery(
        ResourceId(bytes(row[0])),
        bytes(row[1]),
        SubscriptionId(bytes(row[2])),
        None if row[3] is None else InteractionId(bytes(row[3])),
        row[4],
        row[5],
        row[6],
        bytes(row[7]),
        _STATES[row[8]],
        *row[9:],
    )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up."""

    id: bytes
    subscription: SubscriptionId
    event_type: str
    payload: bytes
    attempts: int
    created: int
    tried: int | None
    status: int | None
    error: str | None
    reason: str


def dead_letters(
    resource: ResourceId, subscription: SubscriptionId | None, *, after: bytes, limit: int
) -> Callable[[Connection], list[DeadLetter]]:
    """Return the query for dead letters of one subscription or all, oldest first, after the id `after`."""
    query = select(
        _c.id,
        _c.subscription,
        _c.event_type,
        _c.payload,
        _c.attempts,
        _c.created,
        _c.tried,
        _c.last_status,
        _c.last_error,
        _c.reason,
    ).where(_c.resource == resource, _c.state == DeliveryState.DEAD.value, _c.id > after)
    if subscription is not None:
        query = query.where(_c.subscription == subscription)
    query = query.order_by(_c.id).limit(limit)
    return lambda tx: [
        DeadLetter(
            bytes(row.id),
            SubscriptionId(bytes(row.subscription)),
            row.event_type,
            bytes(row.payload),
            row.attempts,
            row.created,
            row.tried,
            row.last_status,
            row.last_error,
            row.reason or "",
        )
        for row in tx.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Redrive:
    """Job: make dead letters of a subscription pending again; returns how many, at most `MAX_REDRIVEN`.

    They get all their tries and a fresh time to live, and keep their event's id.
    """

    resource: ResourceId
    subscription: SubscriptionId
    ids: tuple[bytes, ...] | None
    """Which; None for all."""
    expires: int
    node: NodeId
    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        which = select(_c.id).where(
            _c.resource == self.resource,
            _c.subscription == self.subscription,
            _c.state == DeliveryState.DEAD.value,
        )
        if self.ids is not None:
            which = which.where(_c.id.in_(self.ids))
        which = which.order_by(_c.id).limit(MAX_REDRIVEN)
        state = DELIVERY.fire(DeliveryState.DEAD, DeliveryEvent.REDRIVE)
        return tx.execute(
            update(deliveries)
            .where(_c.resource == self.resource, _c.id.in_(which), _c.state == DeliveryState.DEAD.value)
            .values(
                state=state.value,
                version=_c.version + 1,
                attempts=0,
                due=self.now,
                expires=self.expires,
                node=self.node,
                reason=None,
            )
        ).rowcount


@dataclass(frozen=True, slots=True)
class Purge:
    """Job: forget finished deliveries created before a time, a slice at once; returns how many."""

    delivered_before: int
    dead_before: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        return sum(
            self._slice(tx, state, before)
            for state, before in (
                (DeliveryState.DELIVERED, self.delivered_before),
                (DeliveryState.DEAD, self.dead_before),
            )
        )

    def _slice(self, tx: Connection, state: DeliveryState, before: int) -> int:
        old = (
            select(_c.resource, _c.id)
            .where(_c.node.is_(None), _c.state == state.value, _c.created < before)
            .limit(PURGE_SLICE)
        )
        return tx.execute(delete(deliveries).where(tuple_(_c.resource, _c.id).in_(old))).rowcount
