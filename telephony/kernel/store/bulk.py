"""Rows by the hundred in few statements.

The SQLite driver gives the interpreter lock away around every row of an `executemany` and has to win it back
from a busy event loop each time; a statement of many rows gives it away once. PostgreSQL's driver sends an
`executemany` as one pipeline already.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table

MAX_PARAMETERS: Final = 900
"""Values a statement: below the 999 that SQLite took before 3.32; longer ones hardly pay."""


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
        # Powers of two, so that a handful of statements serves every length and the driver keeps them
        # prepared.
        count = min(most, 1 << ((len(rows) - start).bit_length() - 1))
        values = tuple(chain.from_iterable(rows[start : start + count]))
        tx.exec_driver_sql(_statement(table, count, "?"), values)
        start += count


@lru_cache(maxsize=512)
def _statement(table: Table, rows: int, mark: str) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    row = "(" + ", ".join([mark] * len(table.columns)) + ")"
    return f"INSERT INTO {table.name} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - ours
