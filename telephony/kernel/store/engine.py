"""Opening SQLite and PostgreSQL so that a commit means the same on both: on disk."""

from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

BUSY_SECONDS: Final = 5.0
"""How long SQLite waits for another writer (a backup, a migration)."""

CONNECT_SECONDS: Final = 3
"""How long a connection to PostgreSQL may take."""


def open_engine(url: str) -> Engine:
    """Return an engine for `url`; opens no connection yet."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url)
    return create_engine(
        url,
        pool_size=4,
        max_overflow=0,
        pool_pre_ping=False,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "tandem"},
    )


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=4, max_overflow=0, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own connection
        connection.isolation_level = None  # the driver must not begin or commit by itself
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes the lock at once: taking it late is refused, not waited for.
        immediate = not connection.get_execution_options().get("tandem_read_only", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
