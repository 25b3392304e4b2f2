"""Retention: what has reached its age goes, a slice at a time, so that no purge holds up the traffic.

Two kinds of age. A row with an `expires` of its own (a body, a first answer) goes when that has passed; its
table says so by `info=EXPIRES`. A finished interaction goes so many days after its end, by resource and kind,
and takes along every row about it: the tables of `info=of_interaction(COLUMN)`. One that has not ended stays,
however old.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from msgspec import Meta, Struct
from sqlalchemy import Connection, Table, delete, select, tuple_

from telephony.kernel.clock import DAY, Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store.leases import PurgeNodes
from telephony.kernel.store.schema import interactions, metadata
from telephony.kernel.store.store import Store

log = structlog.get_logger(__name__)

SLICE: Final = 200
"""Interactions, or expired rows, a job: with their timelines some milliseconds of the writer."""

NODE_DAYS: Final = 400
"""How long a node that is gone can still be named in a timeline."""

Days = Annotated[int, Meta(ge=1, le=36_500)]


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long what is over is kept, in days after its end."""

    default_days: Days = 90
    """For every kind that `days` does not name."""
    days: dict[str, Days] = {}
    """By kind: `sms`."""
    resources: dict[str, dict[str, Days]] = {}
    """By resource (its GUID in lower case), then by kind; comes before `days`."""
    every_seconds: Annotated[float, Meta(gt=0)] = 600.0
    """Pause between two rounds."""

    def days_of(self, resource: ResourceId, kind: str) -> int:
        """Return how many days an interaction is kept after its end."""
        own = self.resources.get(to_text(resource), {}) if self.resources else {}
        return own.get(kind) or self.days.get(kind, self.default_days)

    @property
    def least_days(self) -> int:
        """The shortest time that is set for anything: what is younger need not be looked at."""
        return min(
            [
                self.default_days,
                *self.days.values(),
                *(days for kinds in self.resources.values() for days in kinds.values()),
            ]
        )


@dataclass(frozen=True, slots=True)
class Place:
    """How far a round has come: everything up to this interaction was looked at."""

    resource: bytes = b""
    interaction: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """A slice of a round."""

    keys: tuple[tuple[bytes, bytes], ...]
    """Interactions that have reached their age."""
    place: Place | None
    """Where to go on; None at the end."""


@dataclass(frozen=True, slots=True)
class PurgeExpired:
    """Job: delete at most `limit` rows of a table whose `expires` has passed; returns how many."""

    table: Table
    now: int
    limit: int

    def __call__(self, tx: Connection) -> int:
        key = tuple_(*self.table.primary_key.columns)
        old = (
            select(*self.table.primary_key.columns).where(self.table.c.expires <= self.now).limit(self.limit)
        )
        return tx.execute(delete(self.table).where(key.in_(old))).rowcount


@dataclass(frozen=True, slots=True)
class PurgeInteractions:
    """Job: delete interactions of one resource and every row about them; returns how many interactions."""

    resource: bytes
    ids: tuple[bytes, ...]

    def __call__(self, tx: Connection) -> int:
        for table in metadata.sorted_tables:
            column = table.info.get("of_interaction")
            if column is not None:
                tx.execute(
                    delete(table).where(table.c.resource == self.resource, table.c[column].in_(self.ids))
                )
        gone = delete(interactions).where(
            interactions.c.resource == self.resource, interactions.c.id.in_(self.ids)
        )
        return tx.execute(gone).rowcount


def expiring_tables() -> tuple[Table, ...]:
    """Return the tables whose rows expire: those of `info=EXPIRES`."""
    return tuple(table for table in metadata.sorted_tables if table.info.get("expires"))


def find_finished(
    place: Place, now: int, settings: RetentionSettings, limit: int
) -> Callable[[Connection], Found]:
    """Return the query for the next slice: it looks at `limit` interactions at most, by their primary key."""
    # Ids begin with the time: whatever ended before the cutoff was made before it, and has a lower id.
    before = (max(0, now - settings.least_days * DAY) // 1000 << 80).to_bytes(16, "big")
    columns = (interactions.c.id, interactions.c.kind, interactions.c.ended)

    def run(tx: Connection) -> Found:
        resource, after = place.resource, place.interaction
        if not resource:
            resource = _next_resource(tx, b"")
        if not resource:
            return Found((), None)
        rows = tx.execute(
            select(*columns)
            .where(interactions.c.resource == resource, interactions.c.id > after, interactions.c.id < before)
            .order_by(interactions.c.id)
            .limit(limit)
        ).all()
        keys = tuple(
            (resource, row.id)
            for row in rows
            if row.ended is not None
            and row.ended <= now - settings.days_of(ResourceId(resource), row.kind) * DAY
        )
        if len(rows) == limit:
            return Found(keys, Place(resource, rows[-1].id))
        following = _next_resource(tx, resource)
        return Found(keys, Place(following) if following else None)

    return run


async def purge(store: Store, now: int, settings: RetentionSettings) -> int:
    """Go once over everything and delete what has reached its age; return how many rows went by themselves.

    Raises Unavailable when the database is away; the next round finds what is left.
    """
    gone = 0
    for table in expiring_tables():
        more = True
        while more:
            deleted = await store.write(PurgeExpired(table, now, SLICE))
            gone += deleted
            more = deleted >= SLICE
    place: Place | None = Place()
    while place is not None:
        found = await store.read(find_finished(place, now, settings, SLICE))
        if found.keys:
            gone += await store.write(_purge_of(found.keys))
        place = found.place
    return gone + await store.write(PurgeNodes(now - NODE_DAYS * DAY))


async def run_retention(store: Store, clock: Clock, settings: RetentionSettings, stop: asyncio.Event) -> None:
    """Purge at once and then every `settings.every_seconds`, until `stop` is set."""
    while not stop.is_set():
        try:
            gone = await purge(store, clock.now(), settings)
        except Unavailable as error:
            log.warning("retention.waits", reason=error.message)
        else:
            if gone:
                log.info("retention.purged", rows=gone)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings.every_seconds)


def _purge_of(keys: Sequence[tuple[bytes, bytes]]) -> PurgeInteractions:
    return PurgeInteractions(keys[0][0], tuple(interaction for _, interaction in keys))


def _next_resource(tx: Connection, after: bytes) -> bytes:
    """Return the resource that follows in the order of keys, or nothing: one step in the index each."""
    following = (
        select(interactions.c.resource)
        .where(interactions.c.resource > after)
        .order_by(interactions.c.resource)
        .limit(1)
    )
    return tx.execute(following).scalar() or b""
