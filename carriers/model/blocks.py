"""The numbers that a carrier delivers to us, as it lists them: by ranges."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from telephony.numbers.kinds import Capabilities, Capability, NumberType

MAX_PATTERN: Final = 15
"""Digits of a number (E.164 §6.2.1)."""

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}", re.ASCII)


class NumberBlock(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers one after the other. Whatever comes in for another number did not come by this carrier."""

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

    def __post_init__(self) -> None:
        for key, number in (("first", self.first), ("last", self.last or self.first)):
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"{key}: expected a number like +4930123400, or a short code, got {number}")
        if len(self.end) != len(self.first) or self.end < self.first:
            raise ValueError("last: expected as many digits as first, and no lower number")

    @property
    def end(self) -> str:
        """The last number."""
        return self.last or self.first

    @property
    def capabilities(self) -> Capabilities:
        """What the numbers can do."""
        return Capabilities(self.calling, self.sms)

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
