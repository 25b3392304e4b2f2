"""Rows of the shared tables, in the order of their columns as `insert_rows` wants them."""

from typing import Final

from telephony.kernel.store.schema import interactions

_COLUMNS: Final = tuple(column.name for column in interactions.columns)


def interaction_row(**values: object) -> tuple[object, ...]:
    """Return a row of `interactions`; columns not named are NULL."""
    return tuple(map(values.get, _COLUMNS))
