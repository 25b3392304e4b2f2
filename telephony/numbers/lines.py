"""The header of a CSV file of numbers; `telephony.kernel.csv_lines` reads its lines. Pure."""

from collections.abc import Sequence
from typing import Final

from telephony.kernel.csv_lines import DELIMITERS, MAX_LINE, BadLine, fields_of, read_lines, text_of
from telephony.kernel.errors import InvalidRequest

__all__ = [
    "COLUMNS",
    "DELIMITERS",
    "MAX_LINE",
    "BadLine",
    "checked",
    "fields_of",
    "header_of",
    "read_lines",
    "text_of",
]

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
