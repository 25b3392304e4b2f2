"""How a number stands in an SMPP address: digits, type of number, plan (SMPP 3.4 §5.2.5, §5.2.6)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier
from sms.smpp.constants import Ton
from telephony.kernel.e164 import parse_e164
from telephony.routing.formats import NumberFormats, taken, written

NATIONAL_OR_SHORT: Final = 8
"""Digits of the longest short code: what is longer and of no type is taken for an international one."""


@dataclass(frozen=True, slots=True)
class Address:
    """An SMPP address."""

    digits: str
    ton: int
    npi: int


class Addresses:
    """Numbers as one carrier wants them written. Remembers what it was asked."""

    def __init__(self, forms: Addressing, formats: NumberFormats | None = None) -> None:
        """`forms` say the types of addresses, `formats` the digits: the same that routes are explained by."""
        self._forms = forms
        self._formats = formats or Carrier(addressing=forms).number_formats()
        self.source: Final[Callable[[str], Address]] = lru_cache(maxsize=10_000)(self._source)
        """Return the address of a sender: a number in E.164, a short code or a name."""
        self.destination: Final[Callable[[str], Address]] = lru_cache(maxsize=10_000)(self._destination)
        """Return the address of a recipient."""

    def _source(self, number: str) -> Address:
        if number.startswith("+"):
            return _address(written(number, self._formats.sender), self._forms.e164)
        if number.isascii() and number.isdigit():
            return _address(number, self._forms.short_code)
        return _address(number, self._forms.alphanumeric)

    def _destination(self, number: str) -> Address:
        if not number.startswith("+"):
            return self._source(number)
        return _address(written(number, self._formats.destination), self._forms.destination)


def _address(digits: str, form: AddressForm) -> Address:
    return Address(digits, form.ton, form.npi)


USUAL: Final = Addresses(Addressing())
"""As most carriers want them."""

address: Final = USUAL.source
"""Return the address of a number in E.164, a short code or an alphanumeric sender, as most want it."""


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


Read = Callable[[str, int], str]
"""Takes digits and type of number as a carrier sent them, and returns what `number` does."""


def reader_of(carrier: Carrier) -> Read:
    """Return what reads the addresses of what comes in from a carrier, by its own formats where it has any.

    Short codes and names are what they are in every format. Remembers what it was asked.
    """
    if carrier.formats is None:
        return number
    form = carrier.formats.inbound

    @lru_cache(maxsize=10_000)
    def read(digits: str, ton: int) -> str:
        text = digits.strip()
        short = len(text) <= NATIONAL_OR_SHORT and ton not in (Ton.INTERNATIONAL, Ton.NATIONAL)
        if ton == Ton.ALPHANUMERIC or short:
            return text
        return taken(text, form).number or number(text, ton)

    return read
