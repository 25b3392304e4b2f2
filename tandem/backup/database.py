"""The database into files and back: SQLite by its online backup, PostgreSQL table by table by COPY.

Both read one moment while the gateways go on writing. COPY needs no program of PostgreSQL's own on this
machine, and no version of one that fits the server.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, make_url
from sqlalchemy.exc import DBAPIError

from tandem.backup.archive import Damaged, TableMember
from tandem.migrations import migrate
from tandem.schema import metadata
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.store.engine import open_engine

PIECE: Final = 256 * 1024
VERSION_TABLE: Final = "alembic_version"


def kind_of(url: str) -> str:
    """Return `sqlite` or `postgresql`."""
    return make_url(url).get_backend_name()


def sqlite_file(url: str) -> Path:
    """Return the file of a SQLite database."""
    return Path(make_url(url).database or "")


def save_sqlite(url: str, target: Path) -> str:
    """Write the database as it is at one moment into `target`; return its schema's revision.

    Raises ConfigurationError.
    """
    source = sqlite_file(url)
    if not source.exists():
        raise ConfigurationError(f"{source}: there is no database.")
    try:
        with closing(sqlite3.connect(source, timeout=30)) as here, closing(sqlite3.connect(target)) as there:
            # All pages in one step: a reader's snapshot, which writers need not wait for (WAL).
            here.backup(there, pages=-1)
            there.execute("PRAGMA journal_mode=DELETE").close()
            return _sqlite_revision(there)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source}: it cannot be saved: {error}.") from error


def check_sqlite(path: Path) -> None:
    """Look whether a database is whole. Raises Damaged."""
    try:
        with closing(sqlite3.connect(path)) as tx:
            answer = tx.execute("PRAGMA integrity_check(1)").fetchone()[0]
            wrong = tx.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise Damaged(f"The database is damaged: {error}") from error
    if answer != "ok" or wrong is not None:
        raise Damaged(f"The database is damaged: {answer if answer != 'ok' else 'a reference leads nowhere'}")


def save_postgresql(url: str, folder: Path) -> tuple[str, list[TableMember]]:
    """Write every table as it is at one moment into `folder`; return the schema's revision and the tables.

    Raises ConfigurationError.
    """
    saved: list[TableMember] = []
    with _postgresql(url) as tx:
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        revision = MigrationContext.configure(tx).get_current_revision()
        if revision is None:
            raise ConfigurationError("The database has no tables: no gateway has been started with it.")
        cursor = _cursor(tx)
        for table in metadata.sorted_tables:
            columns = tuple(str(column.name) for column in table.columns)
            with (
                (folder / f"{table.name}.copy").open("wb") as file,
                cursor.copy(f"COPY {table.name} ({_listed(columns)}) TO STDOUT") as copy,
            ):
                for piece in copy:
                    file.write(piece)
            saved.append(TableMember(str(table.name), columns, cursor.rowcount))
    return revision, saved


def has_tables(url: str) -> bool:
    """Tell whether there is anything of ours in a PostgreSQL database."""
    engine = open_engine(url)
    try:
        with engine.connect() as tx:
            known = {VERSION_TABLE, *(table.name for table in metadata.sorted_tables)}
            return not known.isdisjoint(inspect(tx).get_table_names())
    except DBAPIError as error:
        raise ConfigurationError(f"The database does not answer: {_first_line(error)}") from error
    finally:
        engine.dispose()


def load_postgresql(url: str, folder: Path, revision: str, tables: tuple[TableMember, ...]) -> None:
    """Make the schema at `revision` and fill it, all of it or nothing of a table's rows.

    Raises ConfigurationError, Damaged.
    """
    migrate(url, revision)
    with _postgresql(url) as tx:
        cursor = _cursor(tx)
        for table in tables:
            with (
                (folder / f"{table.name}.copy").open("rb") as file,
                cursor.copy(f"COPY {_name(table.name)} ({_listed(table.columns)}) FROM STDIN") as copy,
            ):
                while piece := file.read(PIECE):
                    copy.write(piece)
            if cursor.rowcount != table.rows:
                raise Damaged(f"{table.name}: it has {cursor.rowcount} rows, not {table.rows}.")


@contextmanager
def _postgresql(url: str) -> Iterator[Connection]:
    """Open a transaction that may take its time."""
    engine = open_engine(url)
    try:
        with engine.begin() as tx:
            yield tx
    except DBAPIError as error:
        raise ConfigurationError(f"The database does not answer: {_first_line(error)}") from error
    except Exception as error:
        if type(error).__module__.startswith("psycopg"):  # COPY is the driver's own
            raise ConfigurationError(f"The database refuses: {_first_line(error)}") from error
        raise
    finally:
        engine.dispose()


def _cursor(tx: Connection) -> Any:  # noqa: ANN401 - the driver's cursor
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        tx.exec_driver_sql(f"SET LOCAL {setting} = 0")
    driver: Any = tx.connection.driver_connection
    return driver.cursor()


def _sqlite_revision(tx: sqlite3.Connection) -> str:
    try:
        row = tx.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - ours
    except sqlite3.OperationalError:
        row = None
    if row is None:
        raise ConfigurationError("The database has no tables: no gateway has been started with it.")
    return str(row[0])


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(_name(column) for column in columns)


def _name(text: str) -> str:
    """Return a name as SQL quotes it: a backup's manifest is not ours to trust."""
    return '"' + text.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(original).strip().split("\n", 1)[0]
