"""How deep jitter buffers are to be, for many streams at once. Pure.

A frame's transit is its arrival less its number in microseconds; how far it lies above the fastest one is its
lateness, and a buffer as deep as that plays it. Depth follows the highest lateness of late, which it reaches
at once and comes down from slowly, but not above `SPREAD` times the inter-arrival jitter (RFC 3550 §A.8): one
packet that comes a second late does not make a calm stream slow.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME_US: Final = 20_000
JUMP_US: Final = 1_000_000
"""A transit that differs by so much is of another clock."""
LEAK_US: Final = 2
"""By so much the fastest transit rises a packet: 100 ppm at 20 ms, twice what two clocks may differ by."""
CALM: Final = 9
"""The highest lateness comes down by 2**-9 a packet: half of it in 7 s."""
SPREAD: Final = 5


class Depths:
    """Estimates of `capacity` streams; depths lie between `least_ms` and `most_ms`."""

    def __init__(self, capacity: int, least_ms: int = 20, most_ms: int = 200) -> None:
        self._least, self._most = least_ms * 1000, most_ms * 1000
        self._known = np.zeros(capacity, np.bool_)
        self._fastest = np.zeros(capacity, np.int64)
        self._previous = np.zeros(capacity, np.int64)
        self._jitter = np.zeros(capacity, np.int64)
        """In sixteenths."""
        self._highest = np.zeros(capacity, np.int64)

    def reset(self, rows: NDArray[np.intp]) -> None:
        """Forget streams."""
        self._known[rows] = False
        self._jitter[rows] = self._highest[rows] = 0

    def jumped(self, rows: NDArray[np.intp], transit: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whose clock is not the one that was known."""
        result: NDArray[np.bool_] = self._known[rows] & (np.abs(transit - self._fastest[rows]) > JUMP_US)
        return result

    def shift(self, rows: NDArray[np.intp], us: NDArray[np.int64]) -> None:
        """Take frames to be numbered so much higher from now on."""
        self._fastest[rows] -= us
        self._previous[rows] -= us

    def take(self, rows: NDArray[np.intp], transit: NDArray[np.int64]) -> None:
        """Learn from packets."""
        anew = self.jumped(rows, transit) | ~self._known[rows]
        fastest = np.minimum(self._fastest[rows] + LEAK_US, transit)
        jitter, highest = self._jitter[rows], self._highest[rows]
        moved = np.abs(transit - self._previous[rows])
        if anew.any():
            fastest, moved = np.where(anew, transit, fastest), np.where(anew, (jitter + 8) >> 4, moved)
            self._known[rows] = True
        lateness = transit - fastest
        self._fastest[rows], self._previous[rows] = fastest, transit
        self._jitter[rows] = jitter + moved - ((jitter + 8) >> 4)
        self._highest[rows] = np.maximum(lateness, highest - ((highest - lateness) >> CALM))

    def target(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return microseconds."""
        spread = (self._jitter[rows] >> 4) * SPREAD
        result: NDArray[np.int64] = np.clip(np.minimum(self._highest[rows], spread), self._least, self._most)
        return result

    def lateness(self, rows: NDArray[np.intp], transit: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how much later than the fastest packet something is."""
        result: NDArray[np.int64] = transit - self._fastest[rows]
        return result
