"""Adding up what interactions used, inside the transaction that writes them: `record(tx, node, entries)`."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from sqlalchemy import Connection

from telephony.kernel.ids import NodeId, ResourceId
from telephony.kernel.store.bulk import MAX_PARAMETERS
from telephony.kernel.store.engine import run
from telephony.usage.counters import day_of
from telephony.usage.tables import usage_daily


class Charge(NamedTuple):
    """What one interaction comes to. Amounts are in 10⁻⁶ units; an empty currency: it was not rated."""

    country: str
    """ISO 3166-1 of the other party."""
    units: int = 1
    """Segments of a message, billed seconds of a call."""
    price: int = 0
    """To the resource."""
    currency: str = ""
    cost: int = 0
    """To the operator, by the carrier."""
    cost_currency: str = ""


def priced(charge: Charge | None) -> dict[str, object]:
    """Return the columns of an interaction that say its price; none when it has no rate."""
    if charge is None or not charge.currency:
        return {}
    return {"price": charge.price, "currency": charge.currency}


class Used(NamedTuple):
    """Interactions of one kind that happened on one day."""

    resource: ResourceId
    at: int
    """Microseconds UTC; its day counts."""
    carrier: str
    kind: str
    """sms | call"""
    direction: str
    """inbound | outbound"""
    charge: Charge
    times: int = 1
    """How many like this; negative takes back what was recorded before."""


_KEYS: Final = tuple(column.name for column in usage_daily.primary_key.columns)
_SUMS: Final = ("count", "units", "price", "cost")
_ROWS: Final = MAX_PARAMETERS // (len(_KEYS) + len(_SUMS))


def record(tx: Connection, node: NodeId, entries: Iterable[Used]) -> None:
    """Add interactions to the daily usage: as many statements as there are hundreds of different keys."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for resource, at, carrier, kind, direction, charge, times in entries:
        key = (
            resource,
            day_of(at),
            carrier,
            kind,
            direction,
            charge.country,
            charge.currency,
            charge.cost_currency,
            node,
        )
        there = sums.get(key)
        if there is None:
            there = sums[key] = [0, 0, 0, 0]
        there[0] += times
        there[1] += charge.units * times
        there[2] += charge.price * times
        there[3] += charge.cost * times
    rows = [(*key, *added) for key, added in sums.items()]
    on_sqlite = tx.dialect.name == "sqlite"
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        run(tx, _statement(len(some), "?" if on_sqlite else "%s"), tuple(chain.from_iterable(some)))


@lru_cache(maxsize=2 * _ROWS)
def _statement(rows: int, mark: str) -> str:
    names = ", ".join(f'"{name}"' for name in (*_KEYS, *_SUMS))
    row = "(" + ", ".join([mark] * (len(_KEYS) + len(_SUMS))) + ")"
    keys = ", ".join(f'"{name}"' for name in _KEYS)
    added = ", ".join(f'"{name}" = usage_daily."{name}" + excluded."{name}"' for name in _SUMS)
    return (
        f"INSERT INTO usage_daily ({names}) VALUES {', '.join([row] * rows)} "  # noqa: S608 - ours
        f"ON CONFLICT ({keys}) DO UPDATE SET {added}"
    )
