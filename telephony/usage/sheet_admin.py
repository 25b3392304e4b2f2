"""Administration of rate sheets."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.csv_lines import DELIMITERS, MAX_LINE, RejectedLine
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.paging import next_link, page_of
from telephony.kernel.http.route import Auth, Query, Reply, Request, Role, Route
from telephony.usage.amounts import CURRENCY, amount_of
from telephony.usage.csv_rates import COLUMNS, Rejected, checked, day_text
from telephony.usage.rating import FOREVER, Kind, Rate
from telephony.usage.report import CSV
from telephony.usage.sheet_verbs import SheetVerbs
from telephony.usage.tables import MAX_NAME

COLLECTION: Final = "/admin/rate-sheets"
ITEM: Final = COLLECTION + "/{sheet}"
DRAFTS: Final = ITEM + "/drafts"
DRAFT: Final = DRAFTS + "/{draft}"

MAX_LINES: Final = 5_000
"""Lines of one request: half a megabyte, and some hundredths of a second of work."""

MAX_ADD: Final = MAX_LINES * 300
"""Bytes of one request."""

MAX_COLUMNS: Final = 100
"""Columns of a carrier's file, most of them not read."""

MONEY: Final = (Role.OWNER, Role.BILLING)
"""Prices are money."""

Line = Annotated[str, Meta(max_length=MAX_LINE)]


class BeginSheet(Struct, frozen=True, forbid_unknown_fields=True):
    """A new version of a sheet."""

    currency: Annotated[str, Meta(pattern=f"^{CURRENCY}$")]


class Draft(Struct, frozen=True):
    """A version that is being put together."""

    draft: int


class AddLines(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Lines of a CSV file, without its header."""

    columns: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_COLUMNS)]
    """What the header says; `-` for a column that is not read."""
    lines: Annotated[tuple[Line, ...], Meta(max_length=MAX_LINES)]
    currency: Annotated[str, Meta(pattern=f"^{CURRENCY}$")]
    first_line: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 2
    """The number of the first of them, for the report."""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    defaults: dict[str, Line] = {}
    """What an empty or missing column means."""


class AddReply(Struct, frozen=True):
    """What came of some lines."""

    kept: int
    rejected: tuple[RejectedLine, ...]


class ActivateDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """How to put a draft in force."""

    strict: bool = False
    """Whether a line that repeats another keeps all of it from being put in force."""


class ActivateReply(Struct, frozen=True, rename="camel"):
    """What came of it."""

    lines: int
    rejected: tuple[RejectedLine, ...]
    in_force: bool


class SheetSummary(Struct, frozen=True, rename="camel"):
    """A sheet that is in force."""

    name: str
    currency: str
    version: int
    lines: int
    updated: str
    used_by: tuple[str, ...]
    """`resource:ID`, `resource:*` (each without one of its own), `carrier:NAME`."""


class SheetList(Struct, frozen=True):
    """Every sheet that is in force."""

    value: tuple[SheetSummary, ...]


class RateView(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A rate. Amounts are in the sheet's currency."""

    prefix: str
    """`*`: every number."""
    kind: str
    price: str
    """A minute of a call, a segment of a message."""
    setup: str
    minimum: str
    increments: str
    line: int
    valid_from: str | None = None
    valid_until: str | None = None
    destination: str = ""


class RateList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of a sheet's rates."""

    value: tuple[RateView, ...]
    currency: str
    version: int
    next_link: str | None = None


class UseSheetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is charged by a sheet, or who charges by it."""

    resource: str | None = None
    """A resource's id; `*`: each without a sheet of its own."""
    carrier: Annotated[str, Meta(max_length=MAX_NAME)] | None = None


def routes(verbs: SheetVerbs) -> list[Route]:
    """Return the operations on rate sheets."""
    api = _Sheets(verbs)

    def route(name: str, method: str, template: str, handler: Any, summary: str, **more: Any) -> Route:  # noqa: ANN401 - passed on
        roles = () if method == "GET" else MONEY
        return Route(
            f"admin.rates.{name}", method, template, handler, Auth.ADMIN, summary=summary, roles=roles, **more
        )

    paged = (
        Query("prefix", "Only of prefixes that begin so."),
        Query("top", "", int),
        Query("skip", "", int),
    )
    asked = (
        Query("number", "In E.164.", required=True),
        Query("kind", "voice, sms or sms-in; sms by default."),
    )
    return [
        route("list", "GET", COLLECTION, api.list, "The rate sheets, and who uses them", reply=SheetList),
        route(
            "begin",
            "POST",
            DRAFTS,
            api.begin,
            "Begin a new version of a sheet, or a new sheet",
            body=BeginSheet,
            reply=Draft,
            reply_status=201,
        ),
        route(
            "add",
            "POST",
            DRAFT + ":add",
            api.add,
            "Put lines of a CSV file into a version; those that cannot be taken are reported",
            body=AddLines,
            max_body=MAX_ADD,
            audited=False,  # what puts it in force is
            reply=AddReply,
        ),
        route(
            "activate",
            "POST",
            DRAFT + ":activate",
            api.activate,
            "Put a version in force as a whole, in place of the one before",
            body=ActivateDraft,
            reply=ActivateReply,
        ),
        route("drop", "DELETE", DRAFT, api.drop, "Forget a version that is not in force", reply_status=204),
        route("delete", "DELETE", ITEM, api.delete, "Delete a sheet that nobody uses", reply_status=204),
        route("rates", "GET", ITEM, api.rates, "A sheet's rates, in pages", reply=RateList, query=paged),
        route(
            "find", "GET", ITEM + ":find", api.find, "The rate of a number now", reply=RateView, query=asked
        ),
        route(
            "export", "GET", ITEM + ":export", api.export, "A sheet as a CSV file", reply=str, reply_type=CSV
        ),
        route(
            "use",
            "POST",
            ITEM + ":use",
            api.use,
            "Charge a resource, or a carrier's traffic, by a sheet",
            body=UseSheetRequest,
            reply_status=204,
        ),
        route(
            "unuse",
            "POST",
            COLLECTION + ":unuse",
            api.unuse,
            "Charge a resource, or a carrier's traffic, by no sheet",
            body=UseSheetRequest,
            reply_status=204,
        ),
    ]


class _Sheets:
    def __init__(self, verbs: SheetVerbs) -> None:
        self._verbs = verbs

    async def list(self, _: Request[None]) -> Reply:
        found = await self._verbs.sheets()
        return Reply(
            200,
            SheetList(
                tuple(
                    SheetSummary(
                        one.name, one.currency, one.version or 0, one.lines, to_iso(one.updated), tuple(users)
                    )
                    for one, users in found
                )
            ),
        )

    async def begin(self, request: Request[BeginSheet]) -> Reply:
        return Reply(201, Draft(await self._verbs.begin(_name(request), request.body.currency)))

    async def add(self, request: Request[AddLines]) -> Reply:
        body = request.body
        if body.delimiter not in DELIMITERS:
            raise InvalidRequest("delimiter: expected a comma, a semicolon or a tab.", target="delimiter")
        for name in body.defaults:
            if name not in COLUMNS:
                raise InvalidRequest(f"There is no column {name[:40]!r}.", target="defaults")
        kept, rejected = await self._verbs.add(
            _name(request),
            _draft(request),
            currency=body.currency,
            lines=body.lines,
            first=body.first_line,
            columns=checked(body.columns),
            delimiter=body.delimiter,
            defaults=body.defaults,
        )
        return Reply(200, AddReply(kept, _rejected(rejected)))

    async def activate(self, request: Request[ActivateDraft]) -> Reply:
        done = await self._verbs.activate(_name(request), _draft(request), strict=request.body.strict)
        return Reply(200, ActivateReply(done.lines, _rejected(done.rejected), done.in_force))

    async def drop(self, request: Request[None]) -> Reply:
        await self._verbs.drop(_name(request), _draft(request))
        return Reply(204)

    async def delete(self, request: Request[None]) -> Reply:
        await self._verbs.delete(_name(request))
        return Reply(204)

    async def rates(self, request: Request[None]) -> Reply:
        page, prefix = page_of(request.query), request.query.get("prefix", "").removeprefix("+")
        sheet, found = await self._verbs.rates(_name(request), prefix, page.skip, page.size)
        link = None
        if len(found) > page.size:
            path = f"{COLLECTION}/{sheet.name}"
            link = next_link(path, request.query, skip=page.skip + page.size, top=page.size)
        shown = tuple(_view(rate) for rate in found[: page.size])
        return Reply(200, RateList(shown, sheet.currency, sheet.version, link))

    async def find(self, request: Request[None]) -> Reply:
        number = parse_e164(request.query.get("number", ""))
        if number is None:
            raise InvalidRequest("number: expected a number in E.164, such as +14255550123.", target="number")
        kind = request.query.get("kind", Kind.SMS.value)
        if kind not in set(Kind):
            raise InvalidRequest("kind: expected voice, sms or sms-in.", target="kind")
        _, rate = await self._verbs.rate_of(_name(request), Kind(kind), number)
        return Reply(200, _view(rate))

    async def export(self, request: Request[None]) -> Reply:
        name = _name(request)
        body = await self._verbs.export(name)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Reply(200, body, headers, f"{CSV}; charset=utf-8")

    async def use(self, request: Request[UseSheetRequest]) -> Reply:
        body = request.body
        await self._verbs.use(_name(request), resource=body.resource, carrier=body.carrier)
        return Reply(204)

    async def unuse(self, request: Request[UseSheetRequest]) -> Reply:
        await self._verbs.use(None, resource=request.body.resource, carrier=request.body.carrier)
        return Reply(204)


def _name(request: Request[Any]) -> str:
    name = request.path["sheet"]
    if not (0 < len(name) <= MAX_NAME and name[0].isalnum() and name.isascii()) or not all(
        each.isalnum() or each in "_.-" for each in name
    ):
        raise InvalidRequest(
            f"sheet: expected a name of letters, digits, dots, - and _, at most {MAX_NAME}.", target="sheet"
        )
    return name


def _draft(request: Request[Any]) -> int:
    text = request.path["draft"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise NotFound("There is no such draft.", target="draft")
    return int(text)


def _rejected(lines: Sequence[Rejected]) -> tuple[RejectedLine, ...]:
    return tuple(RejectedLine(*one) for one in lines)


def _view(rate: Rate) -> RateView:
    return RateView(
        rate.prefix or "*",
        rate.kind.value,
        amount_of(rate.price),
        amount_of(rate.setup),
        amount_of(rate.minimum),
        f"{rate.first}/{rate.next}",
        rate.line,
        day_text(rate.since) if rate.since else None,
        None if rate.until == FOREVER else to_iso(rate.until),
        rate.destination,
    )
