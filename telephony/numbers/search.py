"""Finding numbers: a search holds what it finds, so that nobody else can buy it meanwhile."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.longrunning import OperationKind, OperationStatus
from telephony.kernel.ids import ResourceId, new_id, to_text
from telephony.numbers.hold_time import moment
from telephony.numbers.holds import Held, HoldDetail, HoldKind, check_room, open_hold, reserve
from telephony.numbers.kinds import Assignment, Capabilities, Lot, NumberType, supersets
from telephony.numbers.operations import StoredOperation, keep
from telephony.numbers.settings import NumberSettings
from telephony.numbers.stock import lot_of
from telephony.numbers.tables import FREE, begins_with, inventory, lots

LOTS_AT_ONCE: Final = 100
"""Lots asked for free numbers in one statement; most have none or many."""

MAX_LOTS: Final = 5_000
"""Lots a search looks into: beyond, somebody has imported a lot a number."""

OUT_OF_STOCK: Final = "OutOfStock"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for."""

    country: str
    type: NumberType
    assignment: Assignment | None
    capabilities: Capabilities
    """At least these."""
    area_code: str = ""
    """Empty: any."""
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class SearchNumbers:
    """Job: hold numbers for a resource; returns the operation, whose id is the search's.

    All numbers of a search cost the same: the cheapest price at which there are enough, else the one with
    most. Fewer than wanted are held when there are not more; with none the operation has failed. Raises
    LimitReached when the resource holds too many.
    """

    resource: ResourceId
    wanted: Wanted
    settings: NumberSettings

    def __call__(self, tx: Connection) -> StoredOperation:
        """See the class."""
        wanted = self.wanted
        at = moment(tx)
        check_room(tx, self.resource, wanted.quantity, self.settings, at)
        now = at.wall
        search = new_id(now)
        found = _best(tx, wanted)
        if not found:
            why = ErrorDetail(OUT_OF_STOCK, "There are no such numbers at the moment.")
            failed = StoredOperation(
                OperationKind.SEARCH, search, OperationStatus.FAILED, now, now, _result(search), why
            )
            return keep(tx, self.resource, failed, self.settings.operation_days)
        held = tuple(_held(number, lot, wanted.capabilities) for number, lot in sorted(found.items()))
        detail = HoldDetail(held, short=len(held) < wanted.quantity)
        hold = open_hold(tx, self.resource, HoldKind.SEARCH, search, detail, self.settings, at)
        taken = reserve(tx, self.resource, search, sorted(found), hold.until, locked=True)
        assert len(taken) == len(found)  # they were locked, or nobody else writes
        done = StoredOperation(
            OperationKind.SEARCH, search, OperationStatus.SUCCEEDED, now, now, _result(search)
        )
        return keep(tx, self.resource, done, self.settings.operation_days)


def _result(search: bytes) -> str:
    return f"/availablePhoneNumbers/searchResults/{to_text(search)}"


def _held(number: str, lot: Lot, capabilities: Capabilities) -> Held:
    return Held(
        number,
        capabilities.mask,
        lot.country,
        lot.type.value,
        lot.assignment.value,
        lot.cost.micros,
        lot.cost.currency,
        lot.agreement,
    )


def _best(tx: Connection, wanted: Wanted) -> dict[str, Lot]:
    """Return numbers of one price, with their lots."""
    groups: dict[tuple[str, int, bool], dict[int, Lot]] = {}
    for identifier, lot in matching_lots(tx, wanted):
        price = (lot.cost.currency, lot.cost.micros, lot.agreement)
        groups.setdefault(price, {})[identifier] = lot
    best: dict[str, Lot] = {}
    for group in sorted(groups, key=lambda price: (price[1], price[0], price[2])):
        found = _free(tx, groups[group], wanted.quantity)
        if len(found) > len(best):
            best = found
        if len(best) >= wanted.quantity:
            break
    return best


def matching_lots(
    tx: Connection, wanted: Wanted, *more: ColumnElement[bool], limit: int = MAX_LOTS
) -> list[tuple[int, Lot]]:
    """Return the lots whose numbers would do, and for which `more` holds."""
    query = select(lots).where(lots.c.country == wanted.country, lots.c.type == wanted.type.value, *more)
    if wanted.assignment is not None:
        query = query.where(lots.c.assignment == wanted.assignment.value)
    if wanted.area_code:
        query = query.where(lots.c.area_code == wanted.area_code)
    enough = supersets(wanted.capabilities.mask)
    if len(enough) < 16:
        query = query.where(lots.c.capabilities.in_(enough))
    return [(row.id, lot_of(row)) for row in tx.execute(query.limit(limit))]


def _free(tx: Connection, group: dict[int, Lot], quantity: int) -> dict[str, Lot]:
    """Return free numbers of the lots, that nobody else takes until this transaction's end."""
    found: dict[str, Lot] = {}
    order = list(group)
    random.shuffle(order)  # so that buyers are not in each other's way
    for start in range(0, len(order), LOTS_AT_ONCE):
        some = order[start : start + LOTS_AT_ONCE]
        query = (
            select(inventory.c.number, inventory.c.lot)
            .where(FREE, inventory.c.lot.in_(some))
            .limit(quantity - len(found))
        )
        if tx.dialect.name == "postgresql":
            query = query.with_for_update(skip_locked=True)
        found |= {row.number: group[row.lot] for row in tx.execute(query)}
        if len(found) >= quantity:
            break
    return found


MAX_BROWSE: Final = 50
"""Numbers that a browse shows."""

BROWSED_LOTS: Final = 20
"""Lots that a browse looks into, chosen by chance."""


@dataclass(frozen=True, slots=True)
class Browse:
    """A query: some numbers that are free now, at random; nothing is held."""

    wanted: Wanted
    prefixes: Sequence[str] = ()
    """Beginnings of numbers, with their plus; none: any."""

    def __call__(self, tx: Connection) -> list[tuple[str, Lot]]:
        """Return numbers with their lots."""
        begin = self.prefixes or ("",)
        has = or_(*(exists().where(*_begins(prefix), inventory.c.lot == lots.c.id) for prefix in begin))
        candidates = matching_lots(tx, self.wanted, has)
        random.shuffle(candidates)
        found: dict[str, Lot] = {}
        for identifier, lot in candidates[:BROWSED_LOTS]:
            for prefix in begin:
                found |= dict.fromkeys(_some(tx, identifier, prefix, MAX_BROWSE), lot)
            if len(found) >= 4 * MAX_BROWSE:
                break
        chosen = list(found.items())
        random.shuffle(chosen)
        return chosen[:MAX_BROWSE]


def _begins(prefix: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a number is free and begins with a prefix."""
    if not prefix:
        return (FREE,)
    return FREE, *begins_with(prefix)


def _some(tx: Connection, lot: int, prefix: str, limit: int) -> list[str]:
    """Return some free numbers of a lot that begin with a prefix, from a place chosen by chance on."""
    here = (*_begins(prefix), inventory.c.lot == lot)
    ends = tx.execute(select(func.min(inventory.c.number), func.max(inventory.c.number)).where(*here)).one()
    if ends[0] is None:
        return []
    first, last = int(ends[0].lstrip("+")), int(ends[1].lstrip("+"))
    plus = "+" if ends[0].startswith("+") else ""
    pivot = f"{plus}{random.randint(min(first, last), max(first, last))}"  # noqa: S311 - no secret
    query = select(inventory.c.number).where(*here).order_by(inventory.c.number).limit(limit)
    found = list(tx.execute(query.where(inventory.c.number >= pivot)).scalars())
    if len(found) < limit:
        found += tx.execute(query.where(inventory.c.number < pivot)).scalars()
    return found[:limit]
