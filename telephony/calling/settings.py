"""The settings of calls."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from telephony.routing.formats import Country

Seconds = Annotated[int, Meta(ge=1, le=3600)]


class CallSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How calls are made and passed on."""

    ring_seconds: Seconds = 60
    """How long a number rings before that counts as no answer, unless its rule says how long."""
    incoming_seconds: Seconds = 30
    """How long an application may take for an incoming call, unless its rule says how long; then the rule's
    next target follows."""
    hold: Literal["music", "pass"] = "music"
    """What the other party gets when one holds: music, or the hold itself."""
    most_hours: Annotated[int, Meta(ge=1, le=168)] = 12
    """The longest call; then it is ended: a line that nobody hung up costs for as long as it stands."""
    country: Country | None = None
    """Whose emergency numbers are known beside those of the caller's own number. Unset: none."""
