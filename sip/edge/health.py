"""Whether a trunk is alive, told from the answers to our OPTIONS (R9). Pure."""

from typing import Final

MISSES: Final = 3
"""OPTIONS in a row without a good answer, after which a trunk is down."""
GOOD: Final = 2
"""Good answers in a row, after which it is up again."""
UNAVAILABLE: Final = 503
"""The one final response that does not count as alive: whoever sends it takes no calls."""


class Health:
    """Of one trunk. It begins up: calls tell before the first OPTIONS are answered."""

    def __init__(self) -> None:
        self.up = True
        self._row = 0
        """Answers in a row that speak against `up`."""

    def heard(self, status: int | None) -> bool:
        """Take a final response's status, or None for none in time; tell whether `up` changed by it."""
        good = status is not None and status != UNAVAILABLE
        if good == self.up:
            self._row = 0
            return False
        self._row += 1
        if self._row < (MISSES if self.up else GOOD):
            return False
        self.up, self._row = not self.up, 0
        return True
