"""Statements about many ids at once, given to the driver as they are.

The same few statements run thousands of times a second; building them anew, with a typed parameter an id,
costs more than running them. Values are bytes, int, str or None, the only types the schema has.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from telephony.kernel.store.bulk import insert_rows

MOST: Final = 512
"""Ids a statement: below the 999 parameters that SQLite took before 3.32."""

Values = tuple[Any, ...]


def among(
    tx: Connection, statement: str, ids: Sequence[Any], *, before: Values = (), after: Values = ()
) -> list[Any]:
    """Run `statement` for each slice of `ids` and return all rows it returns.

    `{ids}` in it becomes a condition on the column before it; other values are `?`, those in front of the
    ids in `before`, those behind in `after`.
    """
    found: list[Any] = []
    on_postgresql = tx.dialect.name == "postgresql"
    for some in _slices(ids):
        if on_postgresql:
            result = tx.exec_driver_sql(_for_postgresql(statement), (*before, list(some), *after))
        else:
            # A power of two, so that a handful of statements serves every length and stays prepared.
            size = 1 << (len(some) - 1).bit_length()
            padded = (*some, *((some[-1],) * (size - len(some))))
            result = tx.exec_driver_sql(_for_sqlite(statement, size), (*before, *padded, *after))
        if result.returns_rows:
            found += result.fetchall()
    return found


def insert_new(tx: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert `rows` as `insert_rows` does, but leave alone those whose key is there already."""
    if not rows:
        return
    try:
        with tx.begin_nested():
            insert_rows(tx, table, rows)
    except IntegrityError:
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        names = [column.name for column in table.columns]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        tx.execute(dialect.insert(table).on_conflict_do_nothing(), values)


def _slices(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), MOST):
        yield ids[start : start + MOST]


@lru_cache(maxsize=256)
def _for_postgresql(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s").format(ids="= ANY (%s)")


@lru_cache(maxsize=1024)
def _for_sqlite(statement: str, size: int) -> str:
    return statement.format(ids=f"IN ({', '.join('?' * size)})")
