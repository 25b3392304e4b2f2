"""The tables that every plane shares, and the one MetaData they all join.

Ids are 16 bytes, time is integer microseconds UTC, money is an integer of 10⁻⁶ units, and every key begins
with the resource, so that no query can forget whose rows it reads.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata: Final = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "pk": "%(table_name)s_pkey",
    }
)

WORK: Final = {"work": True}
"""`info=WORK` marks a table whose rows a node works on: its nullable `node` changes when that node dies."""

EXPIRES: Final = {"expires": True}
"""`info=EXPIRES` marks a table whose rows retention deletes once their `expires` has passed."""


def of_interaction(column: str) -> dict[str, str]:
    """`info=of_interaction(COLUMN)` marks a table whose rows go with the interaction that `column` names."""
    return {"of_interaction": column}


Identifier: Final = LargeBinary(16)
"""The type of an id column."""

Microseconds: Final = BigInteger
"""The type of a time column: microseconds since the epoch, UTC."""

nodes: Final = Table(
    "nodes",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("started", Microseconds, nullable=False),
    Column("lease_until", Microseconds, nullable=False),  # on the database's clock
)
"""One row a life of a gateway process. What a node works on carries its id; the lease is the node's."""

interactions: Final = Table(
    "interactions",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("kind", String(16), nullable=False),  # sms; later call
    Column("direction", String(8), nullable=False),  # inbound | outbound
    Column("state", String(24), nullable=False),
    Column("version", Integer, nullable=False),  # compare-and-set on (id, state, version)
    Column("own", String(32), nullable=False),  # the resource's number
    Column("peer", String(32), nullable=False),  # the other party
    Column("carrier", String(64)),
    Column("node", Identifier),  # who works on it; NULL when nobody has to
    Column("rank", Integer, nullable=False),  # of what waits, the lower goes first, then the older
    Column("due", Microseconds),  # when it has to be looked at again
    Column("created", Microseconds, nullable=False),
    Column("updated", Microseconds, nullable=False),
    Column("ended", Microseconds),
    Column("price", BigInteger),
    Column("currency", String(3)),
    Column("detail", LargeBinary, nullable=False),  # the kind's own struct, as JSON
    info=WORK,
)
"""One row a message or call."""

Index("interactions_peer", interactions.c.resource, interactions.c.peer, interactions.c.id)
Index(
    "interactions_node",
    interactions.c.node,
    interactions.c.carrier,
    interactions.c.rank,
    interactions.c.id,
    sqlite_where=interactions.c.node.is_not(None),
    postgresql_where=interactions.c.node.is_not(None),
)

Index(
    "interactions_due",
    interactions.c.due,
    sqlite_where=interactions.c.due.is_not(None),
    postgresql_where=interactions.c.due.is_not(None),
)

timeline: Final = Table(
    "timeline",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("interaction", Identifier, primary_key=True),
    Column("at", Microseconds, primary_key=True),
    Column("seq", BigInteger, primary_key=True),  # order within one microsecond
    Column("node", Identifier, nullable=False),
    Column("source", String(32), nullable=False),  # http, dispatcher, link:NAME, webhook, …
    Column("kind", String(48), nullable=False),
    Column("data", Text),  # JSON
    sqlite_with_rowid=False,
    info=of_interaction("interaction"),
)
"""What happened to an interaction, append-only. A later feature only adds kinds."""

bodies: Final = Table(
    "bodies",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("interaction", Identifier, primary_key=True),
    Column("body", LargeBinary, nullable=False),  # UTF-8
    Column("expires", Microseconds, nullable=False, index=True),
    sqlite_with_rowid=False,
    info=EXPIRES | of_interaction("interaction"),
)
"""What was said, apart from that it was said, so that it can expire."""

repeatability: Final = Table(
    "repeatability",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("request_id", String(64), primary_key=True),
    Column("operation", String(64), nullable=False),
    Column("first_sent", Microseconds, nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),  # SHA-256 of what was asked
    Column("response", LargeBinary, nullable=False),  # the first answer, as JSON
    Column("expires", Microseconds, nullable=False, index=True),
    sqlite_with_rowid=False,
    info=EXPIRES,
)
"""First answers by Repeatability-Request-ID (OASIS Repeatable Requests 1.0)."""
