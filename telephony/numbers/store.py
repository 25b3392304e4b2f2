"""The numbers in the store."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, Index, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Identifier, Microseconds, metadata

MAX_NUMBER: Final = 16
"""Characters of a number: a plus and fifteen digits; a short code or a name has fewer."""

numbers: Final = Table(
    "numbers",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("number", String(MAX_NUMBER), primary_key=True),
    Column("carrier", String(64), nullable=False),
    Column("acquired", Microseconds, nullable=False),
    sqlite_with_rowid=False,
)
"""One row a number that a resource owns."""

Index("numbers_number", numbers.c.number, unique=True)  # a number is never two resources'


@dataclass(frozen=True, slots=True)
class OwnedNumber:
    """A number, its owner, and the carrier that brings and takes its traffic."""

    resource: ResourceId
    number: E164
    carrier: str


@dataclass(frozen=True, slots=True)
class AcquireNumber:
    """Give a number to a resource. Raises Conflict when somebody owns it."""

    owned: OwnedNumber
    now: int

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        row = {
            "resource": self.owned.resource,
            "number": self.owned.number,
            "carrier": self.owned.carrier,
            "acquired": self.now,
        }
        try:
            with tx.begin_nested():
                tx.execute(insert(numbers), row)
        except IntegrityError:
            raise Conflict(f"{self.owned.number} is owned already.", target="phoneNumber") from None


@dataclass(frozen=True, slots=True)
class FindNumber:
    """A query for one number, whoever owns it."""

    number: str

    def __call__(self, tx: Connection) -> OwnedNumber | None:
        """Return the number, or None when nobody owns it."""
        row = tx.execute(select(numbers).where(numbers.c.number == self.number)).first()
        return None if row is None else OwnedNumber(row.resource, E164(row.number), row.carrier)


@dataclass(frozen=True, slots=True)
class ListNumbers:
    """A query for a resource's numbers, in their order."""

    resource: ResourceId
    limit: int = 100

    def __call__(self, tx: Connection) -> list[OwnedNumber]:
        """Return the numbers."""
        query = (
            select(numbers)
            .where(numbers.c.resource == self.resource)
            .order_by(numbers.c.number)
            .limit(self.limit)
        )
        return [OwnedNumber(row.resource, E164(row.number), row.carrier) for row in tx.execute(query)]
