"""What Alembic runs: it works on the connection, and inside the transaction, that it is given."""

from collections.abc import Iterable
from typing import Any

from alembic import context
from alembic.operations.ops import CreateTableOp, MigrationScript
from alembic.runtime.migration import MigrationContext

from tandem.schema import metadata


def without_marks(_context: MigrationContext, _revision: Any, scripts: Iterable[MigrationScript]) -> None:  # noqa: ANN401
    """Leave out of a new revision what says something to the program and nothing to the database."""
    for script in scripts:
        for step in script.upgrade_ops.ops if script.upgrade_ops is not None else ():
            if isinstance(step, CreateTableOp):
                step.info = {}


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=context.script.get_current_head()
    is not None,  # SQLite alters a table by building it anew
    transactional_ddl=True,  # both databases can
    process_revision_directives=without_marks,
)
context.run_migrations()
