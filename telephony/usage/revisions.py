"""What changed since somebody looked: a number a topic, grown in the transaction that changes."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, select

from telephony.kernel.store.engine import run
from telephony.usage.tables import usage_revisions

RATES: Final = "rates"
LIMITS: Final = "limits"


def touch(tx: Connection, topic: str) -> None:
    """Say that a topic changes with this transaction."""
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    run(
        tx,
        f"INSERT INTO usage_revisions (topic, revision) VALUES ({mark}, 1) "  # noqa: S608 - a mark
        "ON CONFLICT (topic) DO UPDATE SET revision = usage_revisions.revision + 1",
        (topic,),
    )


def revisions(tx: Connection) -> Mapping[str, int]:
    """Return each topic's number."""
    return {row.topic: row.revision for row in tx.execute(select(usage_revisions))}
