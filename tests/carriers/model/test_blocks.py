"""Blocks of numbers that a carrier delivers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.model.blocks import NumberBlock, overlapping
from carriers.model.supply import OFFER, BlockSupply
from telephony.kernel.money import Money
from telephony.numbers.kinds import NumberType
from telephony.numbers.ports import Offer

pytestmark = pytest.mark.unit


def block(first: str, last: str = "", **more: Any) -> NumberBlock:
    return NumberBlock(first=first, last=last, country="DE", **more)


def test_a_block_has_its_numbers_and_no_others() -> None:
    mine = block("+4930123400", "+4930123499")
    assert "+4930123400" in mine
    assert "+4930123499" in mine
    for other in ("+4930123399", "+4930123500", "+493012345", "+49301234500", "4930123450"):
        assert other not in mine
    assert "73111" in block("73111", type=NumberType.SHORT_CODE)


@pytest.mark.parametrize(
    ("first", "last", "complaint"),
    [
        ("73111", "", "type: expected"),
        ("+4930000000", "+4930999999", "last: a block has at most 100000"),
        ("030123400", "", "first: expected a number"),
        ("+4930123400", "+493012349", "last: expected as many digits"),
        ("+4930123400", "+4930123399", "last: expected as many digits"),
        ("+4930123400", "0000000000x", "last: expected a number"),
    ],
)
def test_what_is_no_block_is_refused(first: str, last: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        block(first, last)


ranges = st.lists(st.tuples(st.integers(4930000000, 4930000200), st.integers(0, 40)), min_size=1, max_size=8)


@given(ranges)
def test_blocks_that_share_a_number_are_found(listed: list[tuple[int, int]]) -> None:
    blocks = {str(index): block(f"+{low}", f"+{low + more}") for index, (low, more) in enumerate(listed)}
    taken = [number for low, more in listed for number in range(low, low + more + 1)]
    found = overlapping(blocks.items())
    assert (found is not None) is (len(set(taken)) < len(taken))
    if found:
        one, other = (blocks[name] for name in found)
        assert other.first in one


def test_blocks_are_offered_to_the_inventory_with_what_they_cost() -> None:
    blocks = {
        "a": block("+4930100000", "+4930106000", cost="1.25", currency="EUR", area_code="30"),
        "b": block("0123", "0125", type=NumberType.SHORT_CODE),
    }
    offers = [each for each in BlockSupply("acme", blocks).offers() if isinstance(each, Offer)]
    assert [len(each.numbers) for each in offers] == [OFFER, 6001 - OFFER, 3]
    assert offers[0].numbers[0] == "+4930100000"
    assert offers[2].numbers == ("0123", "0124", "0125")
    assert (offers[0].lot.carrier, offers[0].lot.cost) == ("acme", Money(1_250_000, "EUR"))
