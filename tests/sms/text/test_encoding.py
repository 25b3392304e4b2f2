"""Texts cut into parts: the right alphabet, the right number, and nothing cut in two."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.text import Alphabet, InvalidText, TextTooLong, count, decode, decode_body, encode, gsm0338, segment
from telephony.kernel.errors import InvalidRequest

pytestmark = [pytest.mark.unit, pytest.mark.promise("R20")]

GSM_TEXT = st.text(alphabet=[c for c in gsm0338.DEFAULT if c != "\x1b"] + list("€[]{}~^|\\"), max_size=700)
ANY_TEXT = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("€😀a𝄞")), max_size=400
)
GRIN = "\N{GRINNING FACE}"


def joined(text: str, reference: int = 7) -> str:
    """Cut, decode every part by itself, join."""
    return "".join(
        decode(part.payload, part.data_coding, part.udhi).text for part in segment(text, reference)
    )


@pytest.mark.parametrize(
    ("text", "alphabet", "parts"),
    [
        ("", Alphabet.GSM, 1),
        ("a" * 160, Alphabet.GSM, 1),
        ("a" * 161, Alphabet.GSM, 2),
        ("a" * 306, Alphabet.GSM, 2),
        ("a" * 307, Alphabet.GSM, 3),
        ("a" * 153 * 255, Alphabet.GSM, 255),
        ("€" * 80, Alphabet.GSM, 1),
        ("€" * 81, Alphabet.GSM, 2),
        ("a" * 159 + "€", Alphabet.GSM, 2),
        ("ж" * 70, Alphabet.UCS2, 1),
        ("ж" * 71, Alphabet.UCS2, 2),
        ("ж" * 134, Alphabet.UCS2, 2),
        ("ж" * 135, Alphabet.UCS2, 3),
        ("ж" * 67 * 255, Alphabet.UCS2, 255),
        (GRIN * 35, Alphabet.UCS2, 1),
        (GRIN * 36, Alphabet.UCS2, 2),
        ("a" * 159 + "ç", Alphabet.UCS2, 3),
    ],
)
def test_a_text_has_the_parts_it_is_billed_for(text: str, alphabet: Alphabet, parts: int) -> None:
    assert count(text) == (alphabet, parts)
    cut = segment(text, 1)
    assert [part.number for part in cut] == list(range(1, parts + 1))
    assert {part.total for part in cut} == {parts}
    assert joined(text) == text


def test_a_single_part_has_no_header() -> None:
    (part,) = segment("Hello @ 5€", 99)
    assert (part.data_coding, part.udhi, part.payload) == (0, False, b"Hello \x00 5\x1b\x65")
    (part,) = segment("ж", 99)
    assert (part.data_coding, part.udhi, part.payload) == (8, False, b"\x04\x36")


def test_several_parts_carry_reference_total_and_number() -> None:
    first, second = segment("a" * 200, 0x1A7)
    assert first.udhi
    assert second.udhi
    assert first.payload == bytes.fromhex("050003a70201") + b"a" * 153
    assert second.payload == bytes.fromhex("050003a70202") + b"a" * 47
    assert segment("a" * 200, 0xA7) == (first, second)


@pytest.mark.parametrize("before", range(150, 155))
def test_an_escape_pair_is_never_cut(before: int) -> None:
    text = "a" * before + "€" + "b" * 160
    parts = segment(text, 1)
    bodies = [part.payload[6:] for part in parts]
    assert not any(body.endswith(b"\x1b") for body in bodies)
    assert [len(body) for body in bodies[:-1]] == [152 if before == 152 else 153, 153]
    assert joined(text) == text


@pytest.mark.parametrize("before", range(64, 69))
def test_a_surrogate_pair_is_never_cut(before: int) -> None:
    text = "ж" * before + GRIN + "ж" * 70
    parts = segment(text, 1)
    bodies = [part.payload[6:] for part in parts]
    assert [len(body) // 2 for body in bodies[:-1]] == [66 if before == 66 else 67, 67]
    for body in bodies:
        body.decode("utf-16-be")  # strict: raises on half a pair
    assert joined(text) == text


def test_pairs_alone_fill_the_parts_evenly() -> None:
    assert [len(part.payload) for part in segment("€" * 160, 1)] == [158, 158, 22]
    assert [len(part.payload) for part in segment(GRIN * 100, 1)] == [138, 138, 138, 10]


@pytest.mark.parametrize("text", ["\ud83d", "ok \ude00", "\ud83d" + "a" * 200, "\ude00\ud83d"])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    with pytest.raises(InvalidText, match="surrogate") as caught:
        encode(text)
    assert isinstance(caught.value, InvalidRequest)


def test_more_parts_than_allowed_are_refused() -> None:
    with pytest.raises(TextTooLong, match="255 parts"):
        segment("a" * (153 * 255 + 1), 1)
    with pytest.raises(TextTooLong, match="255 parts"):
        encode("ж" * (67 * 255 + 1), max_parts=1000)
    with pytest.raises(TextTooLong, match=r"than 1 part\."):
        count("a" * 161, max_parts=1)
    assert len(encode("a" * 459, max_parts=3).bodies) == 3
    assert issubclass(TextTooLong, InvalidRequest)


@settings(max_examples=150, deadline=None)
@given(st.one_of(GSM_TEXT, ANY_TEXT), st.integers(0, 255))
def test_the_parts_joined_are_the_text_and_the_same_every_time(text: str, reference: int) -> None:
    parts = segment(text, reference)
    assert parts == segment(text, reference)
    assert "".join(decode(p.payload, p.data_coding, p.udhi).text for p in parts) == text
    for number, part in enumerate(parts, 1):
        decoded = decode(part.payload, part.data_coding, part.udhi)
        septets = part.data_coding == 0
        if part.udhi:
            assert decoded.concat is not None
            assert (decoded.concat.reference, decoded.concat.number) == (reference, number)
            assert decoded.concat.total == part.total == len(parts) > 1
            assert 0 < len(decoded.body) <= (153 if septets else 134)
        else:
            assert len(parts) == 1
            assert len(decoded.body) <= (160 if septets else 140)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="a€", min_size=161, max_size=900))
def test_no_part_has_room_for_the_next_character(text: str) -> None:
    bodies = encode(text).bodies
    for body, after in pairwise(bodies):
        width = 2 if after[0] == gsm0338.ESCAPE else 1
        assert len(body) + width > 153


def test_bodies_that_another_sender_cut_inside_a_pair_are_read_when_joined() -> None:
    whole = gsm0338.encode("5€")
    assert whole is not None
    assert decode_body(whole[:2] + whole[2:], Alphabet.GSM) == "5€"
    parts = [decode(udh + half, 8, True) for udh, half in _halves(GRIN.encode("utf-16-be"))]
    assert [part.text for part in parts] == ["\ufffd", "\ufffd"]
    assert decode_body(b"".join(part.body for part in parts), parts[0].alphabet) == GRIN


def _halves(octets: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (bytes.fromhex("050003010201"), octets[:2]),
        (bytes.fromhex("050003010202"), octets[2:]),
    ]
