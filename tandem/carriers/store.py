"""Carriers in the store: read as a whole, changed as a whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tandem.carriers.tables import carriers
from telephony.kernel.errors import Conflict, PreconditionFailed

MAX_CARRIERS: Final = 1000
"""Carriers of a node: the largest wholesalers have a few hundred."""

_c = carriers.c

Needs = Callable[[Connection, str], Sequence[str]]
"""A query: why a carrier cannot be taken away, each a few words; nothing when it can."""


class Stamp(NamedTuple):
    """What changes whenever a carrier does."""

    version: int
    updated: int


@dataclass(frozen=True, slots=True)
class StoredCarrier:
    """A carrier as the database has it."""

    name: str
    file: str
    """Of the folder, which owns it; empty: the API does."""
    stamp: Stamp
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """A carrier to write."""

    file: str
    sealed: bytes


def read_stamps(tx: Connection) -> Mapping[str, Stamp]:
    """Query: return the stamp of every carrier."""
    return {
        row.name: Stamp(row.version, row.updated)
        for row in tx.execute(select(_c.name, _c.version, _c.updated))
    }


def read_carriers(tx: Connection) -> dict[str, StoredCarrier]:
    """Query: return every carrier by its name."""
    return {
        row.name: StoredCarrier(row.name, row.file, Stamp(row.version, row.updated), bytes(row.sealed))
        for row in tx.execute(select(carriers).order_by(_c.name))
    }


@dataclass(frozen=True, slots=True)
class ChangeCarriers:
    """Job: write and take away carriers, all of it or nothing.

    `seen` are the stamps that the change was made from. Raises PreconditionFailed when one of the carriers
    is not as it was; Conflict, naming them, when some are needed, or there would be too many.
    """

    seen: Mapping[str, Stamp]
    puts: Mapping[str, Put]
    removes: Sequence[str]
    now: int
    needs: Needs = field(default=lambda _tx, _name: ())

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        check_removable(tx, self.removes, self.needs)
        for name in self.removes:
            gone = tx.execute(delete(carriers).where(*self._as_seen(name)))
            if gone.rowcount != 1:
                raise changed_meanwhile(name)
        for name, put in self.puts.items():
            values = {"file": put.file, "sealed": put.sealed, "updated": self.now}
            if name in self.seen:
                version = self.seen[name].version + 1
                done = tx.execute(
                    update(carriers).where(*self._as_seen(name)).values(version=version, **values)
                )
                if done.rowcount != 1:
                    raise changed_meanwhile(name)
            else:
                try:
                    with tx.begin_nested():
                        tx.execute(insert(carriers).values(name=name, version=1, **values))
                except IntegrityError:
                    raise changed_meanwhile(name) from None
        if len(tx.execute(select(_c.name)).all()) > MAX_CARRIERS:
            raise Conflict(f"A node has at most {MAX_CARRIERS} carriers.")

    def _as_seen(self, name: str) -> tuple[ColumnElement[bool], ...]:
        stamp = self.seen[name]
        return _c.name == name, _c.version == stamp.version, _c.updated == stamp.updated


def check_removable(tx: Connection, names: Sequence[str], needs: Needs) -> None:
    """Query: raise Conflict, naming carriers and reasons, when some of `names` are needed."""
    reasons = [f"carriers.{name}: cannot be taken away: {why}" for name in names for why in needs(tx, name)]
    if reasons:
        raise Conflict("\n".join(reasons), target="carriers")


def changed_meanwhile(name: str) -> PreconditionFailed:
    """Return the error for a change of a carrier that is not as it was any more."""
    return PreconditionFailed(
        f"The carrier {name} was changed meanwhile. Look at it again.", target="version"
    )
