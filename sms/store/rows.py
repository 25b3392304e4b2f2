"""Rows of the shared tables, in the order of their columns as `insert_rows` wants them."""

from typing import Final

from telephony.kernel.store.schema import interactions

URGENT: Final = 3
"""The highest priority (SMPP 3.4 §5.2.14)."""

_COLUMNS: Final = tuple(column.name for column in interactions.columns)


def interaction_row(**values: object) -> tuple[object, ...]:
    """Return a row of `interactions`; columns not named are NULL, and `rank` is 0."""
    values.setdefault("rank", 0)
    return tuple(map(values.get, _COLUMNS))


def rank_of(priority: int) -> int:
    """Return the `rank` of a message with a priority: what is urgent goes first, after a restart as well."""
    return max(0, URGENT - priority)
