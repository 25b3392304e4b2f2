"""Rate sheets in the store: a new version is put together beside the one in force, then takes its place.

So whoever rates sees the old sheet or the new one, never a half, and an import that breaks off leaves
nothing behind but a draft, which the next one clears away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from telephony.kernel.clock import HOUR
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.store.bulk import insert_rows
from telephony.usage import revisions
from telephony.usage.rating import Rate
from telephony.usage.sheet import Sheet
from telephony.usage.tables import rate_chunks, rate_sheets, rate_uses

MAX_SHEETS: Final = 1000
"""Sheets of a node: all are in memory."""

MAX_LINES: Final = 1_000_000
"""Lines of a sheet: some 300 MB in memory. The world's codes in full are some 200,000."""

DRAFT_AGE: Final = 6 * HOUR
"""After which a draft that nobody put in force is cleared away."""

EVERYBODY: Final = "*"
"""Whom a sell sheet is for when it is for all resources without one of their own."""

SELL: Final = "sell"
BUY: Final = "buy"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Rate]).decode


@dataclass(frozen=True, slots=True)
class SheetView:
    """A sheet as the store has it."""

    name: str
    currency: str
    version: int | None
    lines: int
    updated: int


@dataclass(frozen=True, slots=True)
class BeginDraft:
    """Begin a new version of a sheet, which is made when it is not there; return the version's number.

    Raises InvalidRequest when the sheet has another currency, Conflict when there are too many sheets.
    """

    sheet: str
    currency: str
    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        table = rate_sheets.c
        found = _locked(tx, self.sheet)
        if found is None:
            if len(tx.execute(select(table.name).limit(MAX_SHEETS)).all()) >= MAX_SHEETS:
                raise Conflict(f"There are {MAX_SHEETS} rate sheets already; delete one.", target="sheet")
            tx.execute(
                insert(rate_sheets).values(
                    name=self.sheet, currency=self.currency, newest=1, lines=0, updated=self.now
                )
            )
            return 1
        chunk = rate_chunks.c
        if found.currency != self.currency:
            begun = select(chunk.version).where(chunk.sheet == self.sheet).limit(1)
            if found.version is not None or tx.execute(begun).first() is not None:
                raise InvalidRequest(
                    f"The sheet {self.sheet!r} is in {found.currency}; another currency takes another sheet.",
                    target="currency",
                )
        version: int = tx.execute(
            update(rate_sheets)
            .where(table.name == self.sheet)
            .values(newest=table.newest + 1, currency=self.currency)
            .returning(table.newest)
        ).scalar_one()
        unused = chunk.version != (found.version or 0)
        tx.execute(
            delete(rate_chunks).where(chunk.sheet == self.sheet, unused, chunk.created < self.now - DRAFT_AGE)
        )
        return version


@dataclass(frozen=True, slots=True)
class AddRates:
    """Add rates to a draft. `chunk` is their place; the same place twice is the same rates again.

    Raises NotFound when the draft is in force already, or was never begun.
    """

    sheet: str
    version: int
    chunk: int
    rates: Sequence[Rate]
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        _check_draft(tx, self.sheet, self.version)
        here = _version(self.sheet, self.version)
        tx.execute(delete(rate_chunks).where(*here, rate_chunks.c.chunk == self.chunk))
        insert_rows(tx, rate_chunks, [(self.sheet, self.version, self.chunk, self.now, _encode(self.rates))])


@dataclass(frozen=True, slots=True)
class DropDraft:
    """Forget a draft; nothing happens when there is none."""

    sheet: str
    version: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        found = _locked(tx, self.sheet)
        if found is None or found.version == self.version:
            return
        tx.execute(delete(rate_chunks).where(*_version(self.sheet, self.version)))
        if found.version is None:  # a sheet that never had a version
            others = select(rate_chunks.c.version).where(rate_chunks.c.sheet == self.sheet).limit(1)
            if tx.execute(others).first() is None:
                tx.execute(delete(rate_sheets).where(rate_sheets.c.name == self.sheet))


@dataclass(frozen=True, slots=True)
class Activate:
    """Put a draft in force as a whole; older versions are forgotten.

    Raises NotFound for one that is not there; Conflict when a later version is in force.
    """

    sheet: str
    version: int
    lines: int
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        found = _check_draft(tx, self.sheet, self.version)
        if found.version is not None and found.version > self.version:
            raise Conflict("A later version of the sheet is in force.", target="draft")
        tx.execute(
            update(rate_sheets)
            .where(rate_sheets.c.name == self.sheet)
            .values(active=self.version, lines=self.lines, updated=self.now)
        )
        chunk = rate_chunks.c
        tx.execute(delete(rate_chunks).where(chunk.sheet == self.sheet, chunk.version < self.version))
        revisions.touch(tx, revisions.RATES)


@dataclass(frozen=True, slots=True)
class DeleteSheet:
    """Delete a sheet. Raises NotFound; Conflict while it is used."""

    sheet: str

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        if _locked(tx, self.sheet) is None:
            raise NotFound("There is no such rate sheet.", target="sheet")
        used = tx.execute(select(rate_uses).where(rate_uses.c.sheet == self.sheet).limit(1)).first()
        if used is not None:
            raise Conflict(
                f"The sheet is in use: {used.side} for {used.whom}. Use another there first.", target="sheet"
            )
        tx.execute(delete(rate_chunks).where(rate_chunks.c.sheet == self.sheet))
        tx.execute(delete(rate_sheets).where(rate_sheets.c.name == self.sheet))
        revisions.touch(tx, revisions.RATES)


@dataclass(frozen=True, slots=True)
class UseSheet:
    """Charge a resource, or a carrier's traffic, by a sheet; None: by none. Raises NotFound.

    `fits` refuses a currency that is not the one of the resource's budget, by raising.
    """

    side: str
    whom: str
    sheet: str | None
    fits: Callable[[str], None] = lambda _: None

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        place = (rate_uses.c.side == self.side, rate_uses.c.whom == self.whom)
        if self.sheet is not None:
            found = _locked(tx, self.sheet)
            if found is None or found.version is None:
                raise NotFound("There is no such rate sheet.", target="sheet")
            self.fits(found.currency)
        tx.execute(delete(rate_uses).where(*place))
        if self.sheet is not None:
            tx.execute(insert(rate_uses).values(side=self.side, whom=self.whom, sheet=self.sheet))
        revisions.touch(tx, revisions.RATES)


def list_sheets(tx: Connection) -> list[SheetView]:
    """Return every sheet that is in force, by name."""
    query = select(rate_sheets).where(rate_sheets.c.active.is_not(None)).order_by(rate_sheets.c.name)
    return [
        SheetView(row.name, row.currency, row.active, row.lines, row.updated) for row in tx.execute(query)
    ]


def list_uses(tx: Connection) -> list[tuple[str, str, str]]:
    """Return who uses which sheet: side, whom, sheet."""
    return [(row.side, row.whom, row.sheet) for row in tx.execute(select(rate_uses))]


def read_chunks(tx: Connection, sheet: str, version: int) -> list[bytes]:
    """Return a version's rates as they are kept: `compiled` takes them, off the event loop."""
    column = rate_chunks.c
    query = select(column.rates).where(*_version(sheet, version)).order_by(column.chunk)
    return [bytes(row.rates) for row in tx.execute(query)]


def compiled(name: str, version: int, currency: str, chunks: Sequence[bytes]) -> Sheet:
    """Return the sheet in some chunks. A second's work for 200,000 lines."""
    return Sheet(name, version, currency, (rate for chunk in chunks for rate in _decode(chunk)))


def read_changed(
    known: Mapping[str, SheetView],
) -> Callable[[Connection], list[tuple[SheetView, list[bytes] | None]]]:
    """Return a query for all sheets, with the chunks of those that are not as they are `known`."""

    def query(tx: Connection) -> list[tuple[SheetView, list[bytes] | None]]:
        return [
            (
                sheet,
                None if known.get(sheet.name) == sheet else read_chunks(tx, sheet.name, sheet.version or 0),
            )
            for sheet in list_sheets(tx)
        ]

    return query


def _version(sheet: str, version: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return rate_chunks.c.sheet == sheet, rate_chunks.c.version == version


def _locked(tx: Connection, sheet: str) -> SheetView | None:
    """Return a sheet's row, which nobody else changes until the transaction's end."""
    query = select(rate_sheets).where(rate_sheets.c.name == sheet)
    if tx.dialect.name == "postgresql":
        query = query.with_for_update()
    row = tx.execute(query).first()
    return None if row is None else SheetView(row.name, row.currency, row.active, row.lines, row.updated)


def _check_draft(tx: Connection, sheet: str, version: int) -> SheetView:
    newest = select(rate_sheets.c.newest).where(rate_sheets.c.name == sheet)
    found = _locked(tx, sheet)
    if found is None or found.version == version or not 1 <= version <= (tx.execute(newest).scalar() or 0):
        raise NotFound("There is no such draft.", target="draft")
    return found
