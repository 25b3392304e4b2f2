"""The tables of opt-outs and of the answers to words."""

from typing import Final

from sqlalchemy import Column, Integer, String, Table

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES

opt_outs: Final = Table(
    "opt_outs",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("own", String(32), primary_key=True),
    Column("peer", String(32), primary_key=True),
    Column("at", Microseconds, nullable=False),
    Column("source", String(48), nullable=False),  # api | word:STOP
    sqlite_with_rowid=False,
)
"""One row a recipient (`peer`) that wants nothing more from a number of the resource's (`own`)."""

automatic_replies: Final = Table(
    "automatic_replies",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("own", String(32), primary_key=True),
    Column("peer", String(32), primary_key=True),
    Column("hour", Microseconds, nullable=False),  # when the hour that is counted began
    Column("in_hour", Integer, nullable=False),
    Column("day", Microseconds, nullable=False),
    Column("in_day", Integer, nullable=False),
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""How often a number answered another by itself lately."""
