"""The message plane's ways with many rows at once."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from telephony.kernel.store.bulk import MOST, Values, among, insert_rows
from telephony.kernel.store.engine import command

__all__ = ["MOST", "Values", "among", "insert_new", "insert_rows"]


def insert_new(tx: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert `rows` as `insert_rows` does, but leave alone those whose key is there already."""
    if not rows:
        return
    command(tx, "SAVEPOINT new_rows")
    try:
        insert_rows(tx, table, rows)
    except IntegrityError:
        command(tx, "ROLLBACK TO SAVEPOINT new_rows")
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        names = [column.name for column in table.columns]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        tx.execute(dialect.insert(table).on_conflict_do_nothing(), values)
    command(tx, "RELEASE SAVEPOINT new_rows")
