"""National languages in septets (3GPP TS 23.038 §6.2.1.2): which tables a header names.

A locking shift table stands in for the default alphabet, a single shift table for the extension table; each
is named by an information element of every part (TS 23.040 §9.2.3.24.15, §9.2.3.24.16).
"""

from functools import cache
from typing import Final, NamedTuple

from carriers.model.text import Language
from sms.text import gsm0338
from sms.text.national_tables import LANGUAGES, LOCKING, single
from sms.text.septets import SeptetTable

IDENTIFIERS: Final[dict[Language, int]] = {
    "turkish": 1,
    "spanish": 2,
    "portuguese": 3,
    "bengali": 4,
    "gujarati": 5,
    "hindi": 6,
    "kannada": 7,
    "malayalam": 8,
    "oriya": 9,
    "punjabi": 10,
    "tamil": 11,
    "telugu": 12,
    "urdu": 13,
}
"""National Language Identifiers (TS 23.038 §6.2.1.2.4)."""


class Shift(NamedTuple):
    """Which tables septets are in: identifiers, 0 for the default alphabet and its extension."""

    locking: int = 0
    single: int = 0


NO_SHIFT: Final = Shift()


def table(shift: Shift) -> SeptetTable:
    """Return the tables that `shift` names; an identifier without a table counts as 0 (§6.2.1.2.5)."""
    locking = shift.locking if shift.locking in LOCKING else 0
    return _table(locking, shift.single if shift.single in LANGUAGES else 0)


@cache  # at most 13 × 14 tables, 10 kB each
def _table(locking: int, language: int) -> SeptetTable:
    if not locking and not language:
        return gsm0338.TABLE
    extension = dict(gsm0338.EXTENSION)
    if language:
        extension.update(single(language))
    return SeptetTable(LOCKING[locking] if locking else gsm0338.DEFAULT, extension)
