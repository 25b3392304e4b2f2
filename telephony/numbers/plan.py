"""What the world's numbering plans say about a number, from the data of `phonenumbers`.

Pure; the library takes some 40 ms to import, so only who asks waits for it. Nothing here is a guess: what the
data does not say is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from telephony.kernel.errors import InvalidRequest
from telephony.numbers.kinds import NumberType

BLOCK: Final = 3
"""Digits at the end that no plan tells numbers of one kind from another by."""

MAX_REMEMBERED: Final = 100_000
"""Blocks that are remembered."""


def country_of(text: str) -> str:
    """Return a country's code in capitals. Raises InvalidRequest, in Azure's words."""
    code = text.upper() if text.isascii() else ""  # some letters become two, such as ß
    if code not in _regions():
        raise InvalidRequest("Unable to parse country code.", code="InvalidInput", target="countrycode")
    return code


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a country's numbers look."""

    prefix: str
    """Plus and the country's calling code."""
    lengths: frozenset[int]
    """Characters that a whole number may have, the plus among them."""


@lru_cache(maxsize=300)
def plan_of(country: str) -> Plan:
    """Return a country's plan. Raises InvalidRequest when there is no such country."""
    from phonenumbers import PhoneMetadata

    metadata: Any = PhoneMetadata.metadata_for_region(country_of(country))
    prefix = f"+{metadata.country_code}"
    return Plan(prefix, frozenset(len(prefix) + length for length in metadata.general_desc.possible_length))


@dataclass(frozen=True, slots=True)
class Known:
    """What the data says of a number."""

    country: str = ""
    type: NumberType | None = None
    area_code: str = ""


def _known(number: str) -> Known:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return Known()
    country = phonenumbers.region_code_for_number(parsed) or ""
    kinds = {
        phonenumbers.PhoneNumberType.FIXED_LINE: NumberType.GEOGRAPHIC,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.GEOGRAPHIC,
        phonenumbers.PhoneNumberType.MOBILE: NumberType.MOBILE,
        phonenumbers.PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    }
    national = phonenumbers.national_significant_number(parsed)
    length = phonenumbers.length_of_geographical_area_code(
        parsed
    ) or phonenumbers.length_of_national_destination_code(parsed)
    return Known(country, kinds.get(phonenumbers.number_type(parsed)), national[:length])


_blocks: Final[dict[tuple[str, int], Known]] = {}


def known_of(number: str) -> Known:
    """Return what is known of a number in E.164: looked up once for its block of a thousand."""
    block = number[:-BLOCK], len(number)
    found = _blocks.get(block)
    if found is None:
        if len(_blocks) >= MAX_REMEMBERED:
            _blocks.clear()
        found = _blocks[block] = _known(number)
    return found


def country_name(country: str, language: str) -> str:
    """Return a country's name in a language (BCP 47), in English where that is not known."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    names = LOCALE_DATA.get(country, {})
    for wanted in (*_fallbacks(language), "en"):
        name = names.get(wanted, "")
        if name.startswith("*"):  # the same as in that language
            name = names.get(name[1:], "")
        if name:
            return name
    return country


def _fallbacks(accept_language: str) -> Sequence[str]:
    """Return the languages that an Accept-Language header names, in its order (RFC 9110 §12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:10]:
        tag, _, parameter = part.strip().partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            weight = 0.0
        weighted.append((-weight, tag.strip().lower().split("-")[0]))
    return [language for weight, language in sorted(weighted, key=lambda pair: pair[0]) if weight < 0]


@dataclass(frozen=True, slots=True)
class Operator:
    """What is known of a number's operator; empty where nothing is."""

    national: str
    international: str
    country: str = ""
    type: str = ""
    """geographic | mobile | other | unknown."""
    name: str = ""


def operator_of(number: str) -> Operator | None:
    """Return what is known of any number in the world, or None when it is no number of any plan."""
    import phonenumbers
    from phonenumbers import carrier

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    kinds = {
        phonenumbers.PhoneNumberType.FIXED_LINE: "geographic",
        phonenumbers.PhoneNumberType.MOBILE: "mobile",
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: "unknown",
        phonenumbers.PhoneNumberType.UNKNOWN: "unknown",
    }
    return Operator(
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL),
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
        phonenumbers.region_code_for_number(parsed) or "",
        kinds.get(phonenumbers.number_type(parsed), "other"),
        # Empty where numbers move between operators: what the block says may not be true of the number.
        carrier.safe_display_name(parsed, "en"),
    )
