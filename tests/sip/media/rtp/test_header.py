"""RTP headers in batches, compared with a parser of one packet."""

from struct import unpack_from

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.rtp.header import Headers, Reason, build, is_rtcp, parse

pytestmark = pytest.mark.unit

SIZE = 96


def batch(packets: list[bytes], size: int = SIZE, filler: int = 0xFF) -> Headers:
    buffer = np.full((len(packets), size), filler, np.uint8)
    for row, packet in enumerate(packets):
        cut = packet[:size]
        buffer[row, : len(cut)] = np.frombuffer(cut, np.uint8)
    return parse(buffer, np.array([len(packet) for packet in packets], np.uint32))


def reference(packet: bytes, size: int = SIZE) -> tuple[object, ...] | Reason:
    """One packet by RFC 3550 §5.1, read octet by octet."""
    if len(packet) < 12:
        return Reason.SHORT
    if len(packet) > size:
        return Reason.LONG
    if packet[0] >> 6 != 2:
        return Reason.VERSION
    rest = packet[12:]
    sources = 4 * (packet[0] & 15)
    if len(rest) < sources:
        return Reason.CSRC
    rest = rest[sources:]
    if packet[0] & 0x10:
        if len(rest) < 4:
            return Reason.EXTENSION
        octets = 4 * unpack_from(">H", rest, 2)[0]
        rest = rest[4:]
        if len(rest) < octets:
            return Reason.EXTENSION
        rest = rest[octets:]
    at = len(packet) - len(rest)
    if packet[0] & 0x20:
        if packet[-1] == 0 or packet[-1] > len(rest):
            return Reason.PADDING
        rest = rest[: -packet[-1]]
    sequence, timestamp, ssrc = unpack_from(">HII", packet, 2)
    return bool(packet[1] & 0x80), packet[1] & 0x7F, sequence, timestamp, ssrc, at, len(rest)


def row_of(headers: Headers, row: int) -> tuple[object, ...] | Reason:
    if not headers.valid[row]:
        return Reason(headers.reason[row])
    assert headers.reason[row] == Reason.GOOD
    columns = headers[2:]
    return tuple(column[row].item() for column in columns)


def packet(first: int = 0x80, second: int = 0, rest: bytes = b"") -> bytes:
    return bytes((first, second)) + bytes.fromhex("1234 89abcdef 01020304") + rest


def test_a_plain_packet() -> None:
    assert row_of(batch([packet(second=0x88, rest=b"speech")]), 0) == (
        True, 8, 0x1234, 0x89ABCDEF, 0x01020304, 12, 6,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "octets", "wanted"),
    [
        ("nothing", b"", Reason.SHORT),
        ("eleven octets", packet()[:11], Reason.SHORT),
        ("no payload", packet(), (12, 0)),
        ("version 1", packet(0x40, rest=b"x"), Reason.VERSION),
        ("version 3", packet(0xC0, rest=b"x"), Reason.VERSION),
        ("two sources", packet(0x82, rest=bytes(8) + b"abc"), (20, 3)),
        ("two sources, one there", packet(0x82, rest=bytes(4)), Reason.CSRC),
        ("fifteen sources", packet(0x8F, rest=bytes(60)), (72, 0)),
        ("an empty extension", packet(0x90, rest=b"\xbe\xde\0\0" + b"abc"), (16, 3)),
        ("an extension of a word", packet(0x90, rest=b"\xbe\xde\0\1wordabc"), (20, 3)),
        ("half an extension's head", packet(0x90, rest=b"\xbe\xde"), Reason.EXTENSION),
        ("an extension beyond the end", packet(0x90, rest=b"\xbe\xde\0\2word"), Reason.EXTENSION),
        ("the longest extension", packet(0x90, rest=b"\xbe\xde\xff\xffword"), Reason.EXTENSION),
        ("padding", packet(0xA0, rest=b"abc\0\2"), (12, 3)),
        ("padding only", packet(0xA0, rest=b"\0\0\0\4"), (12, 0)),
        ("padding of none", packet(0xA0, rest=b"abc\0"), Reason.PADDING),
        ("padding without a payload", packet(0xA0), Reason.PADDING),
        ("more padding than payload", packet(0xA0, rest=b"\0\4"), Reason.PADDING),
        ("padding into the extension", packet(0xB0, rest=b"\xbe\xde\0\1\0\0\0\1"), Reason.PADDING),
        ("all of it", packet(0xB1, rest=b"csrc\xbe\xde\0\1wordabc\1"), (24, 3)),
        ("as long as its buffer", packet(rest=bytes(SIZE - 12)), (12, SIZE - 12)),
        ("longer than its buffer", packet(rest=bytes(SIZE - 11)), Reason.LONG),
    ],
)
def test_a_header_of_rfc_3550(name: str, octets: bytes, wanted: object) -> None:
    headers = batch([packet(rest=b"good"), octets])
    row = row_of(headers, 1)
    assert (row if isinstance(row, Reason) else row[-2:]) == wanted
    assert row == reference(octets)
    assert row_of(headers, 0) == reference(packet(rest=b"good")), "its neighbour is undisturbed"


likely = st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.sampled_from([0x80, 0x80, 0x81, 0x90, 0xA0, 0xB0, 0xB1, 0xA2, 0x40]),
    st.integers(0, 255),
    st.binary(max_size=SIZE),
)
extended = st.builds(
    lambda first, sources, words, rest: packet(
        first | sources, rest=bytes(4 * sources) + b"\xbe\xde" + words.to_bytes(2, "big") + rest
    ),
    st.sampled_from([0x90, 0xB0]),
    st.integers(0, 3),
    st.integers(0, 4),
    st.binary(max_size=24),
)


@settings(max_examples=80)
@given(st.lists(st.one_of(st.binary(max_size=SIZE + 8), likely, extended), min_size=1, max_size=12))
def test_any_octets_end_in_a_right_row_or_in_a_reason(packets: list[bytes]) -> None:
    headers = batch(packets)
    for row, octets in enumerate(packets):
        assert row_of(headers, row) == reference(octets)


def test_thousands_of_random_packets_are_read_as_one_by_one() -> None:
    chance = np.random.default_rng(1)
    packets = []
    for _ in range(2500):
        octets = bytearray(chance.bytes(int(chance.integers(8, SIZE))))
        octets[0] = (octets[0] & 0x33) | 0x80
        if octets[0] & 0x10 and len(octets) > 30:
            at = 12 + 4 * (octets[0] & 15)
            octets[at + 2 : at + 4] = int(chance.integers(0, 8)).to_bytes(2, "big")
        packets.append(bytes(octets))
    headers = batch(packets)
    for row, octets in enumerate(packets):
        assert row_of(headers, row) == reference(octets)
    assert headers.valid.sum() > 500
    assert set(headers.reason.tolist()) >= {0, 1, 3, 4, 5}


def test_no_packets_are_no_rows() -> None:
    assert batch([]).valid.shape == (0,)


def test_what_is_built_is_read_back() -> None:
    out = np.zeros((3, 172), np.uint8)
    build(
        out,
        np.array([0, 65535, 65536 + 5]),
        np.array([0, 2**32 - 1, 2**32 + 7]),
        np.array([1, 2**32 - 1, 3]),
        np.array([0, 8, 127], np.uint8),
        np.array([False, True, False]),
    )
    headers = parse(out, np.full(3, 172))
    assert headers.valid.all()
    assert headers.sequence.tolist() == [0, 65535, 5]
    assert headers.timestamp.tolist() == [0, 2**32 - 1, 7]
    assert headers.ssrc.tolist() == [1, 2**32 - 1, 3]
    assert headers.payload_type.tolist() == [0, 8, 127]
    assert headers.marker.tolist() == [False, True, False]
    assert headers.at.tolist() == [12, 12, 12]
    assert headers.length.tolist() == [160, 160, 160]
    build(out, np.arange(3), np.arange(3), np.arange(3), np.zeros(3, np.uint8))
    assert not parse(out, np.full(3, 172)).marker.any()


def test_rtcp_on_a_port_that_is_shared_is_told_apart() -> None:
    seconds = [0, 0x80, 0x88, 191, 192, 200, 201, 202, 203, 207, 223, 224, 0x80 | 101]
    buffer = np.zeros((len(seconds), 12), np.uint8)
    buffer[:, 1] = seconds
    assert [s for s, yes in zip(seconds, is_rtcp(buffer), strict=True) if yes] == [
        192,
        200,
        201,
        202,
        203,
        207,
        223,
    ]
