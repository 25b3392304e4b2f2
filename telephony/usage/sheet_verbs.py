"""The verbs behind rate sheets: put a version together, put it in force, show it, say who uses it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from telephony.kernel.clock import Clock
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.resources.known import known_resource
from telephony.usage.book import Book
from telephony.usage.csv_rates import Rejected, read_rates, write_rates
from telephony.usage.rating import Kind, Rate
from telephony.usage.sheet import Sheet
from telephony.usage.sheets import (
    BUY,
    EVERYBODY,
    MAX_LINES,
    SELL,
    Activate,
    AddRates,
    BeginDraft,
    DeleteSheet,
    DropDraft,
    SheetView,
    UseSheet,
    compiled,
    list_sheets,
    list_uses,
    read_chunks,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Activated:
    """A version that is in force, or that is not because some of its lines were rejected."""

    lines: int
    rejected: Sequence[Rejected]
    in_force: bool


class SheetVerbs:
    """What can be done with rate sheets. Each raises Unavailable when the store is away.

    `knows` tells which resources there are, `carriers` which carriers.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        book: Book,
        knows: Callable[[ResourceId], bool],
        carriers: Callable[[str], bool],
    ) -> None:
        self._store, self._clock, self._book = store, clock, book
        self._knows, self._carriers = knows, carriers

    async def sheets(self) -> list[tuple[SheetView, list[str]]]:
        """Return the sheets, each with who uses it: `resource:GUID`, `resource:*`, `carrier:NAME`."""
        sheets, uses = await self._store.read(lambda tx: (list_sheets(tx), list_uses(tx)))
        names = {SELL: "resource", BUY: "carrier"}
        return [
            (sheet, [f"{names[side]}:{whom}" for side, whom, name in sorted(uses) if name == sheet.name])
            for sheet in sheets
        ]

    async def begin(self, sheet: str, currency: str) -> int:
        """Begin a new version; return its number. Raises InvalidRequest, Conflict."""
        return await self._store.write(BeginDraft(sheet, currency, self._clock.now()))

    async def add(
        self,
        sheet: str,
        version: int,
        *,
        currency: str,
        lines: Sequence[str],
        first: int,
        columns: Sequence[str],
        delimiter: str,
        defaults: Mapping[str, str],
    ) -> tuple[int, list[Rejected]]:
        """Add lines to a draft; return how many were taken, and the others. Raises NotFound."""
        taken, rejected = await asyncio.to_thread(
            _split, lines, first, columns, delimiter, currency, defaults
        )
        if taken:
            await self._store.write(AddRates(sheet, version, first, taken, self._clock.now()))
        return len(taken), rejected

    async def activate(self, sheet: str, version: int, *, strict: bool) -> Activated:
        """Put a draft in force as a whole. Lines that repeat an earlier one are rejected: with `strict`, then
        nothing is put in force. Raises NotFound, Conflict, InvalidRequest when there are no lines."""
        draft = await self._read(sheet, version)
        rejected = [
            Rejected((one.line, f"the same prefix, kind and date as line {one.first}"))
            for one in draft.duplicates
        ]
        lines = len(draft)
        if not lines:
            raise InvalidRequest("The draft has no lines.", target="draft")
        if lines > MAX_LINES:
            raise InvalidRequest(f"A sheet has at most {MAX_LINES} lines.", target="draft")
        if strict and rejected:
            return Activated(lines, rejected, in_force=False)
        await self._store.write(Activate(sheet, version, lines, self._clock.now()))
        await self._book.refresh()
        log.info("usage.sheet_in_force", sheet=sheet, version=version, lines=lines)
        return Activated(lines, rejected, in_force=True)

    async def drop(self, sheet: str, version: int) -> None:
        """Forget a draft."""
        await self._store.write(DropDraft(sheet, version))

    async def delete(self, sheet: str) -> None:
        """Delete a sheet. Raises NotFound; Conflict while somebody uses it."""
        await self._store.write(DeleteSheet(sheet))
        await self._book.refresh()

    async def use(self, sheet: str | None, *, resource: str | None, carrier: str | None) -> None:
        """Charge a resource (`*`: each without a sheet of its own) or a carrier's traffic by a sheet.

        None: by none. Raises NotFound, InvalidRequest.
        """
        if (resource is None) == (carrier is None):
            raise InvalidRequest("Expected a resource or a carrier.", target="resource")
        if carrier is not None:
            if not self._carriers(carrier):
                raise NotFound("There is no such carrier.", target="carrier")
            job = UseSheet(BUY, carrier, sheet)
        elif resource == EVERYBODY:
            job = UseSheet(SELL, EVERYBODY, sheet)
        else:
            found = known_resource(resource or "", self._knows)
            limits = self._book.ceilings(found)

            def fits(currency: str) -> None:
                if limits.daily_budget is not None and currency != limits.currency:
                    raise InvalidRequest(
                        f"The sheet is in {currency}, the resource's budget in {limits.currency}; change "
                        f"that first: tandem limits set RESOURCE currency={currency}.",
                        target="sheet",
                    )

            job = UseSheet(SELL, to_text(found), sheet, fits)
        await self._store.write(job)
        await self._book.refresh()

    async def export(self, sheet: str) -> bytes:
        """Return the version in force as a CSV file. Raises NotFound."""
        found = await self._in_force(sheet)
        return await asyncio.to_thread(lambda: write_rates(found.listed(), found.currency))

    async def rates(self, sheet: str, prefix: str, skip: int, size: int) -> tuple[Sheet, list[Rate]]:
        """Return rates of the version in force, in order of prefix; one more than `size` if there is.

        Raises NotFound.
        """
        found = await self._in_force(sheet)
        listed = await asyncio.to_thread(found.listed, prefix)
        return found, listed[skip : skip + size + 1]

    async def rate_of(self, sheet: str, kind: Kind, number: str) -> tuple[Sheet, Rate]:
        """Return the rate of a number now. Raises NotFound."""
        found = await self._in_force(sheet)
        rate = found.find(kind, number, self._clock.now())
        if rate is None:
            raise NotFound("The sheet has no rate for this number.", target="number")
        return found, rate

    async def _in_force(self, sheet: str) -> Sheet:
        await self._book.refresh()
        found = self._book.sheet(sheet)
        if found is None:
            raise NotFound("There is no such rate sheet.", target="sheet")
        return found

    async def _read(self, sheet: str, version: int) -> Sheet:
        chunks = await self._store.read(lambda tx: read_chunks(tx, sheet, version))
        return await asyncio.to_thread(compiled, sheet, version, "", chunks)


def _split(
    lines: Sequence[str],
    first: int,
    columns: Sequence[str],
    delimiter: str,
    currency: str,
    defaults: Mapping[str, str],
) -> tuple[list[Rate], list[Rejected]]:
    taken: list[Rate] = []
    rejected: list[Rejected] = []
    for one in read_rates(
        enumerate(lines, first), columns, delimiter=delimiter, currency=currency, defaults=defaults
    ):
        if isinstance(one, Rate):
            taken.append(one)
        else:
            rejected.append(one)
    return taken, rejected
