"""Whether a call is an emergency call (R33): what phonenumbers knows of short numbers. Pure."""

from typing import Final

import phonenumbers
from phonenumbers import shortnumberinfo

from telephony.usage.destinations import country_of

_DIGITS: Final = frozenset("0123456789")
_WRITTEN: Final = _DIGITS | frozenset(" -()")

MAX_DIGITS: Final = 8
"""Longer ones are no short numbers."""


def emergency_number(written: str, caller: str, country: str | None = None) -> str:
    """Return the emergency number that somebody dials, as it is dialled; empty: it is none.

    It counts in the country of the caller's number, or in `country`.
    """
    text = written.strip().removeprefix("tel:")
    digits = "".join(each for each in text if each in _DIGITS)
    if not digits or len(digits) > MAX_DIGITS or not set(text) <= _WRITTEN:
        return ""
    regions = {country_of(caller) if caller.startswith("+") else "", country or ""}
    known = any(
        region in phonenumbers.SUPPORTED_REGIONS and shortnumberinfo.is_emergency_number(digits, region)
        for region in sorted(regions)
        if region
    )
    return digits if known else ""
