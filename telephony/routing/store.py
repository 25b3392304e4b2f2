"""Sets of routes in the store: written as a whole, version after version, and only in that order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from telephony.kernel.errors import PreconditionFailed
from telephony.kernel.ids import ResourceId
from telephony.routing.tables import route_sets

KEPT: Final = 20
"""Versions kept of a set: enough to go back after a bad day."""

_c = route_sets.c


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A version of a set."""

    resource: ResourceId
    version: int
    document: bytes
    """`RouteSet` as JSON."""
    created: int


@dataclass(frozen=True, slots=True)
class PutRoutes:
    """Job: write the next version of a set and forget the oldest; returns its version.

    `after` is the version that it was made from, 0 when there was none. Raises PreconditionFailed when that
    is not the one in force: somebody else was faster, and would be overwritten unseen.
    """

    resource: ResourceId
    after: int
    document: bytes
    now: int

    def __call__(self, tx: Connection) -> int:
        """See `telephony.kernel.store.jobs.Job`."""
        current = tx.execute(
            select(func.coalesce(func.max(_c.version), 0)).where(_c.resource == self.resource)
        ).scalar_one()
        if current != self.after:
            raise outdated(int(current))
        version = self.after + 1
        try:
            with tx.begin_nested():
                tx.execute(
                    insert(route_sets).values(
                        resource=self.resource, version=version, document=self.document, created=self.now
                    )
                )
        except IntegrityError:  # another gateway, at the same moment
            raise outdated(version) from None
        tx.execute(delete(route_sets).where(_c.resource == self.resource, _c.version <= version - KEPT))
        return version


def outdated(current: int) -> PreconditionFailed:
    """Return the error for a change of a set that is not in force any more."""
    return PreconditionFailed(
        f"The routes were changed meanwhile: version {current} is in force. Read them again.",
        target="version",
    )


def read_versions(tx: Connection) -> Mapping[ResourceId, int]:
    """Query: return the version in force of every set."""
    rows = tx.execute(select(_c.resource, func.max(_c.version).label("version")).group_by(_c.resource))
    return {ResourceId(bytes(row.resource)): int(row.version) for row in rows}


@dataclass(frozen=True, slots=True)
class ReadRoutes:
    """Query: return a set, the one in force unless a version is named; None when there is none."""

    resource: ResourceId
    version: int | None = None

    def __call__(self, tx: Connection) -> StoredSet | None:
        """See the class."""
        query = select(route_sets).where(_c.resource == self.resource)
        if self.version is not None:
            query = query.where(_c.version == self.version)
        row = tx.execute(query.order_by(_c.version.desc()).limit(1)).first()
        if row is None:
            return None
        return StoredSet(
            ResourceId(bytes(row.resource)), int(row.version), bytes(row.document), int(row.created)
        )
