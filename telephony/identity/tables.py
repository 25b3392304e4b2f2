"""The tables of users, signing keys and revocations."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from telephony.kernel.store.schema import EXPIRES, Identifier, Microseconds, metadata

MAX_CUSTOM_ID: Final = 256
"""Characters of an application's own id of a user: an address of electronic mail has at most 254."""

users: Final = Table(
    "users",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("generation", Integer, nullable=False),  # how often its tokens were revoked: older tokens are dead
    Column("custom_id", String(MAX_CUSTOM_ID)),
    Column("created", Microseconds, nullable=False),
    Column("token_issued", Microseconds),  # the last time
    sqlite_with_rowid=False,
)
"""One row a user. All that is known of a person stands here, and goes when the user is deleted."""

Index(
    "users_custom_id",
    users.c.resource,
    users.c.custom_id,
    unique=True,
    sqlite_where=users.c.custom_id.is_not(None),
    postgresql_where=users.c.custom_id.is_not(None),
)

user_counts: Final = Table(
    "user_counts",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("users", Integer, nullable=False),
)
"""How many users a resource has: counting a million rows for each new one would take seconds."""

token_keys: Final = Table(
    "token_keys",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("public", LargeBinary, nullable=False),  # a point on P-256, uncompressed (SEC 1 §2.3.3)
    Column("sealed", LargeBinary, nullable=False),  # the private key
    Column("created", Microseconds, nullable=False),
    Column("expires", Microseconds, index=True),  # until when it verifies; NULL while it signs
    info=EXPIRES,
)
"""Keys that sign a resource's tokens, sealed by the node's master key."""

Index(
    "token_keys_signing",
    token_keys.c.resource,
    unique=True,
    sqlite_where=token_keys.c.state == "signing",
    postgresql_where=token_keys.c.state == "signing",
)

token_revocations: Final = Table(
    "token_revocations",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("user", Identifier, primary_key=True),  # all zero: the resource's keys changed
    Column("generation", BigInteger, primary_key=True),  # tokens below it are dead
    Column("at", Microseconds, nullable=False, index=True),  # on the database's clock
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""What every gateway has to hear of: it reads the newest of them several times a second."""
