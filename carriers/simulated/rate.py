"""How many submit_sm an account may send. Pure."""


class Rate:
    """At most so many a second, on average; as many at once as one second allows (a token bucket)."""

    __slots__ = ("_at", "_per_second", "_room", "_tokens")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._room = max(1.0, per_second)
        self._tokens = self._room
        self._at = now

    def take(self, now: float) -> bool:
        """Take one at `now` (monotonic seconds), or say that there is none."""
        self._tokens = min(self._room, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
