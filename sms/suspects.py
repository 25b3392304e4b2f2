"""Messages whose carrier may send them again because of how this node answered. Pure."""

from typing import Final

MOST: Final = 10_000
"""Messages remembered; beyond, the oldest is forgotten, and its repetition would be a second message."""


class Suspects:
    """Digests of messages (`sms.reassembly.Repetition`); times are monotonic seconds."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long a repetition is waited for."""
        self._seconds = seconds
        self._until: dict[bytes, float] = {}

    def add(self, digest: bytes, now: float) -> None:
        """Learn that an answer was late, was not sent, or asked for another try."""
        self._until.pop(digest, None)
        self._until[digest] = now + self._seconds
        if len(self._until) > MOST:
            del self._until[next(iter(self._until))]

    def take(self, digest: bytes, now: float) -> bool:
        """Tell whether a message that came may be a repetition; each answer is doubted once."""
        until = self._until.pop(digest, None)
        return until is not None and now < until
