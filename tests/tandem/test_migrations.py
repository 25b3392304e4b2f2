"""Migrations make exactly the tables that the planes define, on both databases."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import HeadMaintainer, MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tandem.migrations import configuration, migrate
from tandem.schema import metadata
from telephony.kernel.errors import ConfigurationError, Unavailable
from telephony.kernel.store.engine import open_engine
from telephony.kernel.store.leases import work_tables
from tests.support import stores
from tests.support.postgres import Postgres

pytestmark = pytest.mark.wire


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def differences(url: str) -> list[object]:
    """Return what would have to change in the database to be what the planes define."""
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        found = list(compare_metadata(context, metadata))
    engine.dispose()
    return found


def sqlite_schema(path: Path) -> dict[str, str]:
    """Return the statements that SQLite keeps: also what reflection does not see, as WITHOUT ROWID."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: canonical(sql) for name, sql in rows if name != "alembic_version"}


def canonical(sql: str) -> str:
    """Return a CREATE statement without the freedom it has: spaces, quotes, and the order of constraints."""
    sql = re.sub(r"\s+", " ", sql.replace('"', "").replace("\n", " ")).strip()
    head, bracket, rest = sql.partition("(")
    body, _, tail = rest.rpartition(")")
    parts = sorted(part.strip() for part in re.split(r",(?![^(]*\))", body))
    return f"{head}{bracket}{', '.join(parts)}){tail}"


def run(url: str, statement: str) -> None:
    engine = open_engine(url)
    with engine.begin() as tx:
        tx.execute(text(statement))
    engine.dispose()


def test_an_empty_database_becomes_what_the_planes_define(empty_url: str) -> None:
    migrate(empty_url)
    assert differences(empty_url) == []


def test_sqlite_keeps_the_same_statements_either_way(tmp_path: Path) -> None:
    migrated, created = tmp_path / "migrated.db", tmp_path / "created.db"
    migrate(f"sqlite:///{migrated}")
    stores.create_schema(f"sqlite:///{created}")
    assert sqlite_schema(migrated) == sqlite_schema(created)


def test_a_second_start_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    run(
        empty_url, "INSERT INTO nodes (id, name, started, lease_until) VALUES ('0123456789abcdef', 'x', 1, 1)"
    )
    migrate(empty_url)
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM nodes")).scalars().all() == ["x"]
    engine.dispose()


async def test_gateways_that_start_together_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_url) for _ in range(4)))
    assert differences(empty_url) == []


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("after the tables")

    monkeypatch.setattr(HeadMaintainer, "update_to_step", fail)
    with pytest.raises(ValueError, match="after the tables"):
        migrate(empty_url)
    monkeypatch.undo()
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        assert engine.dialect.get_table_names(connection) == []
    engine.dispose()
    migrate(empty_url)
    assert differences(empty_url) == []


def test_a_database_of_a_newer_version_is_refused_in_words(empty_url: str) -> None:
    migrate(empty_url)
    run(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="9999"):
        migrate(empty_url)


def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        migrate(f"sqlite:///{tmp_path}/missing/folder.db")


def test_the_history_is_one_line(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.connect() as connection:
        history = ScriptDirectory.from_config(configuration(connection))
        assert len(history.get_bases()) == len(history.get_heads()) == 1
        assert not [revision for revision in history.walk_revisions() if revision.is_branch_point]
    engine.dispose()


def test_every_table_with_a_node_that_may_be_nobody_is_taken_over() -> None:
    carries = {
        table.name for table in metadata.tables.values() if "node" in table.c and table.c.node.nullable
    }
    assert carries == {table.name for table in work_tables()}


def test_every_table_whose_rows_expire_is_purged_by_somebody() -> None:
    own = {"deliveries"}  # their plane looks at more than the time
    expires = {table.name for table in metadata.tables.values() if "expires" in table.c}
    assert expires - own == {table.name for table in metadata.tables.values() if table.info.get("expires")}
