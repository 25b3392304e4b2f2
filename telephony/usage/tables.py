"""The tables of rates, limits and usage. Rate sheets are the operator's, so their keys have no resource."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from telephony.kernel.store.schema import WORK, Identifier, Microseconds, metadata

MAX_NAME: Final = 64
"""Characters of a sheet's or a carrier's name."""

MAX_COUNTER: Final = 24
"""Characters of a counter's name."""

rate_sheets: Final = Table(
    "rate_sheets",
    metadata,
    Column("name", String(MAX_NAME), primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("active", Integer),  # the version in force; NULL: none yet
    Column("newest", Integer, nullable=False),  # the last version that was begun
    Column("lines", Integer, nullable=False),  # of the version in force
    Column("updated", Microseconds, nullable=False),
)
"""One row a sheet."""

rate_chunks: Final = Table(
    "rate_chunks",
    metadata,
    Column("sheet", String(MAX_NAME), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("created", Microseconds, nullable=False),
    Column("rates", LargeBinary, nullable=False),  # MessagePack of `Rate`s
    sqlite_with_rowid=False,
)
"""Rates by the thousand: they are read as a whole and asked in memory, so a row each would only cost."""

rate_uses: Final = Table(
    "rate_uses",
    metadata,
    Column("side", String(4), primary_key=True),  # sell | buy
    Column("whom", String(MAX_NAME), primary_key=True),  # a resource's GUID or *; a carrier's name
    Column("sheet", String(MAX_NAME), nullable=False),
)
"""By which sheet a resource is charged, and by which a carrier charges."""

resource_limits: Final = Table(
    "resource_limits",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("changed", LargeBinary, nullable=False),  # JSON: the limits that are not the node's defaults
    Column("version", Integer, nullable=False),
    Column("updated", Microseconds, nullable=False),
)
"""What an operator changed of a resource's limits."""

usage_revisions: Final = Table(
    "usage_revisions",
    metadata,
    Column("topic", String(16), primary_key=True),  # rates | limits
    Column("revision", BigInteger, nullable=False),
)
"""Grows with every change, so that other gateways see that there is one."""

limit_counters: Final = Table(
    "limit_counters",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("day", Integer, primary_key=True),  # days since the epoch, UTC; 0 of what is no day's
    Column("name", String(MAX_COUNTER), primary_key=True),
    Column("used", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What was used of a limit: changed by a compare-and-add in the transaction that accepts."""

running_calls: Final = Table(
    "running_calls",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("interaction", Identifier, primary_key=True),
    Column("node", Identifier),
    Column("since", Microseconds, nullable=False),
    info=WORK,
)
"""Calls that count as simultaneous: a row from their acceptance to their end."""

Index("running_calls_node", running_calls.c.node)

usage_daily: Final = Table(
    "usage_daily",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("carrier", String(MAX_NAME), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("direction", String(8), primary_key=True),
    Column("country", String(3), primary_key=True),
    Column("currency", String(3), primary_key=True),  # of the price; empty: it had none
    Column("cost_currency", String(3), primary_key=True),
    Column("node", Identifier, primary_key=True),  # so that two gateways never wait for each other
    Column("count", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),  # segments; seconds
    Column("price", BigInteger, nullable=False),  # to the resource
    Column("cost", BigInteger, nullable=False),  # to the operator
    sqlite_with_rowid=False,
)
"""What interactions added up to."""
