"""The kinds of target that calls have beside those that need no plane (`telephony.routing.targets.BASIC`).

Calls also go to `webhook` and `subscriptions` (whoever asked for IncomingCall), `number`, `sip` and `reject`.
"""

import re
from typing import Annotated, Final

from msgspec import Meta, Struct

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.outbound_addresses import parse_destination
from telephony.routing.rules import Kind
from telephony.routing.targets import TargetKind

ENDLESS: Final = 0
"""`repeat` of what plays until somebody hangs up."""

_PROMPT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

_VOICE: Final = frozenset({Kind.VOICE})


class Echo(Struct, frozen=True, forbid_unknown_fields=True):
    """The caller hears itself."""


class Play(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The caller hears a recording; then the next target follows, or the call ends."""

    what: Annotated[str, Meta(min_length=1, max_length=2048)]
    """The name of a prompt on this node, or a URL."""
    repeat: Annotated[int, Meta(ge=0, le=1000)] = 1
    """How often; 0: until somebody hangs up."""
    early: bool = False
    """Whether it plays without answering: an announcement that costs the caller nothing."""


class Subscribers(Struct, frozen=True, forbid_unknown_fields=True):
    """Whoever of the resource asked for its calls."""


def _check(settings: Play) -> None:
    if _PROMPT.fullmatch(settings.what):
        return
    destination = parse_destination(settings.what)
    here = destination.host == "localhost" or (destination.literal and destination.host.startswith("127."))
    if destination.scheme != "https" and not here:
        raise InvalidRequest("what: It must be the name of a prompt, or a URL that begins with https://.")


ECHO: Final = TargetKind("echo", Echo, _VOICE)
PLAY: Final = TargetKind("play", Play, _VOICE, _check)

SUBSCRIPTIONS: Final = "subscriptions"
"""The kind that calls and texts share; texts' plane registers it (`sms.inward.targets`)."""

VOICE_TARGETS: Final = (ECHO, PLAY)
"""To be registered with `telephony.routing.targets.TargetKinds`."""
