"""What legs are told at their start."""

from typing import Final

from msgspec import Struct

from sip.media.protocol import Latch

MEDIA_SECONDS: Final = 60.0
"""Without RTP and RTCP for so long a leg counts as gone (R15)."""


class LegSettings(Struct, frozen=True):
    """Settings of all legs of a node."""

    host: str
    """Name or address that stands behind our numbers, in From and P-Asserted-Identity."""
    edge: bool = False
    """Whether an edge stands before the workers: it names trunks, and is told where calls go."""
    secret: str = ""
    """What the edge knows us by (`WorkerSettings.secret`)."""
    codecs: tuple[str, ...] = ("PCMA", "PCMU", "G722")
    """What is offered where neither trunk nor call says otherwise."""
    latch: Latch = Latch.SIGNALLING
    media_seconds: float = MEDIA_SECONDS
    media_address: str = ""
    """Address that engines receive on, for what they send themselves. Empty: the one that they tell."""
