"""Stores for tests: SQLite and PostgreSQL with the whole schema, made once for all tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem.schema import metadata
from telephony.kernel.store import Store
from telephony.kernel.store.engine import open_engine
from tests.support.postgres import Postgres


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
        self.server.disconnect_all(name)
        with self.server.connect(name) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(f"DELETE FROM {table.name}")
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
