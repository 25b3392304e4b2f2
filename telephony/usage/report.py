"""What interactions added up to, by what somebody wants to see it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, to_text
from telephony.usage.amounts import amount_of
from telephony.usage.tables import usage_daily

CSV: Final = "text/csv"

GROUPS: Final = ("day", "resource", "carrier", "kind", "direction", "country")
"""What usage can be listed by."""

MAX_DAYS: Final = 3660
"""Days a report may span."""

MAX_ROWS: Final = 50_000
"""Rows of one report: some 10 MB."""

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a report. Amounts are in 10⁻⁶ units; prices in two currencies are two rows."""

    group: dict[str, str]
    count: int
    units: int
    price: int
    currency: str
    cost: int
    cost_currency: str


@dataclass(frozen=True, slots=True)
class Report:
    """A query for what was used from one day to another, both included (days since the epoch, UTC).

    Raises InvalidRequest when it would have too many rows.
    """

    since: int
    until: int
    by: Sequence[str] = ("day", "resource", "carrier")
    resource: ResourceId | None = None
    carrier: str | None = None

    def __call__(self, tx: Connection) -> list[Line]:
        """See the class."""
        table = usage_daily.c
        keys = [table[name] for name in (*self.by, "currency", "cost_currency")]
        sums = [func.sum(table[name]).label(f"{name}_") for name in ("count", "units", "price", "cost")]
        query = (
            select(*keys, *sums)
            .where(table.day >= self.since, table.day <= self.until)
            .group_by(*keys)
            .order_by(*keys)
            .limit(MAX_ROWS + 1)
        )
        if self.resource is not None:
            query = query.where(table.resource == self.resource)
        if self.carrier is not None:
            query = query.where(table.carrier == self.carrier)
        rows = tx.execute(query).all()
        if len(rows) > MAX_ROWS:
            raise InvalidRequest(f"More than {MAX_ROWS} rows; ask for fewer days or groups.", target="by")
        return [
            Line(
                {name: _text(name, row[place]) for place, name in enumerate(self.by)},
                int(row.count_),
                int(row.units_),
                int(row.price_),
                row.currency,
                int(row.cost_),
                row.cost_currency,
            )
            for row in rows
            if row.count_
        ]


def groups_of(text: str) -> tuple[str, ...]:
    """Return what a report is by: `day,carrier`. Raises InvalidRequest."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in GROUPS:
            raise InvalidRequest(f"by: {name[:40]!r} is not among {', '.join(GROUPS)}.", target="by")
    return names


def days_of(since: str | None, until: str | None, today: int) -> tuple[int, int]:
    """Return the first and the last day asked for; by default the last 30. Raises InvalidRequest."""
    last = today if until is None else _day("until", until)
    first = last - 29 if since is None else _day("from", since)
    if first > last or last - first >= MAX_DAYS:
        raise InvalidRequest(f"from: expected a day before until, at most {MAX_DAYS} days.", target="from")
    return first, last


def _day(name: str, text: str) -> int:
    try:
        return (datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date() - _EPOCH).days
    except ValueError:
        raise InvalidRequest(f"{name}: expected a day such as 2026-07-01.", target=name) from None


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - a column's value
    if name == "day":
        return date.fromordinal(_EPOCH.toordinal() + value).isoformat()
    return to_text(bytes(value)) if name == "resource" else str(value)


def as_csv(lines: Sequence[Line], by: Sequence[str]) -> bytes:
    """Return a report as a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*by, "count", "units", "price", "currency", "cost", "cost_currency"))
    for line in lines:
        writer.writerow(
            (
                *(line.group[name] for name in by),
                line.count,
                line.units,
                amount_of(line.price),
                line.currency,
                amount_of(line.cost),
                line.cost_currency,
            )
        )
    return out.getvalue().encode()
