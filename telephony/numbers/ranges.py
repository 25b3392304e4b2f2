"""Numbers one by one and in ranges: `+12065550100`, `+12065550100-0199`, short codes. Pure."""

import re
from typing import Final

MAX_RANGE: Final = 10_000
"""Numbers in a range: what a carrier gives out at once. Several lines make more."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_RANGE: Final = re.compile(r"(?P<first>\+[1-9][0-9]{6,14}|[0-9]{3,8})-(?P<last>\+?[0-9]{1,15})", re.ASCII)
_CODE: Final = re.compile(r"[0-9]{3,8}", re.ASCII)


class BadNumber(ValueError):
    """No number, and no range of numbers; the text says why."""


def numbers_in(text: str) -> tuple[str, ...]:
    """Return the numbers that a text means, in order. Raises BadNumber.

    The end of a range may leave out the digits that it has in common with the beginning.
    """
    if _E164.fullmatch(text) or _CODE.fullmatch(text):
        return (text,)
    found = _RANGE.fullmatch(text)
    if found is None:
        raise BadNumber("no number in E.164, no short code, and no range such as +12065550100-0199")
    first, last = found["first"], found["last"]
    if last.startswith("+"):
        if len(last) != len(first):
            raise BadNumber("the two ends of the range are not equally long")
    elif len(last) > len(first.lstrip("+")):
        raise BadNumber("the end of the range has more digits than its beginning")
    else:
        last = first[: len(first) - len(last)] + last
    plus = "+" if first.startswith("+") else ""
    low, high = int(first), int(last)
    if high < low:
        raise BadNumber("the range ends before it begins")
    if high - low >= MAX_RANGE:
        raise BadNumber(f"the range has more than {MAX_RANGE} numbers")
    width = len(first) - len(plus)
    return tuple(f"{plus}{number:0{width}}" for number in range(low, high + 1))


def is_short_code(number: str) -> bool:
    """Tell whether what `numbers_in` returned is a short code."""
    return not number.startswith("+")
