"""What the inventory needs of whoever brings numbers, in its own words."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from telephony.numbers.kinds import Lot


class Offer(msgspec.Struct, frozen=True, gc=False):
    """Numbers of one lot; `place` tells its supplier where it came from, such as the line of a file."""

    lot: Lot
    numbers: tuple[str, ...]
    place: int = 0


class Rejected(msgspec.Struct, frozen=True):
    """What a supply has, and the inventory does not take."""

    place: int
    reason: str


class Supply(Protocol):
    """Where numbers come from: a file, a carrier's blocks. Read once, from another thread than the loop's."""

    def offers(self) -> Iterator[Offer | Rejected]:
        """Return everything, in order; nothing in it raises."""
        ...
