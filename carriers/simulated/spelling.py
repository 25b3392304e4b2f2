"""How a carrier spells the number of a message: in responses one way, in receipts maybe another. Pure."""

from enum import Enum


class Spelling(Enum):
    """A way to spell a message id."""

    HEX = "x"
    HEX_UPPER = "X"
    HEX_PADDED = "020x"
    HEX_UPPER_PADDED = "020X"
    DECIMAL = "d"
    DECIMAL_PADDED = "020d"

    def spell(self, number: int) -> str:
        """Return the number in this spelling."""
        return format(number, self.value)
