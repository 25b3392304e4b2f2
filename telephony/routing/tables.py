"""The table of routes: every set as it was written, the newest in force."""

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, Table

from telephony.kernel.store.schema import Identifier, Microseconds, metadata

route_sets: Final = Table(
    "route_sets",
    metadata,
    Column("resource", Identifier, primary_key=True),  # all zero: the operator's
    Column("version", Integer, primary_key=True),  # 1, 2, …; the greatest is in force
    Column("document", LargeBinary, nullable=False),  # RouteSet, JSON
    Column("created", Microseconds, nullable=False),
)
"""One row a version."""
