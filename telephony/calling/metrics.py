"""Calls in Prometheus' words."""

from typing import Final

from prometheus_client import Counter, Gauge

CALLS: Final = Counter(
    "tandem_calls", "Calls that are over, by direction and outcome", ["direction", "outcome"]
)
REFUSED: Final = Counter("tandem_calls_refused", "Calls that came and were not let in, by reason", ["reason"])
LIVE: Final = Gauge("tandem_calls_live", "Calls that this node carries now")
FAILOVERS: Final = Counter("tandem_call_failovers", "Trunks that were tried after another failed")
EMERGENCY_UNROUTED: Final = Counter(
    "tandem_emergency_calls_unrouted", "Emergency calls that no trunk is marked for"
)
