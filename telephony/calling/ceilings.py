"""How many calls carriers and trunks take at once, and how many a second, on this node. Pure."""

from collections import Counter
from typing import Final

from telephony.calling.ports import CarrierFacts, TrunkFacts
from telephony.kernel.clock import Clock
from telephony.usage.bucket import Bucket

MAX_BUCKETS: Final = 10_000
"""Trunks whose rates are kept before all are forgotten."""


class TrunkCeilings:
    """Counts legs, both ways."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def take(self, carrier: CarrierFacts, trunk: TrunkFacts) -> str:
        """Count a leg; or return in words why there is no room for it."""
        name = trunk.trunk.name
        held = (
            (f"carrier {carrier.name}", (carrier.name, ""), carrier.channels, carrier.calls_per_second),
            (f"trunk {name}", (carrier.name, name), trunk.channels, trunk.calls_per_second),
        )
        for what, key, channels, _ in held:
            if channels is not None and self._calls[key] >= channels:
                return f"{what} has as many calls as it takes (channels = {channels})"
        now = self._clock.monotonic()
        buckets = [(what, self._bucket(key, rate, now)) for what, key, _, rate in held if rate is not None]
        for what, bucket in buckets:
            wait = bucket.wait(now, 1)
            if wait is None or wait > 0:
                return f"{what} takes no more calls this second (calls_per_second = {bucket.rate:g})"
        for _, bucket in buckets:
            bucket.take(now, 1)
        for _, key, _, _ in held:
            self._calls[key] += 1
        return ""

    def hold(self, carrier: str, trunk: str) -> None:
        """Count a leg that is there already: a gateway before this one took it."""
        self._calls[carrier, ""] += 1
        self._calls[carrier, trunk] += 1

    def release(self, carrier: str, trunk: str) -> None:
        """Count a leg no more."""
        for key in ((carrier, ""), (carrier, trunk)):
            self._calls[key] -= 1
            if self._calls[key] <= 0:
                del self._calls[key]

    @property
    def held(self) -> int:
        """Legs that are counted."""
        return sum(count for (_, trunk), count in self._calls.items() if not trunk)

    def _bucket(self, key: tuple[str, str], rate: float, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= MAX_BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[key] = Bucket(rate, now)
        return bucket
