"""Rates as the lines of a CSV file, read and written. Pure.

`docs/how-to/usage-and-limits.md` says what stands in which column.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, TypeVar

from telephony.kernel.clock import DAY, from_iso, to_iso
from telephony.kernel.csv_lines import DELIMITERS, BadLine, fields_of
from telephony.kernel.errors import InvalidRequest
from telephony.usage.amounts import MICROS, amount_of, micros_of
from telephony.usage.rating import FOREVER, MAX_INCREMENT, Kind, Rate

COLUMNS: Final = (
    "prefix",
    "kind",
    "price",
    "setup",
    "minimum",
    "increments",
    "from",
    "until",
    "currency",
    "destination",
)
"""What a column may be called."""

MAX_PRICE: Final = 1_000_000 * MICROS
"""A million units: so that a day of the dearest messages still is a number of 64 bits."""

IGNORED: Final = "-"
"""Stands for a column that is not read."""

MAX_DESTINATION: Final = 64
"""Characters of a destination's name."""

_ALIASES: Final = {
    "code": "prefix",
    "dial_code": "prefix",
    "dialcode": "prefix",
    "rate": "price",
    "price_per_minute": "price",
    "price_per_segment": "price",
    "setup_fee": "setup",
    "connection_fee": "setup",
    "minimum_charge": "minimum",
    "increment": "increments",
    "billing_increment": "increments",
    "effective": "from",
    "effective_date": "from",
    "valid_from": "from",
    "effective_from": "from",
    "valid_until": "until",
    "end_date": "until",
    "effective_until": "until",
    "name": "destination",
    "description": "destination",
    "country": "destination",
    "service": "kind",
    "type": "kind",
}

_PREFIX: Final = re.compile(r"\+?([1-9][0-9]{0,14})|\*", re.ASCII)
_INCREMENTS: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})(?:/[0-9]+)?", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_KINDS: Final = {
    "voice": Kind.VOICE,
    "call": Kind.VOICE,
    "sms": Kind.SMS,
    "message": Kind.SMS,
    "sms-in": Kind.SMS_IN,
}
_EPOCH: Final = date(1970, 1, 1)
_LAST_YEAR: Final = (date(9999, 1, 1) - _EPOCH).days * DAY

T = TypeVar("T")


class Rejected(tuple[int, str]):
    """A line that is not taken, and why."""

    __slots__ = ()


def header_of(line: str, ignore: Iterable[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter and the columns. Raises InvalidRequest, with the name that is wrong.

    Columns named in `ignore` are not read; any other that is not known is refused: a misspelt `minimum` must
    not be lost.
    """
    line = line.removeprefix("\ufeff")
    delimiter = max(DELIMITERS, key=line.count)
    try:
        names = [_plain(name) for name in fields_of(line, delimiter)]
    except BadLine as error:
        raise InvalidRequest(f"The header cannot be read: {error}.", target="columns") from None
    unread = {_plain(name) for name in ignore}
    return delimiter, checked([IGNORED if name in unread else _ALIASES.get(name, name) for name in names])


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def checked(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns. Raises InvalidRequest when one is unknown, there twice, or a needed one missing."""
    for place, name in enumerate(columns):
        if name == IGNORED:
            continue
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise InvalidRequest(
                f"There is no column {name[:40]!r}; known are {known}. --ignore {name[:40]} leaves it out.",
                target="columns",
            )
        if name in columns[:place]:
            raise InvalidRequest(f"The column {name!r} is there twice.", target="columns")
    for needed in ("prefix", "price"):
        if needed not in columns:
            raise InvalidRequest(
                f"The first line must name the columns, {needed!r} among them.", target="columns"
            )
    return tuple(columns)


def read_rates(
    lines: Iterable[tuple[int, str]],
    columns: Sequence[str],
    *,
    delimiter: str,
    currency: str,
    defaults: Mapping[str, str],
) -> Iterator[Rate | Rejected]:
    """Yield what each line says, or why it is not taken; empty lines say nothing."""
    width = len(columns)
    places = [(place, name) for place, name in enumerate(columns) if name != IGNORED]
    usual = {name: defaults.get(name, "") for name in COLUMNS}
    for number, line in lines:
        if not line or line.isspace():
            continue
        try:
            fields = fields_of(line, delimiter)
            if len(fields) != width:
                raise ValueError(f"{len(fields)} fields; the header has {width}")
            given = usual.copy()
            for place, name in places:
                value = fields[place].strip()
                if value:
                    given[name] = value
            yield _rate(number, given, currency)
        except ValueError as error:  # BadLine is one
            yield Rejected((number, str(error)))


def _rate(line: int, given: Mapping[str, str], currency: str) -> Rate:
    """Return a line's rate. Raises ValueError."""
    prefix = given["prefix"]
    digits = _PREFIX.fullmatch(prefix)
    if digits is None:
        raise ValueError("prefix: expected up to 15 digits with the country's code, or * for every number")
    kind = _KINDS.get(given["kind"].lower())
    if kind is None:
        raise ValueError(
            "kind: expected voice, sms or sms-in" + ("" if given["kind"] else "; --kind says it for all")
        )
    if not given["price"]:
        raise ValueError("price: not given")
    if given["currency"] and given["currency"] != currency:
        raise ValueError(f"currency: the sheet is in {currency}")
    first, following = _read("increments", _increments, given["increments"] or "1/1")
    since = _read("from", _since, given["from"]) if given["from"] else 0
    until = _read("until", _until, given["until"]) if given["until"] else FOREVER
    if until <= since:
        raise ValueError("until: before the rate is in force")
    destination = given["destination"]
    if len(destination) > MAX_DESTINATION or not destination.isprintable():
        raise ValueError(
            f"destination: more than {MAX_DESTINATION} characters, or one that cannot be printed"
        )
    return Rate(
        line,
        kind,
        digits[1] or "",
        _read("price", _price, given["price"]),
        _read("setup", _price, given["setup"] or "0"),
        _read("minimum", _price, given["minimum"] or "0"),
        first,
        following,
        since,
        until,
        destination,
    )


def _read(name: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _price(text: str) -> int:
    price = micros_of(text)
    if price > MAX_PRICE:
        raise ValueError("more than a million")
    return price


@lru_cache(maxsize=1000)
def _increments(text: str) -> tuple[int, int]:
    found = _INCREMENTS.fullmatch(text)
    if found is None or max(int(found[1]), int(found[2])) > MAX_INCREMENT:
        raise ValueError("expected first/next in seconds, such as 60/60, 30/6 or 1/1")
    return int(found[1]), int(found[2])


@lru_cache(maxsize=1000)
def _since(text: str) -> int:
    """Return the first moment of a day, UTC, or the moment itself."""
    return _moment(text)


@lru_cache(maxsize=1000)
def _until(text: str) -> int:
    """Return the first moment after a day, UTC, or the moment itself."""
    at = _moment(text)
    if at >= _LAST_YEAR:  # how some write that there is no end
        return FOREVER
    return at + (DAY if _DAY.fullmatch(text) else 0)


def _moment(text: str) -> int:
    if _DAY.fullmatch(text):
        try:
            return (date.fromisoformat(text) - _EPOCH).days * DAY
        except ValueError:
            raise ValueError("there is no such day") from None
    at = from_iso(text)
    if at is None or at < 0:
        raise ValueError("expected a day such as 2026-07-01, or a time with its zone")
    return at


def day_text(at: int) -> str:
    """Return a moment as a day when it is the first of one, else as a time."""
    if at % DAY:
        return to_iso(at)
    return datetime.fromtimestamp(at // DAY * 86_400, UTC).date().isoformat()


def write_rates(rates: Iterable[Rate], currency: str) -> bytes:
    """Return a CSV file that `read_rates` reads as the same rates."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rate in rates:
        writer.writerow(
            (
                rate.prefix or "*",
                rate.kind.value,
                amount_of(rate.price),
                amount_of(rate.setup) if rate.setup else "",
                amount_of(rate.minimum) if rate.minimum else "",
                f"{rate.first}/{rate.next}",
                day_text(rate.since) if rate.since else "",
                "" if rate.until == FOREVER else to_iso(rate.until),
                currency,
                rate.destination,
            )
        )
    return out.getvalue().encode()
