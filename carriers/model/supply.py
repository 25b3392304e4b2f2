"""A carrier's blocks of numbers as a supply for the inventory."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from carriers.model.blocks import NumberBlock
from telephony.kernel.money import Money
from telephony.numbers.kinds import Lot
from telephony.numbers.ports import Offer, Rejected
from telephony.usage.amounts import micros_of

OFFER: Final = 5_000
"""Numbers an offer: what goes into the store together."""


class BlockSupply:
    """A supply (`telephony.numbers.ports.Supply`) of the numbers that `carrier` delivers."""

    def __init__(self, carrier: str, blocks: Mapping[str, NumberBlock]) -> None:
        self._carrier, self._blocks = carrier, blocks

    def offers(self) -> Iterator[Offer | Rejected]:
        """Return every block, a slice at a time."""
        for block in self._blocks.values():
            cost = Money(micros_of(block.cost), block.currency)
            lot = Lot(
                block.country,
                block.type,
                block.assignment,
                block.capabilities,
                self._carrier,
                cost,
                block.area_code,
            )
            numbers = block.numbers()
            while part := tuple(islice(numbers, OFFER)):
                yield Offer(lot, part)
