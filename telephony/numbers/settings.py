"""What can be set about numbers."""

from typing import Annotated

from msgspec import Meta, Struct


class NumberSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The inventory of numbers."""

    hold_seconds: Annotated[int, Meta(ge=10, le=7200)] = 900
    """How long a search or a reservation holds its numbers. Azure's 15 minutes."""
    quarantine_days: Annotated[int, Meta(ge=0, le=3650)] = 30
    """How long a released number is sold to nobody: those who know it from its last owner still call it."""
    max_held: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Numbers that one resource may hold at once without buying them."""
    operation_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    """How long operations, searches and reservations can be looked up."""
