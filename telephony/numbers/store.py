"""The numbers that resources own, in the store."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from telephony.kernel.e164 import E164, parse_e164
from telephony.kernel.errors import Conflict
from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.numbers.kinds import (
    EVERYTHING,
    SMS_OUTBOUND,
    Assignment,
    Capabilities,
    Lot,
    NumberType,
)
from telephony.numbers.plan import known_of
from telephony.numbers.states import NUMBER, NumberEvent, NumberState
from telephony.numbers.stock import lot_of, put
from telephony.numbers.tables import MAX_NUMBER, inventory, lots, numbers

__all__ = [
    "MAX_NUMBER",
    "AcquireNumber",
    "FindNumber",
    "FindOwned",
    "ListNumbers",
    "ListOwned",
    "Owned",
    "OwnedNumber",
    "numbers",
]

UNKNOWN_COUNTRY: Final = "ZZ"
"""ISO 3166-1 leaves it to users: of a number whose country nobody knows."""


@dataclass(frozen=True, slots=True)
class OwnedNumber:
    """A number, its owner, and the carrier that brings and takes its traffic."""

    resource: ResourceId
    number: E164
    carrier: str
    capabilities: Capabilities = EVERYTHING
    sends_sms: bool = True
    """Whether it may send text messages: asked with every one, so it is worked out once."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A number as its owner sees it."""

    number: str
    country: str
    type: NumberType
    assignment: Assignment
    capabilities: Capabilities
    carrier: str
    acquired: int
    cost: Money


@dataclass(frozen=True, slots=True)
class AcquireNumber:
    """Job: give a number to a resource, as an operator does who needs no search.

    What the inventory knows of it counts; one that it does not have is put there. Raises Conflict when
    somebody has it.
    """

    owned: OwnedNumber
    now: int

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        number, resource = self.owned.number, self.owned.resource
        query = (
            select(inventory.c.state, *lots.columns)
            .join(lots, lots.c.id == inventory.c.lot)
            .where(inventory.c.number == number)
        )
        found = tx.execute(query).first()
        if found is None:
            lot = _unknown(self.owned)
        else:
            if not NUMBER.allows(NumberState(found.state), NumberEvent.ASSIGN):
                raise self._taken()
            lot = lot_of(found)
        try:
            with tx.begin_nested():
                if found is None:
                    put(tx, number, lot, NumberState.OWNED, resource)
                else:
                    taken = (
                        update(inventory)
                        .where(inventory.c.number == number, inventory.c.state == found.state)
                        .values(
                            state=NUMBER.fire(NumberState(found.state), NumberEvent.ASSIGN).value,
                            version=inventory.c.version + 1,
                            resource=resource,
                        )
                    )
                    if tx.execute(taken).rowcount == 0:
                        raise self._taken()
                insert_owned(tx, resource, [(number, lot, lot.capabilities)], self.now, self.owned.carrier)
        except IntegrityError:
            raise self._taken() from None

    def _taken(self) -> Conflict:
        return Conflict(f"{self.owned.number} is owned already.", target="phoneNumber")


def insert_owned(
    tx: Connection,
    resource: ResourceId,
    bought: list[tuple[str, Lot, Capabilities]],
    now: int,
    carrier: str | None = None,
) -> None:
    """Give numbers to a resource, each with what it shall be able to do. Raises IntegrityError when somebody
    has one."""
    rows = [
        {
            "resource": resource,
            "number": number,
            "carrier": carrier or lot.carrier,
            "acquired": now,
            "country": lot.country,
            "type": lot.type.value,
            "assignment": lot.assignment.value,
            "capabilities": capabilities.mask,
            "cost": lot.cost.micros,
            "currency": lot.cost.currency,
        }
        for number, lot, capabilities in bought
    ]
    tx.execute(insert(numbers), rows)


@dataclass(frozen=True, slots=True)
class FindNumber:
    """A query for one number, whoever owns it."""

    number: str

    def __call__(self, tx: Connection) -> OwnedNumber | None:
        """Return the number, or None when nobody owns it."""
        row = tx.execute(select(numbers).where(numbers.c.number == self.number)).first()
        return None if row is None else _owned_number(row)


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
        return [_owned_number(row) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class ListOwned:
    """A query for a page of a resource's numbers, in their order."""

    resource: ResourceId
    skip: int
    limit: int

    def __call__(self, tx: Connection) -> list[Owned]:
        """Return the numbers."""
        query = select(numbers).where(numbers.c.resource == self.resource).order_by(numbers.c.number)
        return [owned_of(row) for row in tx.execute(query.offset(self.skip).limit(self.limit))]


@dataclass(frozen=True, slots=True)
class FindOwned:
    """A query for one of a resource's numbers."""

    resource: ResourceId
    number: str

    def __call__(self, tx: Connection) -> Owned | None:
        """Return the number, or None when it is not the resource's."""
        mine = (numbers.c.resource == self.resource, numbers.c.number == self.number)
        row = tx.execute(select(numbers).where(*mine)).first()
        return None if row is None else owned_of(row)


def owned_of(row: Row[Any]) -> Owned:
    """Return the number in a row of the table."""
    return Owned(
        row.number,
        row.country,
        NumberType(row.type),
        Assignment(row.assignment),
        Capabilities.of(row.capabilities),
        row.carrier,
        row.acquired,
        Money(row.cost, row.currency),
    )


def _owned_number(row: Row[Any]) -> OwnedNumber:
    return OwnedNumber(
        ResourceId(bytes(row.resource)),
        E164(row.number),
        row.carrier,
        Capabilities.of(row.capabilities),
        sends_sms=row.capabilities & SMS_OUTBOUND != 0,
    )


def _unknown(owned: OwnedNumber) -> Lot:
    """Return a lot for a number of which only its owner and its carrier are known."""
    kind = NumberType.GEOGRAPHIC if parse_e164(owned.number) else NumberType.SHORT_CODE
    country = known_of(owned.number).country if parse_e164(owned.number) else ""
    free = Money(0, "USD")
    return Lot(
        country or UNKNOWN_COUNTRY, kind, Assignment.APPLICATION, owned.capabilities, owned.carrier, free
    )
