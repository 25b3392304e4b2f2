"""Sealing everything again after the master key changed, whichever plane's it is.

A plane names its columns of self-describing sealed values (`SelfDescribing`); what an older key sealed is
opened and sealed by the newest, a slice at a time, while the node works. Nobody's change is undone: a value
that was replaced meanwhile stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select, update

from telephony.resources.seal import KEY_ID_CHARACTERS, MasterKeys, SelfDescribing
from telephony.resources.tables import resource_keys

SLICE: Final = 500
"""Values a job: some ten milliseconds of the writer."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values, and the place that each of them is bound to."""

    column: Column[Any]
    place: Callable[[Any], bytes]
    """Takes a row of the table."""

    def older(self, newest: str) -> ColumnElement[bool]:
        """Return the condition that another key than `newest` sealed it."""
        named = func.substr(self.column, 1, KEY_ID_CHARACTERS, type_=self.column.type)
        return and_(self.column.is_not(None), named != newest.encode())


@dataclass(frozen=True, slots=True)
class ResealSlice:
    """Job: seal again what an older key sealed, at most SLICE values of a column; returns how many."""

    sealed: SealedColumn
    master: MasterKeys

    def __call__(self, tx: Connection) -> int:
        """See the class. Raises SealBroken when one does not open: then none is changed."""
        column, table, sealer = self.sealed.column, self.sealed.column.table, SelfDescribing(self.master)
        older = self.sealed.older(self.master.newest)
        rows = tx.execute(select(table).where(older).limit(SLICE)).all()
        keys = tuple(table.primary_key)
        for row in rows:
            before, place = bytes(row._mapping[column.name]), self.sealed.place(row)  # noqa: SLF001 - public
            same = (key == row._mapping[key.name] for key in keys)  # noqa: SLF001
            again = sealer.seal(sealer.open(before, place), place)
            tx.execute(update(table).where(*same, column == before).values({column.name: again}))
        return len(rows)


def count_older(columns: Sequence[SealedColumn], newest: str) -> Callable[[Connection], int]:
    """Return the query for how many values another key than `newest` sealed."""

    def run(tx: Connection) -> int:
        conditions = [(resource_keys, resource_keys.c.master != newest)]
        conditions += [(each.column.table, each.older(newest)) for each in columns]
        return sum(
            tx.execute(select(func.count()).select_from(table).where(older)).scalar_one()
            for table, older in conditions
        )

    return run
