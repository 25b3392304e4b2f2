"""A supply that is the lines of a CSV file. Pure.

Most lines of a file differ in their number only: what stands beside it is read once and remembered.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, TypeVar

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.money import Money
from telephony.numbers.kinds import Assignment, Capabilities, Capability, Lot, NumberType
from telephony.numbers.lines import BadLine, fields_of
from telephony.numbers.plan import known_of, plan_of
from telephony.numbers.ports import Offer, Rejected
from telephony.numbers.ranges import BadNumber, is_short_code, numbers_in

MAX_REMEMBERED: Final = 10_000
"""Combinations of fields that are remembered."""

MAX_COST: Final = Decimal(1_000_000_000)
"""Units of a currency a month."""

DEFAULTS: Final[Mapping[str, str]] = {
    "assignment": "application",
    "calling": "inbound+outbound",
    "sms": "inbound+outbound",
    "cost": "0",
    "currency": "USD",
    "agreement": "no",
}
"""What an empty or missing column means. Country, type and area code are the number's own by default."""

_LENGTHS: Final = {"locality": 64, "division": 16, "division_name": 64, "carrier": 64}
_YES: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_AREA: Final = re.compile(r"[0-9]{0,8}", re.ASCII)
_SPELLINGS: Final = {
    "both": "inbound+outbound",
    "toll-free": "tollFree",
    "toll_free": "tollFree",
    "tollfree": "tollFree",
    "short-code": "shortCode",
    "short_code": "shortCode",
    "shortcode": "shortCode",
}


E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class _Template:
    """What a line says beside its number; None or empty where the number has to say it."""

    lot: Lot
    type: NumberType | None


class CsvSupply:
    """The lines of a file, each with its place. `carriers` are those that may bring numbers."""

    def __init__(
        self,
        lines: Iterable[tuple[int, str]],
        columns: Sequence[str],
        *,
        carriers: Set[str],
        delimiter: str = ",",
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        self._lines = lines
        self._columns = tuple(columns)
        self._number = self._columns.index("number")
        self._delimiter = delimiter
        self._carriers = carriers
        self._defaults = {**DEFAULTS, **(defaults or {})}
        self._templates: dict[tuple[str, ...], _Template | str] = {}
        self._lots: dict[tuple[Lot, NumberType | None, NumberType | None, str, str], Lot | str] = {}

    def offers(self) -> Iterator[Offer | Rejected]:
        """See `telephony.numbers.ports.Supply`."""
        at, width, delimiter = self._number, len(self._columns), self._delimiter
        for place, line in self._lines:
            if not line.strip():
                continue
            try:
                fields = fields_of(line, delimiter)
            except BadLine as error:
                yield Rejected(place, str(error))
                continue
            if len(fields) != width:
                yield Rejected(place, f"{len(fields)} fields; the header has {width}")
                continue
            number = fields.pop(at).strip()
            beside = tuple(fields)
            template = self._templates.get(beside)
            if template is None:
                template = self._remember(beside)
            if isinstance(template, str):
                yield Rejected(place, template)
                continue
            try:
                found = numbers_in(number)
            except BadNumber as error:
                yield Rejected(place, f"number: {error}")
                continue
            lot = self._lot(template, found)
            yield Rejected(place, lot) if isinstance(lot, str) else Offer(lot, found, place)

    def _remember(self, beside: tuple[str, ...]) -> "_Template | str":
        if len(self._templates) >= MAX_REMEMBERED:
            self._templates.clear()
        names = [name for name in self._columns if name != "number"]
        given = {name: value.strip() for name, value in zip(names, beside, strict=True)}
        values = {**self._defaults, **{name: value for name, value in given.items() if value}}
        try:
            found: _Template | str = _template(values, self._carriers)
        except (ValueError, InvalidRequest) as error:
            found = error.message if isinstance(error, InvalidRequest) else str(error)
        self._templates[beside] = found
        return found

    def _lot(self, template: _Template, found: Sequence[str]) -> Lot | str:
        """Return the lot of numbers that are alike, or why there is none."""
        lot, first = template.lot, found[0]
        country, area = lot.country, lot.area_code
        short = is_short_code(first)
        kind = NumberType.SHORT_CODE if short else template.type
        if not short and (not country or kind is None or not area):
            known = known_of(first)
            country, kind, area = country or known.country, kind or known.type, area or known.area_code
        key = (lot, template.type, kind, country, area)
        made = self._lots.get(key)
        if made is None:
            if len(self._lots) >= MAX_REMEMBERED:
                self._lots.clear()
            made = self._lots[key] = _made(lot, template.type, kind, country, area, short=short)
        if isinstance(made, str) or short:
            return made
        plan = plan_of(made.country)
        if not first.startswith(plan.prefix):
            return f"number: not one of {made.country}, which begin with {plan.prefix}"
        if len(first) not in plan.lengths:
            return f"number: too short or too long for {made.country}"
        return made


def _made(
    lot: Lot, said: NumberType | None, kind: NumberType | None, country: str, area: str, *, short: bool
) -> Lot | str:
    if not country:
        return "country: not given, and the number does not tell"
    if kind is None:
        return "type: not given, and the number does not tell"
    if short and said not in (None, kind):
        return f"type: a short code cannot be {said.value if said else ''}"
    if not short and kind is NumberType.SHORT_CODE:
        return "type: a number in E.164 is no short code"
    return replace(lot, country=country, type=kind, area_code=area if len(area) <= 8 else "")


def _template(values: Mapping[str, str], carriers: Set[str]) -> _Template:
    """Return what a line says beside its number. Raises ValueError and InvalidRequest with the reason."""
    for name, most in _LENGTHS.items():
        value = values.get(name, "")
        if len(value) > most or not value.isprintable():
            raise ValueError(f"{name}: more than {most} characters, or one that cannot be printed")
    carrier = values.get("carrier", "")
    if carrier not in carriers:
        raise ValueError(f"carrier: {carrier!r} is not configured" if carrier else "carrier: not given")
    country = values.get("country", "").upper()
    if country:
        plan_of(country)
    area = values.get("area_code", "")
    if not _AREA.fullmatch(area):
        raise ValueError("area_code: expected up to 8 digits")
    agreement = _YES.get(values["agreement"].lower())
    if agreement is None:
        raise ValueError("agreement: expected yes or no")
    if not _CURRENCY.fullmatch(values["currency"]):
        raise ValueError("currency: expected three capitals, such as USD")
    said = values.get("type", "")
    kind = _one_of(NumberType, "type", said) if said else None
    lot = Lot(
        country,
        kind or NumberType.GEOGRAPHIC,
        _one_of(Assignment, "assignment", values["assignment"]),
        Capabilities(
            _one_of(Capability, "calling", values["calling"]), _one_of(Capability, "sms", values["sms"])
        ),
        carrier,
        Money(_micros(values["cost"]), values["currency"]),
        area,
        values.get("locality", ""),
        values.get("division", ""),
        values.get("division_name", ""),
        agreement,
    )
    return _Template(lot, kind)


def _one_of(kind: type[E], name: str, text: str) -> E:
    spelled = _SPELLINGS.get(text.lower(), text)
    for one in kind:
        if one.value.lower() == spelled.lower():
            return one
    raise ValueError(f"{name}: expected one of {', '.join(kind)}")


def _micros(text: str) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("cost: expected an amount such as 1.50") from None
    if not amount.is_finite() or not 0 <= amount <= MAX_COST or amount * 1_000_000 % 1:
        raise ValueError("cost: expected an amount from 0 with at most six decimals")
    return int(amount * 1_000_000)
