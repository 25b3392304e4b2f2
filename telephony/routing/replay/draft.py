"""A draft of routes and rates: what it says, and the rules that it makes of those in force.

Everything in it is checked before anything is replayed; a mistake is named by the part of the draft, the key,
and what is wrong there. Nothing of a draft is ever put in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from msgspec import Meta, Struct

from telephony.kernel.csv_lines import DELIMITERS, MAX_LINE
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, from_text
from telephony.routing.compiling import Compiled, examined
from telephony.routing.formats import NumberFormats
from telephony.routing.overlaps import Oddity
from telephony.routing.replay.compare import Sheets
from telephony.routing.router import Tables
from telephony.routing.rules import RouteSet
from telephony.routing.targets import TargetKinds
from telephony.usage.amounts import CURRENCY
from telephony.usage.csv_rates import Rejected, checked, read_rates
from telephony.usage.rating import Rate
from telephony.usage.sheet import Sheet
from telephony.usage.tables import MAX_NAME

MAX_LINES: Final = 500_000
"""Lines of all sheets together: the world's codes in full are some 200,000."""

MAX_SHEETS: Final = 100
MAX_RESOURCES: Final = 1_000
MAX_COLUMNS: Final = 100

TOLD: Final = 5
"""Broken lines of a sheet that are told."""

Line = Annotated[str, Meta(max_length=MAX_LINE)]
SheetName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class SheetDraft(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A rate sheet, as `tandem rates import` reads it: every line has to be right."""

    columns: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_COLUMNS)]
    """What the header says; `-` for a column that is not read."""
    lines: Annotated[tuple[Line, ...], Meta(max_length=MAX_LINES)]
    """Without the header."""
    currency: Annotated[str, Meta(pattern=f"^{CURRENCY}$")] | None = None
    """Unset: that of the sheet in force."""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    defaults: dict[str, Line] = {}
    """What an empty or missing column means."""


class Draft(Struct, frozen=True, forbid_unknown_fields=True):
    """What would be in force in place of what is. What it does not name stays as it is."""

    operator: RouteSet | None = None
    """The operator's routes and rules."""
    resources: Annotated[dict[str, RouteSet], Meta(max_length=MAX_RESOURCES)] = {}
    """Inbound rules of resources, by their ids."""
    rates: Annotated[
        dict[Annotated[str, Meta(max_length=MAX_NAME)], SheetDraft], Meta(max_length=MAX_SHEETS)
    ] = {}
    """Rate sheets, by their names; who is charged by which stays as it is."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft, ready to be asked."""

    operator: Compiled | None = None
    resources: Mapping[ResourceId, Compiled] = field(default_factory=dict)
    sheets: Mapping[str, Sheet] = field(default_factory=dict)
    warnings: tuple[Oddity, ...] = ()

    def tables(self, now: Tables) -> Tables:
        """Return the tables that the draft makes of those in force."""
        inbound = {owner: compiled.inbound for owner, compiled in self.resources.items()}
        return Tables(
            now.outbound if self.operator is None else self.operator.outbound,
            now.version,
            now.operator if self.operator is None else self.operator.inbound,
            {**now.resources, **inbound},
        )


class DraftSheets:
    """The rate sheets in use, those of a draft in the place of those of the same name."""

    def __init__(self, now: Sheets, sheets: Mapping[str, Sheet]) -> None:
        self._now, self._sheets = now, sheets
        self.asked: Final = set[str]()
        """Names of sheets of the draft that somebody is charged by."""

    def sell(self, resource: ResourceId) -> Sheet | None:
        """See `Sheets`."""
        return self._instead(self._now.sell(resource))

    def buy(self, carrier: str) -> Sheet | None:
        """See `Sheets`."""
        return self._instead(self._now.buy(carrier))

    def _instead(self, sheet: Sheet | None) -> Sheet | None:
        found = None if sheet is None else self._sheets.get(sheet.name)
        if found is None:
            return sheet
        self.asked.add(found.name)
        return found


def prepare(
    draft: Draft,
    *,
    carriers: Mapping[str, NumberFormats],
    kinds: TargetKinds,
    knows: Callable[[ResourceId], bool],
    sheet: Callable[[str], Sheet | None],
) -> Prepared:
    """Return a draft ready to be asked; a large one takes seconds.

    `knows` tells which resources exist, `sheet` returns a sheet in force by its name. Raises InvalidRequest
    whose target begins with the part of the draft: `operator`, `resources.ID`, `rates.NAME`.
    """
    if draft.operator is None and not draft.resources and not draft.rates:
        raise InvalidRequest(
            "draft: There is nothing in it: expected operator, resources or rates.", target="draft"
        )
    warnings: list[Oddity] = []
    operator: Compiled | None = None
    if draft.operator is not None:
        operator, odd = _set("operator", draft.operator, carriers, kinds, operator=True)
        warnings += odd
    resources: dict[ResourceId, Compiled] = {}
    for text, rules in draft.resources.items():
        owner = from_text(text)
        if owner is None or not knows(ResourceId(owner)):
            place = f"resources.{text[:64]}"
            raise InvalidRequest(
                f"{place}: There is no resource of this id (tandem resource list).", target=place
            )
        resources[ResourceId(owner)], odd = _set(f"resources.{text}", rules, carriers, kinds, operator=False)
        warnings += odd
    if sum(len(one.lines) for one in draft.rates.values()) > MAX_LINES:
        raise InvalidRequest(f"rates: At most {MAX_LINES} lines together; leave sheets out.", target="rates")
    sheets = {name: _sheet(name, one, sheet(name)) for name, one in draft.rates.items()}
    return Prepared(operator, resources, sheets, tuple(warnings))


def _set(
    place: str,
    rules: RouteSet,
    carriers: Mapping[str, NumberFormats],
    kinds: TargetKinds,
    *,
    operator: bool,
) -> tuple[Compiled, tuple[Oddity, ...]]:
    try:
        return examined(rules, carriers, kinds, operator=operator)
    except InvalidRequest as error:
        raise _at(place, error) from None


def _sheet(name: str, draft: SheetDraft, known: Sheet | None) -> Sheet:
    place = f"rates.{name}"
    currency = draft.currency or (None if known is None else known.currency)
    if currency is None:
        raise InvalidRequest(
            f"{place}.currency: There is no such sheet in force, so say the currency (--currency).",
            target=f"{place}.currency",
        )
    if draft.delimiter not in DELIMITERS:
        raise InvalidRequest(
            f"{place}.delimiter: expected a comma, a semicolon or a tab.", target=f"{place}.delimiter"
        )
    try:
        columns = checked(draft.columns)
    except InvalidRequest as error:
        raise _at(place, error) from None
    taken: list[Rate] = []
    rejected: list[tuple[int, str]] = []
    for one in read_rates(
        enumerate(draft.lines, 2),
        columns,
        delimiter=draft.delimiter,
        currency=currency,
        defaults=draft.defaults,
    ):
        if isinstance(one, Rejected):
            rejected.append(one)
        else:
            taken.append(one)
    made = Sheet(name, 0, currency, taken)
    rejected += [(one.line, f"the same prefix, kind and date as line {one.first}") for one in made.duplicates]
    if rejected:
        rejected.sort()
        told = "; ".join(f"line {line}: {why}" for line, why in rejected[:TOLD])
        more = f"; and {len(rejected) - TOLD} more lines" if len(rejected) > TOLD else ""
        raise InvalidRequest(f"{place}: {told}{more}", target=f"{place}.lines[{rejected[0][0] - 2}]")
    if not taken:
        raise InvalidRequest(f"{place}: There are no rates in it.", target=place)
    return made


def _at(place: str, error: InvalidRequest) -> InvalidRequest:
    target = f"{place}.{error.target}" if error.target else place
    return InvalidRequest(f"{place}: {error.message}", target=target)
