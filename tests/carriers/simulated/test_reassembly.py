"""Parts put together again."""

from itertools import permutations

import pytest

from carriers.simulated import reassembly
from carriers.simulated.reassembly import Reassembly
from sms.text import Decoded, decode, segment

pytestmark = pytest.mark.unit


def parts(text: str, reference: int = 1) -> list[Decoded]:
    return [decode(part.payload, part.data_coding, part.udhi) for part in segment(text, reference)]


def test_a_single_part_is_whole_at_once() -> None:
    assert Reassembly().add("a", parts("hi")[0]) == "hi"


def test_parts_in_any_order_make_the_text() -> None:
    text = "a" * 152 + "€" * 100 + "end"
    for order in permutations(parts(text)):
        pool = Reassembly()
        results = [pool.add("a", part) for part in order]
        assert results[:-1] == [None] * (len(order) - 1)
        assert results[-1] == text


def test_a_part_that_comes_twice_counts_once() -> None:
    first, second = parts("a" * 161)
    pool = Reassembly()
    assert [pool.add("x", part) for part in (first, first)] == [None, None]
    assert pool.add("x", second) == "a" * 161


def test_texts_between_others_or_of_another_reference_are_kept_apart() -> None:
    pool = Reassembly()
    one, other = parts("a" * 161, 1), parts("b" * 161, 2)
    assert pool.add("x", one[0]) is None
    assert pool.add("x", other[1]) is None
    assert pool.add("y", one[1]) is None
    assert pool.add("x", one[1]) == "a" * 161
    assert pool.add("x", other[0]) == "b" * 161


def test_the_oldest_unfinished_text_is_forgotten_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "MAX_UNFINISHED", 2)
    pool = Reassembly()
    halves = [parts(letter * 161) for letter in "abc"]
    for sender, half in enumerate(halves):
        assert pool.add(sender, half[0]) is None
    assert pool.add(0, halves[0][1]) is None
    assert pool.add(2, halves[2][1]) == "c" * 161


def test_a_character_cut_in_two_by_its_sender_is_whole_again() -> None:
    octets = "\N{GRINNING FACE}".encode("utf-16-be")
    pool = Reassembly()
    assert pool.add("x", decode(bytes.fromhex("050003010201") + octets[:2], 8, True)) is None
    assert pool.add("x", decode(bytes.fromhex("050003010202") + octets[2:], 8, True)) == "\N{GRINNING FACE}"
