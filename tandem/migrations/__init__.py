"""The history of the schema: one line of revisions, run at every start."""

from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from telephony.kernel.errors import ConfigurationError, Unavailable
from telephony.kernel.store.engine import is_away, open_engine

log = structlog.get_logger(__name__)

ADVISORY_LOCK: Final = 0x74616E64656D
"""What gateways that start together wait for on PostgreSQL: "tandem" as a number."""


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to this program's schema; do nothing when it is there. Blocks.

    `revision` names an older schema: that of a backup, before it is filled.

    All of it happens in one transaction, and of gateways that start together one does it. Raises Unavailable
    when the database is away, ConfigurationError when a newer program wrote it.
    """
    engine = open_engine(url)
    try:
        with engine.begin() as tx:
            if tx.dialect.name == "postgresql":
                for setting in ("lock_timeout", "statement_timeout"):  # a long migration is no failure
                    tx.exec_driver_sql(f"SET LOCAL {setting} = 0")
                tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            _upgrade(tx, revision)
    except DBAPIError as error:
        if is_away(error):
            raise Unavailable(f"The database is away: {str(error.orig).strip()}") from error
        raise
    finally:
        engine.dispose()


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration, working on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def known_revisions() -> frozenset[str]:
    """Return every revision of the schema that this program knows."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return frozenset(each.revision for each in ScriptDirectory.from_config(config).walk_revisions())


def _upgrade(tx: Connection, revision: str) -> None:
    config = configuration(tx)
    history = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(tx).get_current_revision()
    head = history.get_current_head()
    if present == head:
        return
    if present is not None and present not in {revision.revision for revision in history.walk_revisions()}:
        raise ConfigurationError(
            f"The database is at revision {present}, which this version of Tandem does not know: a newer one"
            " wrote it. Install that one, or restore a backup from before."
        )
    command.upgrade(config, revision)
    log.info("store.migrated", was=present, now=head if revision == "head" else revision)
