"""How a number stands in an SMPP address: digits, type of number, plan (SMPP 3.4 §5.2.5, §5.2.6)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sms.smpp.constants import Npi, Ton
from telephony.kernel.e164 import parse_e164

NATIONAL_OR_SHORT: Final = 8
"""Digits of the longest short code: what is longer and of no type is taken for an international one."""


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
        return Address(number[1:], int(Ton.INTERNATIONAL), int(Npi.E164))
    if number.isascii() and number.isdigit():
        return Address(number, int(Ton.NETWORK_SPECIFIC), int(Npi.UNKNOWN))
    return Address(number, int(Ton.ALPHANUMERIC), int(Npi.UNKNOWN))


def number(digits: str, ton: int) -> str:
    """Return what an inbound address means: E.164 where it can be told, the digits as they came otherwise."""
    text = digits.strip()
    if ton == Ton.ALPHANUMERIC:
        return text
    if text.startswith("+"):
        return parse_e164(text) or text
    if text.startswith("00"):
        return parse_e164(f"+{text[2:]}") or text
    if ton == Ton.INTERNATIONAL or len(text) > NATIONAL_OR_SHORT:
        return parse_e164(f"+{text}") or text
    return text
