"""Telephone numbers as ITU-T E.164 spells them: a plus, then 7 to 15 digits, the first not zero."""

import re
from typing import Final, NewType

E164 = NewType("E164", str)
"""A number in E.164: `+14255550123`."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}", re.ASCII)
_ALPHANUMERIC: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &._+'-]{1,11}", re.ASCII)


def parse_e164(text: str) -> E164 | None:
    """Return `text` as E.164, or None when it is not exactly that: nothing is guessed or repaired."""
    return E164(text) if _E164.fullmatch(text) else None


def is_short_code(text: str) -> bool:
    """Tell whether `text` is a short code: 3 to 8 digits."""
    return _SHORT_CODE.fullmatch(text) is not None


def is_alphanumeric_sender(text: str) -> bool:
    """Tell whether `text` is an alphanumeric sender: up to 11 characters, one letter at least.

    3GPP TS 23.040 §9.1.2.5 gives the address 10 octets, which are 11 septets.
    """
    return _ALPHANUMERIC.fullmatch(text) is not None


def shorten(number: str) -> str:
    """Return a number as logs may show it: the first five characters and the last two, the rest hidden."""
    return number if len(number) <= 7 else f"{number[:5]}{'*' * (len(number) - 7)}{number[-2:]}"
