"""How a number stands in an SMPP address: digits, type of number, plan (SMPP 3.4 §5.2.5, §5.2.6)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from telephony.kernel.e164 import parse_e164

INTERNATIONAL: Final = 1
NETWORK_SPECIFIC: Final = 3
ALPHANUMERIC: Final = 5
ISDN: Final = 1
UNKNOWN: Final = 0


@dataclass(frozen=True, slots=True)
class Address:
    """An SMPP address."""

    digits: str
    ton: int
    npi: int


@lru_cache(maxsize=10_000)
def address(number: str) -> Address:
    """Return the address of a number in E.164, a short code or an alphanumeric sender."""
    if number.startswith("+"):
        return Address(number[1:], INTERNATIONAL, ISDN)
    if number.isdigit():
        return Address(number, NETWORK_SPECIFIC, UNKNOWN)
    return Address(number, ALPHANUMERIC, UNKNOWN)


def number(digits: str, ton: int) -> str:
    """Return what an inbound address means: E.164 where it can be told, the digits as they came otherwise."""
    text = digits.strip()
    if text.startswith("00"):
        text = f"+{text[2:]}"
    candidate = text if text.startswith("+") else f"+{text}"
    if ton == ALPHANUMERIC:
        return text
    if ton == INTERNATIONAL or text.startswith("+") or len(text) > 8:
        return parse_e164(candidate) or text
    return text
