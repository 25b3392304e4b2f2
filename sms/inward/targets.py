"""The kind of target that texts have beside those that need no plane (`telephony.routing.targets.BASIC`)."""

from typing import Final

from msgspec import Struct

from telephony.routing.targets import BOTH, TargetKind


class Subscriptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Whoever of the resource asked for its texts: event subscriptions, and SMPP accounts."""


SUBSCRIPTIONS: Final = TargetKind("subscriptions", Subscriptions, BOTH)
