"""`python -m tandem.migrations NUMBER "What changes"`: write the next revision from what the tables say."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from tandem.migrations import configuration, migrate
from telephony.kernel.store.engine import open_engine


def write_revision(number: str, message: str) -> None:
    """Write `versions/NUMBER_message.py`: the difference between the history so far and the tables."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/history.db"
        migrate(url)
        engine = open_engine(url)
        with engine.connect() as connection:
            command.revision(configuration(connection), message, autogenerate=True, rev_id=number)
        engine.dispose()


if __name__ == "__main__":
    write_revision(sys.argv[1], sys.argv[2])
