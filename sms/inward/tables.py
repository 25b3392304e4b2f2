"""The table of texts that rules send on to another number."""

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES, WORK, of_interaction

forwards: Final = Table(
    "forwards",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),  # also the repeatability id of the text that is sent
    Column("message", Identifier, nullable=False),  # the inbound one
    Column("node", Identifier),  # who sends it on; NULL when that is over
    Column("due", Microseconds, nullable=False),
    Column("own", String(32), nullable=False),  # the number it came to, and goes out from
    Column("peer", String(32), nullable=False),
    Column("target", String(32), nullable=False),
    Column("digest", LargeBinary(16), nullable=False),  # of what is said
    Column("hops", Integer, nullable=False),  # how often it was sent on, this time included
    Column("stops", LargeBinary, nullable=False),  # JSON: the rule, and where it goes when this fails
    Column("at", Microseconds, nullable=False),
    Column("expires", Microseconds, nullable=False, index=True),
    info=WORK | EXPIRES | of_interaction("message"),
)
"""One row a text and number it is sent on to; afterwards it is kept for a while, to know a circle."""

Index(
    "forwards_work",
    forwards.c.node,
    forwards.c.due,
    sqlite_where=forwards.c.node.is_not(None),
    postgresql_where=forwards.c.node.is_not(None),
)
Index("forwards_circles", forwards.c.resource, forwards.c.digest)
Index("forwards_message", forwards.c.resource, forwards.c.message)
