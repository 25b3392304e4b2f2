"""The tables of those who bind to us. No password stands here in the clear."""

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES, WORK

accounts: Final = Table(
    "smpp_accounts",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("system_id", String(15), primary_key=True),
    Column("password", LargeBinary, nullable=False),  # sealed
    Column("settings", Text, nullable=False),  # AccountSettings, JSON
    Column("version", Integer, nullable=False),
    Column("created", Microseconds, nullable=False),
)
"""One row an account."""

Index("smpp_accounts_system_id", accounts.c.system_id, unique=True)  # a bind names nothing else

quotas: Final = Table(
    "smpp_quotas",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("system_id", String(15), primary_key=True),
    Column("day", Integer, primary_key=True),  # days since the epoch, UTC
    Column("used", Integer, nullable=False),
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""submit_sm of a day, of accounts that have a quota."""

presence: Final = Table(
    "smpp_presence",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("system_id", String(15), primary_key=True),
    Column("node", Identifier, primary_key=True),
    Column("binds", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),  # messages a second that the account would send there, x 1000
    Column("granted", Integer, nullable=False),  # messages a second that it may send there, x 1000
    Column("expires", Microseconds, nullable=False, index=True),  # on the database's clock
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""One row an account and gateway that it is bound to, where several gateways share the database."""

outbox: Final = Table(
    "smpp_outbox",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("system_id", String(15), primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("node", Identifier),  # who is sending it; NULL while it waits
    Column("due", Microseconds, nullable=False),  # not before this
    Column("attempts", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),  # sms.esme.notes.Note, JSON
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES | WORK,
    sqlite_with_rowid=False,
)
"""One row a deliver_sm that an account is still to take."""

Index(
    "smpp_outbox_node",
    outbox.c.node,
    sqlite_where=outbox.c.node.is_not(None),
    postgresql_where=outbox.c.node.is_not(None),
)
