"""Alarms in the store, and the events that tell of them: written in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Connection, Index, String, Table, Text, insert, select, update

from telephony.alarms.watch import AlarmKind, Severity, Thing, Transition, Turn
from telephony.events.event import Event
from telephony.events.store import Delivery, Matching, publish
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import NodeId, new_id, to_text
from telephony.kernel.store.schema import EXPIRES, Identifier, Microseconds, metadata
from telephony.resources.directory import NOBODY

OPERATOR: Final = NOBODY
"""The resource that alarms are events of: the node itself, all zero."""

MAX_SUBJECT: Final = 256

NEVER: Final = 1 << 62
"""A time that does not come."""

alarms: Final = Table(
    "alarms",
    metadata,
    Column("resource", Identifier, primary_key=True),  # all zero: the node's
    Column("id", Identifier, primary_key=True),
    Column("origin", String(96), nullable=False),  # which gateway saw it: host:port
    Column("kind", String(16), nullable=False),
    Column("subject", String(MAX_SUBJECT), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("raised", Microseconds, nullable=False),
    Column("cleared", Microseconds),  # NULL: it is open
    Column("expires", Microseconds, nullable=False, index=True),  # NEVER while it is open
    info=EXPIRES,
)
"""One row an alarm, from when it was raised on."""

Index(
    "alarms_open",
    alarms.c.origin,
    sqlite_where=alarms.c.cleared.is_(None),
    postgresql_where=alarms.c.cleared.is_(None),
)

_c = alarms.c

EVENT_TYPES: Final = {Turn.RAISED: "Tandem.AlarmRaised", Turn.CLEARED: "Tandem.AlarmCleared"}
"""What webhook subscriptions call them."""


class AlarmData(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The `data` of an alarm's events."""

    alarm_id: str
    kind: AlarmKind
    subject: str
    severity: Severity
    text: str
    node: str
    raised_at: str
    cleared_at: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm."""

    id: bytes
    origin: str
    thing: Thing
    severity: Severity
    text: str
    raised: int
    cleared: int | None = None


def event_of(alarm: Alarm) -> Event:
    """Return the event that tells of an alarm as it is now; the same alarm makes the same event's id."""
    turn = Turn.RAISED if alarm.cleared is None else Turn.CLEARED
    data = AlarmData(
        to_text(alarm.id),
        alarm.thing.kind,
        alarm.thing.subject,
        alarm.severity,
        alarm.text,
        alarm.origin,
        to_iso(alarm.raised),
        None if alarm.cleared is None else to_iso(alarm.cleared),
    )
    return Event(
        id=f"{to_text(alarm.id)}-{turn.value}",
        type=EVENT_TYPES[turn],
        subject=f"/alarms/{alarm.thing.kind.value}/{alarm.thing.subject}",
        time=alarm.raised if alarm.cleared is None else alarm.cleared,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


def raised(transition: Transition, origin: str) -> Alarm:
    """Return the alarm that a transition raises."""
    return Alarm(
        new_id(transition.at),
        origin,
        transition.thing,
        transition.severity,
        transition.text,
        transition.at,
    )


@dataclass(frozen=True, slots=True)
class WriteAlarm:
    """Job: write an alarm as it is now, and publish the event; returns deliveries for the deliverer.

    Works twice: an alarm that stands there so already is not published again.
    """

    alarm: Alarm
    expires: int
    """When a cleared alarm is forgotten."""
    subscriptions: Matching
    node: NodeId
    now: int

    def __call__(self, tx: Connection) -> list[Delivery]:
        """See the class."""
        alarm = self.alarm
        row = tx.execute(select(_c.cleared).where(_c.resource == OPERATOR, _c.id == alarm.id)).first()
        if row is None:
            tx.execute(insert(alarms).values(**self._row()))
        elif row.cleared is None and alarm.cleared is not None:
            tx.execute(
                update(alarms)
                .where(_c.resource == OPERATOR, _c.id == alarm.id)
                .values(cleared=alarm.cleared, expires=self.expires)
            )
        else:
            return []
        return publish(
            tx,
            OPERATOR,
            None,
            (event_of(alarm),),
            subscriptions=self.subscriptions,
            node=self.node,
            now=self.now,
        )

    def _row(self) -> dict[str, object]:
        alarm = self.alarm
        return {
            "resource": OPERATOR,
            "id": alarm.id,
            "origin": alarm.origin,
            "kind": alarm.thing.kind.value,
            "subject": alarm.thing.subject[:MAX_SUBJECT],
            "severity": alarm.severity.value,
            "text": alarm.text,
            "raised": alarm.raised,
            "cleared": alarm.cleared,
            "expires": NEVER if alarm.cleared is None else self.expires,
        }


def open_alarms(origin: str) -> Callable[[Connection], list[Alarm]]:
    """Return the query for the alarms that a gateway raised and nobody cleared."""
    query = select(alarms).where(_c.origin == origin, _c.cleared.is_(None)).order_by(_c.id)
    return lambda tx: [_alarm(row) for row in tx.execute(query)]


def find(
    *, is_open: bool | None = None, kind: AlarmKind | None = None, below: bytes | None = None, limit: int
) -> Callable[[Connection], list[Alarm]]:
    """Return the query for alarms, the newest first; `below` is the id at which the page before ended."""
    query = select(alarms).where(_c.resource == OPERATOR)
    if is_open is not None:
        query = query.where(_c.cleared.is_(None) if is_open else _c.cleared.is_not(None))
    if kind is not None:
        query = query.where(_c.kind == kind.value)
    if below is not None:
        query = query.where(_c.id < below)
    query = query.order_by(_c.id.desc()).limit(limit)
    return lambda tx: [_alarm(row) for row in tx.execute(query)]


def _alarm(row: Any) -> Alarm:  # noqa: ANN401 - a row of the table
    return Alarm(
        bytes(row.id),
        row.origin,
        Thing(AlarmKind(row.kind), row.subject),
        Severity(row.severity),
        row.text,
        row.raised,
        row.cleared,
    )
