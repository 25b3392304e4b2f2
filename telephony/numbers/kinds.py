"""What a number is: its kind, its use, what it can do, and what all numbers of a lot have in common."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from telephony.kernel.money import Money


class NumberType(StrEnum):
    """The wire's phoneNumberType; short codes are ours, ACS has them in a portal only."""

    GEOGRAPHIC = "geographic"
    TOLL_FREE = "tollFree"
    MOBILE = "mobile"
    SHORT_CODE = "shortCode"


class Assignment(StrEnum):
    """Who a number is for: the wire's assignmentType."""

    PERSON = "person"
    APPLICATION = "application"


class Capability(StrEnum):
    """Which directions: the wire's PhoneNumberCapabilityType."""

    NONE = "none"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "inbound+outbound"

    @property
    def bits(self) -> int:
        """1 for inbound, 2 for outbound."""
        return _BITS[self]


_BITS: Final = {Capability.NONE: 0, Capability.INBOUND: 1, Capability.OUTBOUND: 2, Capability.BOTH: 3}
_BY_BITS: Final = {bits: capability for capability, bits in _BITS.items()}

SMS_INBOUND: Final = 1 << 2
SMS_OUTBOUND: Final = 2 << 2
"""Bits of `Capabilities.mask`."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a number can do."""

    calling: Capability
    sms: Capability

    @property
    def mask(self) -> int:
        """The two as one integer, 0 to 15: what the store has."""
        return self.calling.bits | self.sms.bits << 2

    @classmethod
    def of(cls, mask: int) -> "Capabilities":
        """Return the capabilities of a mask."""
        return _of_mask(mask)

    def includes(self, other: "Capabilities") -> bool:
        """Tell whether these are enough for `other`."""
        return self.mask & other.mask == other.mask


@lru_cache(maxsize=16)
def _of_mask(mask: int) -> Capabilities:
    return Capabilities(_BY_BITS[mask & 3], _BY_BITS[mask >> 2 & 3])


@lru_cache(maxsize=16)
def supersets(mask: int) -> tuple[int, ...]:
    """Return every mask that is enough for `mask`."""
    return tuple(other for other in range(16) if other & mask == mask)


EVERYTHING: Final = Capabilities(Capability.BOTH, Capability.BOTH)


@dataclass(frozen=True, slots=True)
class Lot:
    """What numbers of one offer have in common. Texts are empty where nothing is known."""

    country: str
    """ISO 3166-1 alpha-2."""
    type: NumberType
    assignment: Assignment
    capabilities: Capabilities
    """All that a number of the lot can do."""
    carrier: str
    """Who brings and takes the traffic: a name of the configuration."""
    cost: Money
    """A month."""
    area_code: str = ""
    """Without the country's code: 206."""
    locality: str = ""
    division: str = ""
    """Of the locality, abbreviated: WA."""
    division_name: str = ""
    agreement: bool = False
    """Whether the buyer must agree not to resell."""
