"""The numbers that a carrier delivers to us, as it lists them: by ranges."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from telephony.numbers.kinds import Assignment, Capabilities, Capability, NumberType

MAX_PATTERN: Final = 15
"""Digits of a number (E.164 §6.2.1)."""

MAX_BLOCK: Final = 100_000
"""Numbers of a block: what one intake into the inventory takes."""

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}", re.ASCII)


class NumberBlock(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers one after the other. `tandem carriers stock` puts them into the inventory."""

    first: Annotated[str, Meta(max_length=MAX_PATTERN + 1)]
    """The first number: `+4930123400` or a short code."""
    last: Annotated[str, Meta(max_length=MAX_PATTERN + 1)] = ""
    """The last one, as many digits. Empty: the first alone."""
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    """ISO 3166 code: `DE`."""
    type: NumberType = NumberType.GEOGRAPHIC
    """geographic, tollFree, mobile or shortCode."""
    calling: Capability = Capability.BOTH
    """Calls by these numbers: none, inbound, outbound or inbound+outbound."""
    sms: Capability = Capability.BOTH
    """Texts by these numbers: none, inbound, outbound or inbound+outbound."""
    assignment: Assignment = Assignment.APPLICATION
    """Who they are for: application or person."""
    cost: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")] = "0"
    """What the carrier asks for each a month, as a decimal number in quotation marks."""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")] = "USD"
    """ISO 4217 code of `cost`."""
    area_code: Annotated[str, Meta(pattern=r"^[0-9]{0,8}$")] = ""
    """Without the country's code: 30."""

    def __post_init__(self) -> None:
        for key, number in (("first", self.first), ("last", self.last or self.first)):
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"{key}: expected a number like +4930123400, or a short code, got {number}")
        if self.first.startswith("+") is (self.type is NumberType.SHORT_CODE):
            raise ValueError('type: expected "shortCode" for a short code, and for nothing else')
        if len(self.end) != len(self.first) or self.end < self.first:
            raise ValueError("last: expected as many digits as first, and no lower number")
        if len(self) > MAX_BLOCK:
            raise ValueError(f"last: a block has at most {MAX_BLOCK} numbers; make several")

    @property
    def end(self) -> str:
        """The last number."""
        return self.last or self.first

    @property
    def capabilities(self) -> Capabilities:
        """What the numbers can do."""
        return Capabilities(self.calling, self.sms)

    def numbers(self) -> Iterator[str]:
        """Return every number, in order."""
        plus = "+" if self.first.startswith("+") else ""
        width = len(self.first) - len(plus)
        return (f"{plus}{number:0{width}}" for number in range(int(self.first), int(self.end) + 1))

    def __len__(self) -> int:
        return int(self.end) - int(self.first) + 1

    def __contains__(self, number: str) -> bool:
        """Tell whether a number is one of them: E.164 with its plus, or a short code."""
        return len(number) == len(self.first) and self.first <= number <= self.end


def overlapping(blocks: Iterable[tuple[str, NumberBlock]]) -> tuple[str, str] | None:
    """Return the names of two blocks that share numbers, if any do."""
    by_place = sorted(blocks, key=lambda item: (len(item[1].first), item[1].first))
    for (name, one), (other, two) in pairwise(by_place):
        if two.first in one:
            return name, other
    return None
