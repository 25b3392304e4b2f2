"""Rows by the hundred in few statements, which are given to the driver as they are.

The same few run thousands of times a second; building them anew, with a typed parameter a value, costs more
than running them. Values are bytes, int, str or None, the only types the schema has.

The SQLite driver gives the interpreter lock away around every row of an `executemany` and has to win it back
from a busy event loop each time; a statement of many rows gives it away once. PostgreSQL's driver sends an
`executemany` as one pipeline already.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table

from telephony.kernel.store.engine import run

MOST: Final = 512
"""Ids a statement: below the 999 parameters that SQLite took before 3.32."""

MAX_PARAMETERS: Final = 900
"""Values a statement: below the 999 that SQLite took before 3.32; longer ones hardly pay."""

EXACT: Final = 16
"""Up to so many rows go in one statement of their own length."""

Values = tuple[Any, ...]


def insert_rows(tx: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows`, each with a value for every column of `table` in the order of its definition.

    Values go to the driver as they are: bytes, int, str or None, the only types the schema has. Raises
    IntegrityError like an INSERT; then some rows may stand until the job is undone.
    """
    if not rows:
        return
    if tx.dialect.name != "sqlite":
        tx.exec_driver_sql(_statement(table, 1, "%s"), rows if len(rows) > 1 else rows[0])
        return
    most = max(1, MAX_PARAMETERS // len(table.columns))
    start = 0
    while start < len(rows):
        # Few lengths, so that the driver keeps their statements prepared: the small ones, which are most,
        # then powers of two.
        left = len(rows) - start
        count = min(most, left if left <= EXACT else 1 << (left.bit_length() - 1))
        values = tuple(chain.from_iterable(rows[start : start + count]))
        run(tx, _statement(table, count, "?"), values)
        start += count


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
            found += run(tx, _for_postgresql(statement), (*before, list(some), *after))
        else:
            # A power of two, so that a handful of statements serves every length and stays prepared.
            size = 1 << (len(some) - 1).bit_length()
            padded = (*some, *((some[-1],) * (size - len(some))))
            found += run(tx, _for_sqlite(statement, size), (*before, *padded, *after))
    return found


@lru_cache(maxsize=512)
def _statement(table: Table, rows: int, mark: str) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    row = "(" + ", ".join([mark] * len(table.columns)) + ")"
    return f"INSERT INTO {table.name} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - ours


def _slices(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), MOST):
        yield ids[start : start + MOST]


@lru_cache(maxsize=256)
def _for_postgresql(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s").format(ids="= ANY (%s)")


@lru_cache(maxsize=1024)
def _for_sqlite(statement: str, size: int) -> str:
    return statement.format(ids=f"IN ({', '.join('?' * size)})")
