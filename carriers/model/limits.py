"""What a carrier takes at most, from this node. Units stand in the names."""

from typing import Annotated

from msgspec import Meta, Struct

from carriers.model.smpp import PerSecond

MAX_CHANNELS = 100_000
"""Calls at once: more than any node carries."""

Channels = Annotated[int, Meta(ge=0, le=MAX_CHANNELS)]


class CarrierLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ceilings of one carrier; those of a link or a trunk hold besides."""

    calls_per_second: PerSecond | None = None
    """New calls a second over all trunks, both ways. Unset: no limit."""
    channels: Channels | None = None
    """Calls at once over all trunks, both ways; 0: none. Unset: no limit."""
    texts_per_second: PerSecond | None = None
    """Messages (parts) a second over all links of this node. Unset: no limit."""
