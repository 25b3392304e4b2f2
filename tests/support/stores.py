"""Stores for tests: SQLite and PostgreSQL with the whole schema, made once and copied for each test."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem.schema import metadata
from telephony.kernel.store import Store
from telephony.kernel.store.engine import open_engine
from tests.support.postgres import Postgres

TEMPLATE = "tandem_template"


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


def postgresql_template(server: Postgres) -> str:
    """Return the name of a PostgreSQL database with the whole schema."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    create_schema(server.url(TEMPLATE))
    return TEMPLATE


def sqlite_url(template: Path, folder: Path) -> str:
    """Return the URL of a copy of the template."""
    path = folder / "tandem.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@contextmanager
def postgresql_url(server: Postgres, template: str) -> Iterator[str]:
    """Return the URL of a copy of the template, which goes away afterwards."""
    name = server.create(template)
    try:
        yield server.url(name)
    finally:
        server.drop(name)


@contextmanager
def started(url: str) -> Iterator[Store]:
    """Return a store that takes work."""
    store = Store(url)
    store.start()
    try:
        yield store
    finally:
        store.stop()
