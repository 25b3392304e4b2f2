"""Limits on how much a resource may ask: a rate, and how many requests at a time."""

from dataclasses import dataclass
from typing import Final

from telephony.kernel.errors import LimitReached
from telephony.kernel.ids import ResourceId

CONCURRENT_RETRY: Final = 1.0
"""Seconds to wait when too many run at once: nobody knows when one ends."""


class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` saved up. Time is handed in, in seconds."""

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a bucket needs a positive rate and room for one token")
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, now

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens and return 0, or take nothing and return the seconds until there will be enough."""
        if now > self._at:  # a clock that went back earns nothing
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
        if self._level >= tokens:
            self._level -= tokens
            return 0.0
        return (tokens - self._level) / self.rate


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one resource may ask of one gateway."""

    rate: float = 5000.0
    """Requests a second; more than one core serves, so that only a burst of cheap refusals meets it."""
    burst: float = 10000.0
    """Requests saved up while silent."""
    concurrent: int = 1000
    """Requests at a time: each holds a connection, a body and a place in the store's queue."""


class RequestGate:
    """Holds every resource to the same limits, each on its own."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._buckets: dict[bytes, Bucket] = {}
        self._running: dict[bytes, int] = {}

    def enter(self, resource: ResourceId, now: float) -> None:
        """Count a request in, at `now` monotonic seconds; the caller owes a `leave`. Raises LimitReached."""
        running = self._running.get(resource, 0)
        if running >= self._limits.concurrent:
            ceiling = self._limits.concurrent
            raise LimitReached(
                f"The resource has {ceiling} requests running, its limit.",
                limit="http.concurrent_requests",
                retry_after=CONCURRENT_RETRY,
            )
        bucket = self._buckets.get(resource)
        if bucket is None:
            bucket = self._buckets[resource] = Bucket(self._limits.rate, self._limits.burst, now)
        if (wait := bucket.take(now)) > 0:
            raise LimitReached(
                f"The resource asks more than {self._limits.rate:g} times a second, its limit.",
                limit="http.requests_per_second",
                retry_after=wait,
            )
        self._running[resource] = running + 1

    def leave(self, resource: ResourceId) -> None:
        """Count a request out."""
        running = self._running[resource] - 1
        if running:
            self._running[resource] = running
        else:
            del self._running[resource]
