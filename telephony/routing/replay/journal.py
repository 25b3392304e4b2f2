"""What happened in a period, read a slice at a time: by resource, in order of time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from telephony.kernel.clock import HOUR, SECOND
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.schema import interactions
from telephony.routing.replay.compare import Past
from telephony.routing.rules import Kind

SLICE: Final = 500
"""Interactions that are read at once."""

CLOCK_BACK: Final = HOUR
"""How far the clock may have been set back within a period: ids never go back with it."""

Measure = Callable[[bytes], int]
"""Returns how long something was, by its kind's own data: parts of a text, microseconds of a call."""

_c = interactions.c


@dataclass(frozen=True, slots=True)
class KindOfRow:
    """A kind of interaction that is routed."""

    kind: Kind
    measure: Measure | None = None
    """None: nobody knows how long such a thing was."""


@dataclass(frozen=True, slots=True)
class ReadSlice:
    """Query: interactions of a resource that began in [since, until), those after `after` alone.

    Returns them in order of their ids, and whether there may be more.
    """

    resource: ResourceId
    since: int
    until: int
    kinds: Mapping[str, KindOfRow]
    """By what `interactions.kind` says."""
    after: bytes | None
    limit: int

    def __call__(self, tx: Connection) -> tuple[list[Past], bytes | None]:
        """Return the slice, and the last id that was looked at; None: there are no more."""
        first = self.after or _least(self.since - SECOND)
        query = (
            select(_c.id, _c.kind, _c.direction, _c.own, _c.peer, _c.created, _c.detail)
            .where(_c.resource == self.resource, _c.id > first, _c.id < _least(self.until + CLOCK_BACK))
            .order_by(_c.id)
            .limit(self.limit)
        )
        rows = tx.execute(query).all()
        found = []
        for row in rows:
            known = self.kinds.get(row.kind)
            if known is None or not self.since <= row.created < self.until:
                continue
            units = None if known.measure is None else known.measure(bytes(row.detail))
            found.append(
                Past(
                    self.resource,
                    InteractionId(bytes(row.id)),
                    known.kind,
                    row.direction == "inbound",
                    row.own,
                    row.peer,
                    row.created,
                    units=units,
                )
            )
        return found, bytes(rows[-1].id) if len(rows) == self.limit else None


def next_resource(after: bytes) -> Callable[[Connection], ResourceId | None]:
    """Return a query for the next resource that has interactions: one look into the index."""
    query = select(_c.resource).where(_c.resource > after).order_by(_c.resource).limit(1)

    def run(tx: Connection) -> ResourceId | None:
        found = tx.scalar(query)
        return None if found is None else ResourceId(bytes(found))

    return run


def _least(at: int) -> bytes:
    """Return what every id made at a time or later is not below (RFC 9562 §5.7)."""
    return (max(0, at) // 1000).to_bytes(6, "big") + bytes(10)
