"""Frames of the control protocols: what comes whole, in pieces, damaged, too long, with descriptors."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media import framing, protocol
from sip.media.framing import Decoder, FrameTooLong, Malformed, Received

pytestmark = pytest.mark.unit

HELLO = protocol.Request(7, protocol.Hello("gateway"))
CLIP = protocol.Request(8, protocol.PutClip("beep", 8000, 160))


def raw(value: object) -> bytes:
    body = msgspec.msgpack.encode(value)
    return framing.LENGTH.pack(len(body)) + body


@settings(max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_frames_come_out_whole_however_they_are_cut(cuts: list[int]) -> None:
    octets = framing.encode(HELLO) * 3 + framing.encode(CLIP)
    decoder: Decoder[protocol.Frame] = Decoder(protocol.Frame)
    found: list[Received[protocol.Frame]] = []
    at = 0
    for cut in cuts:
        found += decoder.feed(octets[at : at + cut])
        at += cut
    found += decoder.feed(octets[at:])
    assert [each.value for each in found] == [HELLO, HELLO, HELLO, CLIP]


def test_descriptors_belong_to_the_frame_that_was_begun_last() -> None:
    hello, clip = framing.encode(HELLO), framing.encode(CLIP)
    decoder: Decoder[protocol.Frame] = Decoder(protocol.Frame)
    assert decoder.feed(hello + clip, (5,)) == [Received(HELLO, ()), Received(CLIP, (5,))]
    assert decoder.feed(hello + clip[:3], (6,)) == [Received(HELLO, ())]
    assert decoder.feed(clip[3:] + hello) == [Received(CLIP, (6,)), Received(HELLO, ())]
    assert decoder.abandoned() == ()


def test_descriptors_of_a_frame_that_never_ends_are_given_back() -> None:
    decoder: Decoder[protocol.Frame] = Decoder(protocol.Frame)
    assert decoder.feed(framing.encode(CLIP)[:10], (5, 6)) == []
    assert decoder.abandoned() == (5, 6)
    assert decoder.abandoned() == ()


def test_a_request_that_cannot_be_read_keeps_its_number_and_the_next_is_read() -> None:
    bad = {"type": "request", "id": 9, "command": {"type": "launch-rocket"}}
    found = Decoder[protocol.Frame](protocol.Frame).feed(raw(bad) + framing.encode(HELLO))
    assert isinstance(found[0].value, Malformed)
    assert found[0].value.id == 9
    assert "launch-rocket" in found[0].value.text
    assert found[1].value == HELLO


def test_a_field_that_nobody_knows_is_refused() -> None:
    bad = {"type": "request", "id": 9, "command": {"type": "hello", "owner": "a", "protcol": 1}}
    value = Decoder[protocol.Frame](protocol.Frame).feed(raw(bad))[0].value
    assert isinstance(value, Malformed)
    assert "protcol" in value.text


def test_a_frame_that_is_too_long_ends_the_connection_and_hands_out_its_descriptors() -> None:
    decoder: Decoder[protocol.Frame] = Decoder(protocol.Frame)
    with pytest.raises(FrameTooLong):
        decoder.feed(framing.LENGTH.pack(protocol.MAX_FRAME + 1), (5,))
    assert decoder.abandoned() == (5,)


def test_too_long_a_value_is_not_sent() -> None:
    legs = tuple(protocol.LegState("x" * 64, "y" * 64) for _ in range(1000))
    with pytest.raises(FrameTooLong):
        framing.encode(protocol.Answer(1, protocol.Surveyed(legs, more=False)))


@settings(max_examples=60)
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_octets_end_in_values_or_in_a_documented_error(first: bytes, second: bytes) -> None:
    decoder: Decoder[protocol.Frame] = Decoder(protocol.Frame)
    framed = framing.LENGTH.pack(len(first)) + first
    try:
        found = decoder.feed(framed) + decoder.feed(second)
    except FrameTooLong:
        return
    assert isinstance(found[0].value, Malformed | protocol.Request | protocol.Answer | protocol.Told)
