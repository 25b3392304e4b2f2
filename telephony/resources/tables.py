"""The tables of resources and keys. No key stands here in the clear."""

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table

from telephony.kernel.store.schema import Identifier, Microseconds, metadata

resources: Final = Table(
    "resources",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("demonstration", Boolean, nullable=False),  # its numbers and traffic are the simulated carrier's
    Column("disabled", Microseconds),  # since when nobody gets in; NULL: in use
    Column("version", Integer, nullable=False),  # grows with every change of it, its authorities, its keys
    Column("created", Microseconds, nullable=False),
    Column("updated", Microseconds, nullable=False),
)
"""One row a tenant."""

resource_authorities: Final = Table(
    "resource_authorities",
    metadata,
    Column("resource", Identifier, ForeignKey("resources.id"), primary_key=True),
    Column("authority", String(261), primary_key=True, unique=True),  # 255 of a name, colon, five digits
    Column("position", Integer, nullable=False),  # the first is the one in connection strings
)
"""Host and port by which a request chooses its resource, in lower case: no two resources share one."""

resource_keys: Final = Table(
    "resource_keys",
    metadata,
    Column("resource", Identifier, ForeignKey("resources.id"), primary_key=True),
    Column("slot", String(16), primary_key=True),  # primary | secondary
    Column("sealed", LargeBinary, nullable=False),
    Column("master", String(16), nullable=False),  # the id of the master key that sealed it
    Column("updated", Microseconds, nullable=False),
)
"""Access keys, sealed."""

admin_keys: Final = Table(
    "admin_keys",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # SHA-256; the key is 256 random bits
    Column("created", Microseconds, nullable=False),
    Column("revoked", Microseconds),
)
"""Keys of /admin, of which only the hash is known."""
