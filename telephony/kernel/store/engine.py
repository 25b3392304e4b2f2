"""Opening SQLite and PostgreSQL so that a commit means the same on both; telling whose fault an error is."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.pool import QueuePool

BUSY_SECONDS: Final = 5.0
"""How long SQLite waits for another writer (a backup, a migration)."""

CONNECT_SECONDS: Final = 3
"""How long a connection to PostgreSQL may take."""

STATEMENT_SECONDS: Final = 15
"""How long PostgreSQL may work on a statement, wait for a lock, or keep a transaction of ours that is idle.

The last frees the rows of a gateway that is frozen in the middle of a group, so that another can take them
over.
"""

SILENT_SECONDS: Final = 5
"""How long a connection to PostgreSQL may be silent before it counts as lost: a pulled cable says nothing."""

KEPT_STATEMENTS: Final = 1000
"""Statements that SQLite's driver keeps prepared, of each connection. One for many rows comes in some ten
lengths; with the driver's own 128 they would push each other out."""

_POSTGRESQL: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "tandem",
    "keepalives_idle": SILENT_SECONDS,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
    "options": (
        f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s"
        f" -c idle_in_transaction_session_timeout={STATEMENT_SECONDS}s -c timezone=UTC"
    ),
}

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a group's one sync costs what NORMAL costs, and a commit is on disk
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "journal_size_limit=67108864",  # a long reader may let the log grow; afterwards it shrinks again
)

_SQLITE_AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Primary result codes that say something about the database's surroundings, not about the statement."""

_POSTGRESQL_AWAY: Final = (
    "08",  # connection exception
    "25P03",  # idle in transaction for too long
    "53",  # out of disk, memory, connections
    "57P",  # shutting down, crashed, starting up
    "58",  # system error: input and output
)
"""Beginnings of SQLSTATE (PostgreSQL appendix A) that say the same there."""

_POSTGRESQL_CONTENDED: Final = (
    "40",  # rolled back: serialization failure, deadlock
    "55P03",  # lock not available in time
    "57014",  # statement took too long
)
"""Beginnings of SQLSTATE that say two writers were in each other's way."""


def open_engine(url: str, *, connections: int = 4) -> Engine:
    """Return an engine for `url` with at most `connections`; opens none yet."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, connections)
    return _postgresql(url, connections)


def is_away(error: BaseException) -> bool:
    """Tell whether the database, its disk or the way to it is at fault, rather than what was asked of it."""
    original = _original(error)
    if is_read_only(error):
        return True
    if isinstance(original, sqlite3.Error):
        # Errors of the module itself ("Cannot operate on a closed database") carry no code.
        return (getattr(original, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_AWAY
    if isinstance(original, psycopg.Error) and original.sqlstate is not None:
        return original.sqlstate.startswith(_POSTGRESQL_AWAY)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(original, psycopg.OperationalError)


def is_contended(error: BaseException) -> bool:
    """Tell whether others at work on the same rows were at fault: the same may succeed the next moment."""
    original = _original(error)
    state = original.sqlstate if isinstance(original, psycopg.Error) else None
    return state is not None and state.startswith(_POSTGRESQL_CONTENDED)


def is_read_only(error: BaseException) -> bool:
    """Tell whether the database refuses to write: a standby, a read-only file, or a reader that tried."""
    original = _original(error)
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return isinstance(original, psycopg.errors.ReadOnlySqlTransaction)


def say(error: BaseException) -> str:
    """Return what the database said, on one line."""
    return " ".join(str(_original(error)).split())


def command(tx: Connection, statement: str) -> None:
    """Run a statement without parameters or rows, at the driver's cost. Raises the driver's errors."""
    driver: Any = tx.connection.driver_connection
    driver.execute(statement)


def run(tx: Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run a statement in the driver's own spelling and return its rows, at the driver's cost.

    For the few statements that run thousands of times a second: what SQLAlchemy adds to each costs several
    times what SQLite does for it. Raises SQLAlchemy's errors, as any other statement does.
    """
    driver: Any = tx.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        result = tx.exec_driver_sql(statement, tuple(values))
        return list(result.fetchall()) if result.returns_rows else []
    try:
        cursor = driver.execute(statement, values)
        return cursor.fetchall() if cursor.description is not None else []
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, None, error, sqlite3.Error, hide_parameters=True) from error


def check_transaction(tx: Connection) -> None:
    """Raise InvalidRequestError when the transaction is not one that a COMMIT would keep.

    PostgreSQL answers COMMIT of a failed transaction with a quiet ROLLBACK; SQLite ends a transaction by
    itself when its disk is full. Either would be taken for a success.
    """
    driver: Any = tx.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        alive = driver.in_transaction
    else:
        # Idle: no statement was executed yet, the driver begins with the first.
        alive = driver.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.IDLE)
    if not (alive and tx.in_transaction()):
        raise InvalidRequestError("The transaction ended before its commit.")


def _original(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _postgresql(url: str, connections: int) -> Engine:
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, connect_args=_POSTGRESQL, hide_parameters=True
    )

    @event.listens_for(engine, "handle_error")
    def hide_row(context: ExceptionContext) -> None:
        # After the first line PostgreSQL quotes the row that it refuses, and an error's text goes to the log.
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None and error.args and isinstance(context.original_exception, psycopg.Error):
                error.args = (str(error.args[0]).split("\n", 1)[0], *error.args[1:])

    return engine


def _sqlite(url: str, connections: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # an error's text goes to the log; what people wrote and keys must not
        connect_args={
            "check_same_thread": False,
            "timeout": BUSY_SECONDS,
            "cached_statements": KEPT_STATEMENTS,
        },
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin or commit by itself
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = bool(connection.get_execution_options().get("tandem_read_only", False))
        state = connection.connection.info
        if state.get("query_only", False) != read_only:
            command(connection, f"PRAGMA query_only={int(read_only)}")
            state["query_only"] = read_only
        # A transaction that will write takes the lock at once: taking it late is refused, not waited for.
        command(connection, "BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
