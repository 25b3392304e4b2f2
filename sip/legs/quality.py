"""How a leg sounded, as the plane writes it down."""

from sip.media.protocol import Statistics
from telephony.calling.ports import Quality


def quality_of(statistics: Statistics, codec: str) -> Quality:
    """Return an engine's statistics of a leg in the plane's words."""
    return Quality(
        codec or statistics.codec,
        statistics.lost,
        statistics.received,
        statistics.jitter_ms,
        statistics.round_trip_ms,
        statistics.mos if statistics.received else None,
    )
