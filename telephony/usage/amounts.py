"""Amounts as people write them, and as integers of 10⁻⁶ units. Pure, and never a float."""

import re
from functools import lru_cache
from typing import Final

MICROS: Final = 1_000_000
"""Millionths in a unit of a currency."""

DECIMALS: Final = 6

MAX_UNITS: Final = 1_000_000_000
"""Units of a currency in one amount: a billion of them, times a billion uses, still fits 64 bits' sum."""

AMOUNT: Final = r"[0-9]{1,9}(\.[0-9]{1,6})?"
"""What an amount looks like, for documents and settings."""

CURRENCY: Final = r"[A-Z]{3}"
"""What a currency looks like: ISO 4217."""

_AMOUNT: Final = re.compile(r"(?P<units>[0-9]{0,9})(?:\.(?P<rest>[0-9]*))?", re.ASCII)


@lru_cache(maxsize=10_000)  # the prices of a sheet are few
def micros_of(text: str) -> int:
    """Return an amount's millionths: `0.0125` is 12,500. Raises ValueError, in words."""
    found = _AMOUNT.fullmatch(text)
    if found is None or not (found["units"] or found["rest"]):
        raise ValueError("expected an amount such as 0.0125, below a billion")
    rest = (found["rest"] or "").rstrip("0")
    if len(rest) > DECIMALS:
        raise ValueError(f"more than {DECIMALS} decimals")
    return int(found["units"] or "0") * MICROS + int(rest.ljust(DECIMALS, "0"))


def amount_of(micros: int) -> str:
    """Return millionths as an amount with two decimals at least: 12,500 is `0.0125`."""
    units, rest = divmod(abs(micros), MICROS)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{units}.{decimals}"
