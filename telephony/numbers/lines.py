"""The lines of a CSV file of numbers: bytes into texts, and the header. Pure.

One record a line: a field in quotes ends on its line, so that one that is never closed spoils only itself.
"""

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from telephony.kernel.errors import InvalidRequest

MAX_LINE: Final = 4096
"""Bytes of a line; the longest sensible one has 300."""

COLUMNS: Final = (
    "number",
    "country",
    "type",
    "assignment",
    "calling",
    "sms",
    "carrier",
    "cost",
    "currency",
    "area_code",
    "locality",
    "division",
    "division_name",
    "agreement",
)
"""What a column may be called; `docs/how-to/numbers.md` says what stands in it."""

DELIMITERS: Final = ",;\t"

_ALIASES: Final = {
    "phonenumber": "number",
    "phone_number": "number",
    "countrycode": "country",
    "country_code": "country",
    "phonenumbertype": "type",
    "phone_number_type": "type",
    "assignmenttype": "assignment",
    "assignment_type": "assignment",
    "monthly_cost": "cost",
    "areacode": "area_code",
    "administrative_division": "division",
}


class BadLine(ValueError):
    """A line that cannot be read; the text says why."""


def text_of(raw: bytes) -> str:
    """Return a line without its end. Raises BadLine."""
    if len(raw) > MAX_LINE:
        raise BadLine(f"longer than {MAX_LINE} bytes")
    if b"\0" in raw:
        raise BadLine("a NUL: is the file in UTF-16?")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadLine("not UTF-8") from None


def fields_of(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line. Raises BadLine."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise BadLine(f"quotes: {error}") from None


def header_of(line: str) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter and the columns. Raises InvalidRequest, with the name that is wrong."""
    line = line.removeprefix("\ufeff")
    delimiter = max(DELIMITERS, key=line.count)
    try:
        names = [
            name.strip().lower().replace(" ", "_").replace("-", "_") for name in fields_of(line, delimiter)
        ]
    except BadLine as error:
        raise InvalidRequest(f"The header cannot be read: {error}.", target="columns") from None
    return delimiter, checked([_ALIASES.get(name, name) for name in names])


def checked(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns. Raises InvalidRequest when one is unknown, there twice, or `number` is missing."""
    for place, name in enumerate(columns):
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise InvalidRequest(f"There is no column {name[:40]!r}; known are {known}.", target="columns")
        if name in columns[:place]:
            raise InvalidRequest(f"The column {name!r} is there twice.", target="columns")
    if "number" not in columns:
        raise InvalidRequest("The first line must name the columns, 'number' among them.", target="columns")
    return tuple(columns)


def read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Return each line with its number, from 1. Of one that is too long only its beginning is kept: too long
    still."""
    place = 0
    while raw := file.readline(MAX_LINE + 1):
        place += 1
        rest = raw
        while len(rest) == MAX_LINE + 1 and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield place, raw
