"""Whether a call is an emergency call (R33): what phonenumbers knows of short numbers. Pure."""

from typing import Final

import phonenumbers
from phonenumbers import shortnumberinfo

from telephony.usage.destinations import country_of

MAX_DIGITS: Final = 8
"""Longer ones are no short numbers."""


def emergency_number(written: str, caller: str, country: str | None = None) -> str:
    """Return the emergency number that somebody dials, as it is dialled; empty: it is none.

    It counts in the country of the caller's number, or in `country`.
    """
    digits = "".join(each for each in written if each.isdigit() and each.isascii())
    text = written.strip()
    if (
        not digits
        or len(digits) > MAX_DIGITS
        or text.startswith("+")
        or not set(text) <= set("0123456789 -()")
    ):
        return ""
    regions = {country_of(caller) if caller.startswith("+") else "", country or ""}
    known = any(
        region in phonenumbers.SUPPORTED_REGIONS and shortnumberinfo.is_emergency_number(digits, region)
        for region in sorted(regions)
        if region
    )
    return digits if known else ""
