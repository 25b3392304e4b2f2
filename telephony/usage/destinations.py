"""Where a number lies, and whether it is of a kind that costs more than it seems.

From Google's numbering-plan data, and from ITU-T's list of the country codes that are no country's (the list
of E.164 assigned country codes). The library takes some 40 ms to import, so only who asks waits for it.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "ZZ"
"""ISO 3166-1 leaves it to users: the country of a number that is no plan's."""

INTERNATIONAL: Final = "001"
"""UN M.49's code of the world: the country of numbers that are no country's."""

MAX_REMEMBERED: Final = 100_000
"""Blocks that are remembered: some 30 MB."""

BLOCK: Final = 2
"""Digits at the end that hardly a plan tells numbers of one kind from another by."""

MIN_BLOCK: Final = 10
"""Characters of a number that has such a block; the plans of small countries use every digit."""

AREA: Final = 8
"""Characters by which the countries that share a code are told from each other: +44 7781 is Guernsey's."""

AREA_OF_ONE: Final = 5
"""The same for +1, whose area codes belong to one country each."""


class Kind(StrEnum):
    """What matters of a number's kind."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"
    SATELLITE = "satellite"


@dataclass(frozen=True, slots=True)
class Destination:
    """What is known of a number."""

    country: str
    """ISO 3166-1, `INTERNATIONAL` or `UNKNOWN`."""
    kind: Kind = Kind.ORDINARY


CODES: Final = {
    "808": Kind.PREMIUM,  # international shared cost
    "878": Kind.PREMIUM,  # universal personal telecommunications
    "979": Kind.PREMIUM,  # international premium rate
    "870": Kind.SATELLITE,  # Inmarsat
    "871": Kind.SATELLITE,  # Inmarsat's former codes by ocean: some carriers still route them
    "872": Kind.SATELLITE,
    "873": Kind.SATELLITE,
    "874": Kind.SATELLITE,
    "881": Kind.SATELLITE,  # global mobile satellite: Iridium, Globalstar
    "882": Kind.SATELLITE,  # international networks: Thuraya, ships, aircraft
    "883": Kind.SATELLITE,
    "888": Kind.SATELLITE,  # disaster relief, out of use
    "991": Kind.SATELLITE,  # ITPCS, out of use: whoever answers there is no country's
}
"""Codes that are no country's and cost as premium or satellite numbers do."""

_blocks: Final[dict[tuple[str, int], Destination]] = {}


def destination_of(number: str) -> Destination:
    """Return what is known of a number in E.164: looked up once for its block of a hundred."""
    size = len(number)
    block = (number[:-BLOCK] if size >= MIN_BLOCK else number, size)
    found = _blocks.get(block)
    if found is None:
        if len(_blocks) >= MAX_REMEMBERED:
            _blocks.clear()
        found = _blocks[block] = _destination(number)
    return found


def _destination(number: str) -> Destination:
    import phonenumbers

    special = CODES.get(number[1:4])
    if special is not None:
        return Destination(INTERNATIONAL, special)
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return Destination(UNKNOWN)
    country = phonenumbers.region_code_for_number(parsed)
    if not country:  # no number of the plan: carriers may bill it as anything
        return Destination(UNKNOWN)
    types = phonenumbers.PhoneNumberType
    dear = (types.PREMIUM_RATE, types.SHARED_COST, types.PERSONAL_NUMBER, types.PAGER)
    kind = Kind.PREMIUM if phonenumbers.number_type(parsed) in dear else Kind.ORDINARY
    return Destination(country, kind)


def country_of(number: str) -> str:
    """Return the country for counting: quick, and right about whole areas rather than single numbers."""
    code, country = _code(number[:4])
    return country or _shared(code, number)


@lru_cache(maxsize=1000)
def _code(head: str) -> tuple[str, str]:
    """Return the country code that a number begins with, and its country when no other has the code."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as REGIONS

    for size in (1, 2, 3):
        digits = head[1 : 1 + size]
        if digits.isdigit() and int(digits) in REGIONS:
            regions = REGIONS[int(digits)]
            return digits, regions[0] if len(regions) == 1 else ""
    return "", UNKNOWN


_areas: Final[dict[str, str]] = {}
_vague: Final[dict[str, str]] = {}
"""Areas of numbers that no plan has: another number of the area may tell its country."""


def _shared(code: str, number: str) -> str:
    area = number[: AREA_OF_ONE if code == "1" else AREA]
    found = _areas.get(area) or _vague.get(number[:AREA])
    if found is None:
        import phonenumbers

        try:
            region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
        except phonenumbers.NumberParseException:
            region = None
        found = region or phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)][0]  # the code's main country
        known, key = (_areas, area) if region else (_vague, number[:AREA])
        if len(known) >= MAX_REMEMBERED:
            known.clear()
        known[key] = found
    return found


def is_country(code: str) -> bool:
    """Tell whether there are numbers of a country with this code."""
    from phonenumbers import SUPPORTED_REGIONS

    return code in SUPPORTED_REGIONS
