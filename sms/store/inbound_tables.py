"""The tables of what comes in: parts that wait for each other, and messages that may come again."""

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES

inbound_parts: Final = Table(
    "inbound_parts",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("own", String(32), primary_key=True),
    Column("peer", String(32), primary_key=True),
    Column("kind", String(8), primary_key=True),  # sms.reassembly.Kind
    Column("reference", Integer, primary_key=True),
    Column("total", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),  # 1..total
    Column("link", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),  # without its header
    Column("alphabet", String(16), nullable=False),
    Column("locking", Integer, nullable=False),  # national language tables, 0 for none
    Column("single", Integer, nullable=False),
    Column("at", Microseconds, nullable=False),
    Column("delivered", Integer, nullable=False),  # 1: its text is out
    Column("due", Microseconds, nullable=False, index=True),  # of all parts of a text alike
    Column("extras", LargeBinary),  # sms.message.Extras as JSON
    sqlite_with_rowid=False,
)
"""Parts of texts; those of delivered texts stay a while, to know repetitions. A carrier's, like the numbers
that it sends to: whose number it is is asked when the text is delivered."""

inbound_seen: Final = Table(
    "inbound_seen",
    metadata,
    Column("digest", LargeBinary(16), primary_key=True),  # sms.reassembly.Repetition
    Column("message", Identifier, primary_key=True),
    Column("node", Identifier, primary_key=True),  # who answered it
    Column("resource", Identifier, nullable=False),
    Column("carrier", String(64), nullable=False),
    Column("link", String(64), nullable=False),
    Column("at", Microseconds, nullable=False),
    Column("answer", Integer, nullable=False),  # sms.store.repeats: SENT, DOUBTFUL or CERTAIN
    Column("expires", Microseconds, nullable=False, index=True),
    sqlite_with_rowid=False,
    info=EXPIRES,
)
"""Whole messages of the last minutes, by what is in them."""

Index("inbound_seen_node", inbound_seen.c.node, inbound_seen.c.at)
