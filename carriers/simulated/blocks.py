"""The numbers that the simulated carrier has to give: all of them belong to nobody in the real world."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telephony.kernel.money import Money
from telephony.numbers.kinds import EVERYTHING, Assignment, Capabilities, Capability, Lot, NumberType
from telephony.numbers.ports import Offer, Rejected
from telephony.numbers.ranges import numbers_in

_VOICE: Final = Capabilities(Capability.BOTH, Capability.NONE)
_TEXTS: Final = Capabilities(Capability.NONE, Capability.BOTH)
_A, _P = Assignment.APPLICATION, Assignment.PERSON
_GEOGRAPHIC, _TOLL_FREE, _MOBILE = NumberType.GEOGRAPHIC, NumberType.TOLL_FREE, NumberType.MOBILE


@dataclass(frozen=True, slots=True)
class _Block:
    numbers: str
    country: str
    type: NumberType
    area_code: str
    cost: int
    """Cents a month."""
    currency: str = "USD"
    assignment: Assignment = _A
    capabilities: Capabilities = EVERYTHING
    place: tuple[str, str, str] = ("", "", "")
    agreement: bool = False


_BLOCKS: Final = (
    # NANPA keeps 555-0100 to 555-0199 of every area code for fiction.
    _Block("+14255550100-0199", "US", _GEOGRAPHIC, "425", 100, place=("Bellevue", "WA", "Washington")),
    _Block("+12125550100-0199", "US", _GEOGRAPHIC, "212", 100, place=("New York City", "NY", "New York")),
    _Block(
        "+14155550100-0199",
        "US",
        _GEOGRAPHIC,
        "415",
        100,
        assignment=_P,
        capabilities=_VOICE,
        place=("San Francisco", "CA", "California"),
    ),
    _Block("+18005550100-0199", "US", _TOLL_FREE, "800", 200),
    _Block("+18335550100-0199", "US", _TOLL_FREE, "833", 200),
    # Ofcom, numbers for drama.
    _Block(
        "+442079460000-0999",
        "GB",
        _GEOGRAPHIC,
        "20",
        100,
        "GBP",
        capabilities=_VOICE,
        place=("London", "", ""),
    ),
    _Block("+447700900000-0999", "GB", _MOBILE, "7700", 150, "GBP"),
    # Arcep, numbers for works of fiction: sold only to whoever agrees not to resell them.
    _Block("+33199000000-0999", "FR", _GEOGRAPHIC, "199", 100, "EUR", capabilities=_VOICE, agreement=True),
    _Block("+33639980000-0999", "FR", _MOBILE, "6", 200, "EUR", agreement=True),
    _Block("98000-98009", "US", NumberType.SHORT_CODE, "", 50_000, capabilities=_TEXTS),
)


class SimulatedBlocks:
    """A supply (`telephony.numbers.ports.Supply`); `carrier` is what the simulated one is called."""

    def __init__(self, carrier: str) -> None:
        self._carrier = carrier

    def offers(self) -> Iterator[Offer | Rejected]:
        """Return a few thousand numbers."""
        for block in _BLOCKS:
            lot = Lot(
                block.country,
                block.type,
                block.assignment,
                block.capabilities,
                self._carrier,
                Money(block.cost * 10_000, block.currency),
                block.area_code,
                *block.place,
                block.agreement,
            )
            yield Offer(lot, numbers_in(block.numbers))
