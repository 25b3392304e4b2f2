"""Administration of the inventory: what carriers gave us, whoever has it now."""

from collections.abc import Callable, Set
from enum import StrEnum
from typing import Annotated, Final, TypeVar

from msgspec import Meta, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.csv_lines import RejectedLine
from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.paging import (
    CONTINUATION,
    collection,
    continuation,
    next_link,
    page_of,
    position_of,
)
from telephony.kernel.http.route import PAGING, Auth, Query, Reply, Request, Route
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.numbers.csv_supply import CsvSupply
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.intake import MAX_NUMBERS, take_in
from telephony.numbers.kinds import NumberType
from telephony.numbers.lines import COLUMNS, DELIMITERS, MAX_LINE, checked
from telephony.numbers.states import NumberState
from telephony.numbers.stock import FindStock, Stock, StockFilter, WithdrawNumber, list_stock
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.numbers.wire import (
    PhoneNumberCapabilities,
    PhoneNumberCost,
    capabilities_of,
    cost_of,
)
from telephony.resources.audit_shown import HIDDEN
from telephony.resources.known import known_resource

COLLECTION: Final = "/admin/numbers"
ITEM: Final = COLLECTION + "/{number}"

MAX_LINES: Final = 5_000
"""Lines of one request: half a megabyte, and a tenth of a second of work."""

MAX_IMPORT: Final = MAX_LINES * 400
"""Bytes of one request."""

S = TypeVar("S", bound=StrEnum)

Line = Annotated[str, Meta(max_length=MAX_LINE)]


class ImportNumbers(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Lines of a CSV file, without its header."""

    columns: Annotated[tuple[str, ...], Meta(min_length=1, max_length=len(COLUMNS))]
    """What the header says."""
    lines: Annotated[tuple[Line, ...], Meta(max_length=MAX_LINES, extra=HIDDEN)]
    first_line: Annotated[int, Meta(ge=1)] = 2
    """The number of the first of them, for the report."""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    defaults: dict[str, Line] = {}
    """What an empty or missing column means."""


class ImportReply(Struct, frozen=True):
    """What came of an import; the lines that are not `rejected` are in."""

    kept: int
    rejected: tuple[RejectedLine, ...]


class AssignNumber(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to give a number to."""

    resource: str


class StockView(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A number of the inventory."""

    number: str
    state: str
    country: str
    type: str
    assignment: str
    capabilities: PhoneNumberCapabilities
    cost: PhoneNumberCost
    carrier: str
    area_code: str = ""
    locality: str = ""
    administrative_division: str = ""
    agreement: bool = False
    resource: str | None = None
    until: str | None = None


class StockList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of the inventory."""

    value: tuple[StockView, ...]
    next_link: str | None = None


class _Inventory:
    def __init__(
        self,
        store: Store,
        directory: NumberDirectory,
        knows: Callable[[ResourceId], bool],
        carriers: Set[str],
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._knows = knows
        self._carriers = carriers
        self._now = now

    async def take_in(self, request: Request[ImportNumbers]) -> Reply:
        body = request.body
        if body.delimiter not in DELIMITERS:
            raise InvalidRequest("delimiter: expected a comma, a semicolon or a tab.", target="delimiter")
        for name in body.defaults:
            if name not in COLUMNS:
                raise InvalidRequest(f"There is no column {name[:40]!r}.", target="defaults")
        supply = CsvSupply(
            enumerate(body.lines, body.first_line),
            checked(body.columns),
            carriers=self._carriers,
            delimiter=body.delimiter,
            defaults=body.defaults,
        )
        intake = await take_in(self._store, supply, most=MAX_NUMBERS)
        rejected = tuple(RejectedLine(one.place, one.reason) for one in intake.rejected)
        return Reply(200, ImportReply(intake.kept, rejected))

    async def list(self, request: Request[None]) -> Reply:
        query = request.query
        size = page_of(query).size
        mark = query.get(CONTINUATION)
        wanted = StockFilter(
            state=_state(query.get("state")),
            country=query.get("country"),
            type=_one_of(NumberType, "type", query.get("type")),
            carrier=query.get("carrier"),
            prefix=query.get("prefix", ""),
            after="" if mark is None else position_of(mark, str),
            limit=size + 1,
        )
        found = await self._store.read(list_stock(wanted))
        link = None
        if len(found) > size:
            mark = continuation(found[size - 1].number)
            link = next_link(COLLECTION, query, **{CONTINUATION: mark})
        return Reply(200, collection("value", [_view(one) for one in found[:size]], link))

    async def get(self, request: Request[None]) -> Reply:
        found = await self._store.read(FindStock(request.path["number"]))
        if found is None:
            raise NotFound("The inventory does not have this number.", target="number")
        return Reply(200, _view(found))

    async def withdraw(self, request: Request[None]) -> Reply:
        await self._store.write(WithdrawNumber(request.path["number"]))
        return Reply(204)

    async def assign(self, request: Request[AssignNumber]) -> Reply:
        number, resource = request.path["number"], known_resource(request.body.resource, self._knows)
        stock = await self._store.read(FindStock(number))
        if stock is None:
            raise NotFound("The inventory does not have this number.", target="number")
        owned = OwnedNumber(resource, E164(number), stock.lot.carrier)
        await self._store.write(AcquireNumber(owned, self._now()))
        self._directory.forget(number)
        return await self.get(Request(request.resource, None, request.path))


def routes(
    store: Store,
    directory: NumberDirectory,
    knows: Callable[[ResourceId], bool],
    carriers: Set[str],
    now: Callable[[], int],
) -> list[Route]:
    """Return the administration's operations on the inventory.

    `knows` tells which resources exist, `carriers` are those that may bring numbers, `now` is the time.
    """
    api = _Inventory(store, directory, knows, carriers, now)
    return [
        Route(
            "admin.numbers.import",
            "POST",
            COLLECTION + ":import",
            api.take_in,
            Auth.ADMIN,
            body=ImportNumbers,
            max_body=MAX_IMPORT,
            summary="Put lines of a CSV file into the inventory; those that cannot be taken are reported",
            reply=ImportReply,
        ),
        Route(
            "admin.numbers.list",
            "GET",
            COLLECTION,
            api.list,
            Auth.ADMIN,
            summary="The inventory, in pages: state, country, type, carrier, prefix",
            reply=StockList,
            query=(
                *(Query(name) for name in ("state", "country", "type", "carrier", "prefix")),
                *PAGING,
            ),
        ),
        Route(
            "admin.numbers.get",
            "GET",
            ITEM,
            api.get,
            Auth.ADMIN,
            summary="A number of the inventory, and whose it is",
            reply=StockView,
        ),
        Route(
            "admin.numbers.assign",
            "POST",
            ITEM + ":assign",
            api.assign,
            Auth.ADMIN,
            body=AssignNumber,
            summary="Give a free number to a resource, which then owns it as if it had bought it",
            reply=StockView,
        ),
        Route(
            "admin.numbers.withdraw",
            "DELETE",
            ITEM,
            api.withdraw,
            Auth.ADMIN,
            summary="Take a number that is nobody's out of the inventory",
            reply_status=204,
        ),
    ]


def _view(stock: Stock) -> StockView:
    lot = stock.lot
    return StockView(
        number=stock.number,
        state=stock.state.value,
        country=lot.country,
        type=lot.type.value,
        assignment=lot.assignment.value,
        capabilities=capabilities_of(lot.capabilities),
        cost=cost_of(lot.cost),
        carrier=lot.carrier,
        area_code=lot.area_code,
        locality=lot.locality,
        administrative_division=lot.division,
        agreement=lot.agreement,
        resource=None if stock.resource is None else to_text(stock.resource),
        until=None if stock.until is None else to_iso(stock.until),
    )


def _state(text: str | None) -> NumberState | None:
    if not text:
        return None
    try:
        return NumberState(text)
    except ValueError:
        known = ", ".join(state.value for state in NumberState)
        raise InvalidRequest(f"state: expected one of {known}.", target="state") from None


def _one_of(kind: type[S], name: str, text: str | None) -> S | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InvalidRequest(f"{name}: expected one of {', '.join(kind)}.", target=name) from None
