"""Stores for tests: SQLite and PostgreSQL with the whole schema, made once for all tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tandem.schema import metadata
from telephony.kernel.store import Store
from telephony.kernel.store.engine import open_engine
from tests.support.postgres import Postgres

DISCONNECT_OTHERS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

EMPTY: Final = ";".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
"""One round trip and one transaction for all tables: it runs after every test on PostgreSQL."""


def create_schema(url: str) -> None:
    """Create every table; tests/tandem/test_migrations.py proves that migrations make the same ones."""
    engine = open_engine(url)
    with engine.begin() as tx:
        metadata.create_all(tx)
    engine.dispose()


def sqlite_template(folder: Path) -> Path:
    """Return a SQLite file with the whole schema."""
    path = folder / "template.db"
    create_schema(f"sqlite:///{path}")
    return path


class Databases:
    """PostgreSQL databases with the whole schema; an empty one is lent out, and emptied when it comes back.

    Making one takes a tenth of a second and more, emptying one some milliseconds.
    """

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._free: list[str] = []

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Lend the URL of a database without rows."""
        if self._free:
            name = self._free.pop()
        else:
            name = self.server.create()
            create_schema(self.server.url(name))
        yield self.server.url(name)
        with self.server.connect(name) as connection:
            connection.execute(DISCONNECT_OTHERS)
            connection.execute(EMPTY)
        self._free.append(name)


def sqlite_url(template: Path, folder: Path) -> str:
    """Return the URL of a copy of the template."""
    path = folder / "tandem.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@contextmanager
def started(url: str) -> Iterator[Store]:
    """Return a store that takes work."""
    store = Store(url)
    store.start()
    try:
        yield store
    finally:
        store.stop()
