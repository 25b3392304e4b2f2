"""The tables of the inventory. A number is the node's until somebody owns it, so their keys have no resource
where nobody does."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    any_,
    func,
    literal,
    select,
)

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES
from telephony.numbers.states import NumberState

MAX_NUMBER: Final = 16
"""Characters of a number: a plus and fifteen digits; a short code or a name has fewer."""

numbers: Final = Table(
    "numbers",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("number", String(MAX_NUMBER), primary_key=True),
    Column("carrier", String(64), nullable=False),
    Column("acquired", Microseconds, nullable=False),
    Column("country", String(2), nullable=False),
    Column("type", String(16), nullable=False),
    Column("assignment", String(16), nullable=False),
    Column("capabilities", Integer, nullable=False),  # as `Capabilities.mask`
    Column("cost", BigInteger, nullable=False),  # a month
    Column("currency", String(3), nullable=False),
    sqlite_with_rowid=False,
)
"""One row a number that a resource owns: asked with every message, so it holds nothing else."""

Index("numbers_number", numbers.c.number, unique=True)  # a number is never two resources'

lots: Final = Table(
    "number_lots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("country", String(2), nullable=False),
    Column("type", String(16), nullable=False),
    Column("assignment", String(16), nullable=False),
    Column("area_code", String(8), nullable=False),
    Column("capabilities", Integer, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("agreement", Integer, nullable=False),
    Column("carrier", String(64), nullable=False),
    Column("locality", String(64), nullable=False),
    Column("division", String(16), nullable=False),
    Column("division_name", String(64), nullable=False),
)
"""One row what numbers have in common, so that a million numbers are a few thousand rows to search in."""

lots.append_constraint(
    UniqueConstraint(*(column for column in lots.columns if column.name != "id"), name="number_lots_same")
)

inventory: Final = Table(
    "number_inventory",
    metadata,
    Column("number", String(MAX_NUMBER), primary_key=True),
    Column("lot", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("resource", Identifier),  # whose it is, or for whom it is held
    Column("hold", Identifier),
    Column("until", Microseconds),  # held, or in quarantine: see `hold_time`
    sqlite_with_rowid=False,
)
"""One row a number that some carrier gave us, whatever became of it."""

FREE: Final = inventory.c.state == NumberState.FREE.value

Index(
    "number_inventory_free",
    inventory.c.lot,
    inventory.c.number,
    sqlite_where=FREE,
    postgresql_where=FREE,
)

Index(
    "number_inventory_until",
    inventory.c.until,
    sqlite_where=inventory.c.until.is_not(None),
    postgresql_where=inventory.c.until.is_not(None),
)


def begins_with(prefix: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a number of the inventory begins with a prefix.

    Nines fill the end up: digits have one order in every collation that a PostgreSQL database may have, other
    characters may count for nothing.
    """
    last = prefix + "9" * (MAX_NUMBER - len(prefix))
    return inventory.c.number >= prefix, inventory.c.number <= last


def one_of(tx: Connection, numbers: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a number of the inventory is one of `numbers`, as one parameter."""
    if tx.dialect.name == "postgresql":
        return inventory.c.number == any_(literal(list(numbers), ARRAY(String)))
    each = func.json_each(msgspec.json.encode(list(numbers)).decode()).table_valued("value")
    return inventory.c.number.in_(select(each.c.value))


holds: Final = Table(
    "number_holds",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("kind", String(12), primary_key=True),  # search | reservation
    Column("id", Identifier, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Microseconds, nullable=False),  # both as `hold_time` measures
    Column("until", Microseconds, nullable=False),
    Column("count", Integer, nullable=False),  # of numbers
    Column("detail", LargeBinary, nullable=False),  # the numbers and what was asked for, as JSON
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""One row a search's result or a reservation."""

Index(
    "number_holds_active",
    holds.c.resource,
    holds.c.until,
    sqlite_where=holds.c.state == "active",
    postgresql_where=holds.c.state == "active",
)

operations: Final = Table(
    "number_operations",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("status", String(12), nullable=False),
    Column("created", Microseconds, nullable=False),
    Column("updated", Microseconds, nullable=False),
    Column("location", String(128)),
    Column("error", LargeBinary),  # as JSON
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
    sqlite_with_rowid=False,
)
"""One row a long-running operation."""

hold_time: Final = Table(
    "number_hold_time",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, nullable=False),
    Column("seen", Microseconds, nullable=False),
)
"""One row: what to add to the database's clock, and the latest time that was seen."""
