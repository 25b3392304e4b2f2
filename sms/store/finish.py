"""Moving messages to the state that follows, with everything that hangs on it, inside one transaction.

Whatever ends a message passes here: the state by its table and by compare-and-set, the timeline entry, and
the delivery report to the application, committed together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, update

from sms.events import DeliveryAttempt, DeliveryReport, delivery_report_event
from sms.message import SmsDetail, wire_id
from sms.states import OUTBOUND, MessageEvent, MessageState
from telephony.events.event import Event
from telephony.events.store import Delivery, Matching, Publication, publish_many
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import Entry, append_many

Key = tuple[ResourceId, InteractionId]
"""What a message is found by."""

IN_CLAUSE: Final = 500
"""Ids a query names at once: SQLite allows 32,766 variables, PostgreSQL plans short lists better."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a message, and why."""

    key: Key
    event: MessageEvent
    at: int
    source: str
    reason: str = ""
    """In words, for the application's `deliveryStatusDetails` and the timeline."""
    succeeded: int = 0
    """Segments delivered so far."""
    failed: int = 0
    """Segments that failed."""
    due: int | None = None
    """When to look at it again; only for a message that goes on."""


@dataclass(slots=True)
class Finisher:
    """The collaborators of a change, and what it leaves behind."""

    node: NodeId
    subscriptions: Matching
    deliveries: list[Delivery] = field(default_factory=list)
    """Webhook deliveries made; the caller hands them on after the commit."""

    def apply(
        self, tx: Connection, changes: Sequence[Change], rows: Mapping[Key, Row[Any]] | None = None
    ) -> list[Key]:
        """Apply changes that their messages' states allow; return the keys of those applied.

        A change that the state does not allow any more is dropped: somebody was faster.
        """
        rows = load(tx, [change.key for change in changes])
        updates: list[dict[str, object]] = []
        entries: list[Entry] = []
        reports: list[Publication] = []
        applied: list[Key] = []
        states: dict[Key, tuple[MessageState, int]] = {}
        for change in changes:
            row = rows.get(change.key)
            if row is None:
                continue
            state, version = states.get(change.key, (MessageState(row.state), row.version))
            if not OUTBOUND.allows(state, change.event):
                continue
            new = OUTBOUND.fire(state, change.event)
            states[change.key] = (new, version + 1)
            over = new in OUTBOUND.final
            updates.append(
                {
                    "b_resource": row.resource,
                    "b_id": row.id,
                    "b_version": version,
                    "state": new.value,
                    "version": version + 1,
                    "node": self.node if new is MessageState.SUBMITTING else None,
                    "due": None if over else change.due if change.due is not None else row.due,
                    "updated": change.at,
                    "ended": change.at if over else None,
                }
            )
            applied.append(change.key)
            if over:
                data = {"reason": change.reason} if change.reason else None
                entries.append(
                    Entry(
                        row.resource,
                        row.id,
                        change.at,
                        self.node,
                        change.source,
                        f"message.{new.value}",
                        data,
                    )
                )
                report = _report(row, change, new)
                if report is not None:
                    reports.append(Publication(row.resource, row.id, (report,)))
        if updates:
            tx.execute(_UPDATE, updates)
            append_many(tx, entries)
        if reports:
            self.publish(tx, reports, max(change.at for change in changes))
        return applied

    def publish(self, tx: Connection, publications: Sequence[Publication], now: int) -> None:
        """Write deliveries of events for whoever subscribed to them."""
        self.deliveries += publish_many(
            tx, publications, subscriptions=self.subscriptions, node=self.node, now=now
        )


_UPDATE: Final = (
    update(interactions)
    .where(
        interactions.c.resource == bindparam("b_resource"),
        interactions.c.id == bindparam("b_id"),
        interactions.c.version == bindparam("b_version"),
    )
    .values({name: bindparam(name) for name in ("state", "version", "node", "due", "updated", "ended")})
)


def load(tx: Connection, keys: Sequence[Key]) -> Mapping[Key, Row[Any]]:
    """Return the messages' rows, locked until the commit where the database can (PostgreSQL)."""
    found: dict[Key, Row[Any]] = {}
    by_resource: dict[ResourceId, list[InteractionId]] = {}
    for resource, identifier in dict.fromkeys(keys):
        by_resource.setdefault(resource, []).append(identifier)
    for resource, identifiers in by_resource.items():
        for start in range(0, len(identifiers), IN_CLAUSE):
            query = (
                select(interactions)
                .where(
                    interactions.c.resource == resource,
                    interactions.c.id.in_(identifiers[start : start + IN_CLAUSE]),
                )
                .order_by(interactions.c.id)  # one order of locking: no two nodes wait for each other
                .with_for_update()
            )
            for row in tx.execute(query):
                found[row.resource, row.id] = row
    return found


def _report(row: Row[Any], change: Change, new: MessageState) -> Event | None:
    """Return the delivery report the application asked for, or None."""
    detail = msgspec.json.decode(row.detail, type=SmsDetail)
    if not detail.report:
        return None
    delivered = new is MessageState.DELIVERED
    return delivery_report_event(
        change.at,
        DeliveryReport(
            message_id=wire_id(row.id, "outbound"),
            from_=row.own,
            to=row.peer,
            delivery_status="Delivered" if delivered else "Failed",
            delivery_status_details="No error." if delivered else change.reason,
            received_timestamp=to_iso(change.at),
            delivery_attempts=(
                DeliveryAttempt(
                    timestamp=to_iso(row.updated),
                    segments_succeeded=detail.segments if delivered else change.succeeded,
                    segments_failed=0 if delivered else change.failed or detail.segments - change.succeeded,
                ),
            ),
            tag=detail.tag,
        ),
    )
