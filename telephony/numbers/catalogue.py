"""What can be had: countries, places, area codes and prices with a free number at this moment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, exists, or_, select

from telephony.kernel.money import Money
from telephony.numbers.kinds import Assignment, Capabilities, NumberType
from telephony.numbers.tables import FREE, inventory, lots

_AVAILABLE: Final = exists().where(FREE, inventory.c.lot == lots.c.id)


@dataclass(frozen=True, slots=True)
class Place:
    """A locality and the division that it lies in; `division` and its name may be empty."""

    locality: str
    division: str
    division_name: str


@dataclass(frozen=True, slots=True)
class Offering:
    """What can be had at a price."""

    type: NumberType
    assignment: Assignment
    capabilities: Capabilities
    cost: Money


def countries(skip: int, limit: int) -> Callable[[Connection], list[str]]:
    """Return the query for the countries, by their code."""
    query = select(lots.c.country).where(_AVAILABLE)
    return lambda tx: list(tx.execute(_page(query, skip, limit)).scalars())


def localities(
    country: str, skip: int, limit: int, *, kind: NumberType | None, division: str
) -> Callable[[Connection], list[Place]]:
    """Return the query for a country's localities; `division` by its abbreviation or its name."""
    query: Select[Any] = select(lots.c.locality, lots.c.division, lots.c.division_name).where(
        _AVAILABLE, lots.c.country == country, lots.c.locality != ""
    )
    if kind is not None:
        query = query.where(lots.c.type == kind.value)
    query = _in_division(query, division)
    return lambda tx: [
        Place(row.locality, row.division, row.division_name) for row in tx.execute(_page(query, skip, limit))
    ]


def area_codes(
    country: str,
    skip: int,
    limit: int,
    *,
    kind: NumberType,
    assignment: Assignment | None,
    locality: str,
    division: str,
) -> Callable[[Connection], list[str]]:
    """Return the query for a country's area codes."""
    query = select(lots.c.area_code).where(
        _AVAILABLE, lots.c.country == country, lots.c.type == kind.value, lots.c.area_code != ""
    )
    if assignment is not None:
        query = query.where(lots.c.assignment == assignment.value)
    if locality:
        query = query.where(lots.c.locality == locality)
    query = _in_division(query, division)
    return lambda tx: list(tx.execute(_page(query, skip, limit)).scalars())


def offerings(
    country: str, skip: int, limit: int, *, kind: NumberType | None, assignment: Assignment | None
) -> Callable[[Connection], list[Offering]]:
    """Return the query for what can be had in a country, and at which price."""
    query = select(lots.c.type, lots.c.assignment, lots.c.capabilities, lots.c.cost, lots.c.currency).where(
        _AVAILABLE, lots.c.country == country
    )
    if kind is not None:
        query = query.where(lots.c.type == kind.value)
    if assignment is not None:
        query = query.where(lots.c.assignment == assignment.value)

    def read(tx: Connection) -> list[Offering]:
        return [
            Offering(
                NumberType(row.type),
                Assignment(row.assignment),
                Capabilities.of(row.capabilities),
                Money(row.cost, row.currency),
            )
            for row in tx.execute(_page(query, skip, limit))
        ]

    return read


def _in_division(query: Select[Any], division: str) -> Select[Any]:
    if not division:
        return query
    return query.where(or_(lots.c.division == division, lots.c.division_name == division))


def _page(query: Select[Any], skip: int, limit: int) -> Select[Any]:
    return query.distinct().order_by(*query.selected_columns).offset(skip).limit(limit)
