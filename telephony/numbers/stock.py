"""Numbers into the inventory and out of it again: the operator's side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.kernel.store.engine import run
from telephony.numbers.kinds import Assignment, Capabilities, Lot, NumberType
from telephony.numbers.states import NumberState
from telephony.numbers.tables import begins_with, inventory, lots

MAX_SLICE: Final = 5_000
"""Numbers a job: about 20 ms of the writer on SQLite."""

_SQLITE: Final = """
INSERT INTO number_inventory (number, lot, state, version)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), 'free', 1 FROM json_each(?) WHERE true
ON CONFLICT (number) DO UPDATE SET lot = excluded.lot WHERE state IN ('free', 'released')
"""

_POSTGRESQL: Final = """
INSERT INTO number_inventory (number, lot, state, version)
SELECT number, lot, 'free', 1 FROM unnest(%s::text[], %s::int[]) AS given (number, lot)
ON CONFLICT (number) DO UPDATE SET lot = excluded.lot
WHERE number_inventory.state IN ('free', 'released')
"""

_TAKEN: Final = """
SELECT number FROM number_inventory WHERE state IN ('reserved', 'owned') AND number {ids}
"""


@dataclass(frozen=True, slots=True)
class Stocked:
    """What became of a slice."""

    kept: int
    taken: frozenset[str]
    """Numbers that are somebody's or held for somebody: left as they are."""


@dataclass(frozen=True, slots=True)
class StockNumbers:
    """Job: put numbers into the inventory, each with the place of its lot in `kinds`.

    One that is there already and nobody's gets the new lot. At most MAX_SLICE, none of them twice.
    """

    kinds: Sequence[Lot]
    numbers: Sequence[tuple[str, int]]

    def __call__(self, tx: Connection) -> Stocked:
        """See the class."""
        ids = [ensure_lot(tx, lot) for lot in self.kinds]
        rows = sorted((number, ids[place]) for number, place in self.numbers)
        on_postgresql = tx.dialect.name == "postgresql"
        if on_postgresql:
            values = [number for number, _ in rows], [lot for _, lot in rows]
            kept = tx.exec_driver_sql(_POSTGRESQL, values).rowcount
        else:
            kept = tx.exec_driver_sql(_SQLITE, (msgspec.json.encode(rows).decode(),)).rowcount
        if kept == len(rows):
            return Stocked(kept, frozenset())
        texts = [number for number, _ in rows]
        if on_postgresql:
            found = run(tx, _TAKEN.format(ids="= ANY (%s)"), (texts,))
        else:
            found = run(
                tx,
                _TAKEN.format(ids="IN (SELECT value FROM json_each(?))"),
                (msgspec.json.encode(texts).decode(),),
            )
        return Stocked(kept, frozenset(number for (number,) in found))


def ensure_lot(tx: Connection, lot: Lot) -> int:
    """Return the id of a lot, made when there is none."""
    values = _values(lot)
    same = and_(*(lots.c[name] == value for name, value in values.items()))
    found = tx.execute(select(lots.c.id).where(same)).scalar()
    if found is not None:
        return int(found)
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    made = tx.execute(
        dialect.insert(lots).values(values).on_conflict_do_nothing().returning(lots.c.id)
    ).scalar()
    return int(made if made is not None else tx.execute(select(lots.c.id).where(same)).scalar_one())


def lot_of(row: Row[Any]) -> Lot:
    """Return the lot in a row that has all of its columns."""
    return Lot(
        row.country,
        NumberType(row.type),
        Assignment(row.assignment),
        Capabilities.of(row.capabilities),
        row.carrier,
        Money(row.cost, row.currency),
        row.area_code,
        row.locality,
        row.division,
        row.division_name,
        bool(row.agreement),
    )


def _values(lot: Lot) -> dict[str, Any]:
    return {
        "country": lot.country,
        "type": lot.type.value,
        "assignment": lot.assignment.value,
        "area_code": lot.area_code,
        "capabilities": lot.capabilities.mask,
        "cost": lot.cost.micros,
        "currency": lot.cost.currency,
        "agreement": int(lot.agreement),
        "carrier": lot.carrier,
        "locality": lot.locality,
        "division": lot.division,
        "division_name": lot.division_name,
    }


@dataclass(frozen=True, slots=True)
class Stock:
    """A number as the operator sees it."""

    number: str
    lot: Lot
    state: NumberState
    resource: ResourceId | None
    until: int | None


@dataclass(frozen=True, slots=True)
class StockFilter:
    """Which numbers of the inventory."""

    state: NumberState | None = None
    country: str | None = None
    type: NumberType | None = None
    carrier: str | None = None
    prefix: str = ""
    after: str = ""
    """Only numbers behind this one."""
    limit: int = 100


def list_stock(wanted: StockFilter) -> Any:  # noqa: ANN401 - a query for `Store.read`
    """Return the query for numbers of the inventory, in their order."""
    table = inventory.c
    lot_columns = [column for column in lots.columns if column.name != "id"]
    query = select(table.number, table.state, table.resource, table.until, *lot_columns).join(
        lots, lots.c.id == table.lot
    )
    if wanted.state is not None:
        query = query.where(table.state == wanted.state.value)
    for column, value in (
        (lots.c.country, wanted.country),
        (lots.c.type, wanted.type and wanted.type.value),
        (lots.c.carrier, wanted.carrier),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.prefix:
        query = query.where(*begins_with(wanted.prefix))
    if wanted.after:
        query = query.where(table.number > wanted.after)
    query = query.order_by(table.number).limit(wanted.limit)

    def read(tx: Connection) -> list[Stock]:
        return [_stock(row) for row in tx.execute(query)]

    return read


@dataclass(frozen=True, slots=True)
class FindStock:
    """A query for one number of the inventory."""

    number: str

    def __call__(self, tx: Connection) -> Stock | None:
        """Return it, or None when the inventory does not have it."""
        found = list_stock(StockFilter(prefix=self.number, limit=1))(tx)
        return found[0] if found and found[0].number == self.number else None


NOBODYS: Final = inventory.c.state.in_([NumberState.FREE.value, NumberState.RELEASED.value])


@dataclass(frozen=True, slots=True)
class WithdrawSlice:
    """Job: take numbers of a carrier that are nobody's out of the inventory, MAX_SLICE at most.

    Returns how many; call it until there are fewer.
    """

    carrier: str

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        its = inventory.c.lot.in_(select(lots.c.id).where(lots.c.carrier == self.carrier))
        some = select(inventory.c.number).where(its, NOBODYS).limit(MAX_SLICE)
        return tx.execute(delete(inventory).where(inventory.c.number.in_(some), NOBODYS)).rowcount


@dataclass(frozen=True, slots=True)
class WithdrawNumber:
    """Job: take a number out of the inventory. Raises NotFound, Conflict when it is not free."""

    number: str

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        gone = delete(inventory).where(inventory.c.number == self.number, NOBODYS)
        if tx.execute(gone).rowcount:
            return
        state = tx.execute(select(inventory.c.state).where(inventory.c.number == self.number)).scalar()
        if state is None:
            raise NotFound("The inventory does not have this number.", target="number")
        raise Conflict(f"The number is {state}.", target="number")


def put(tx: Connection, number: str, lot: Lot, state: NumberState, resource: ResourceId) -> None:
    """Put one number that is a resource's into the inventory."""
    row = {
        "number": number,
        "lot": ensure_lot(tx, lot),
        "state": state.value,
        "version": 1,
        "resource": resource,
    }
    tx.execute(insert(inventory).values(row))


def _stock(row: Row[Any]) -> Stock:
    resource = None if row.resource is None else ResourceId(bytes(row.resource))
    return Stock(row.number, lot_of(row), NumberState(row.state), resource, row.until)
