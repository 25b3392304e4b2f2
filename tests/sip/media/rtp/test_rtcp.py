"""RTCP compounds, read and built."""

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.rtp import rtcp
from sip.media.rtp.rtcp import Block, Compound, NotRtcp, Report, Sender

pytestmark = pytest.mark.unit

BLOCK = Block(7, 51, -3, 0x00012345, 12, 0xAABBCCDD, 0x8000)
SENDER = Report(9, Sender(0xE0000000_80000000, 160, 3, 480), (BLOCK,))


def test_a_senders_report_is_written_as_the_rfc_says() -> None:
    octets = rtcp.build(SENDER, "a@b")
    assert octets.hex() == (
        "81c8000c" "00000009" "e000000080000000" "000000a0" "00000003" "000001e0"
        "00000007" "33fffffd" "00012345" "0000000c" "aabbccdd" "00008000"
        "81ca0003" "00000009" "0103614062" "000000"
    )  # fmt: skip
    assert rtcp.parse(octets) == Compound((SENDER,), {9: "a@b"})


def test_a_receivers_report_and_a_bye() -> None:
    report = Report(9, None, (BLOCK, BLOCK))
    got = rtcp.parse(rtcp.build(report, "x", bye="call ended"))
    assert got == Compound((report,), {9: "x"}, (9,), "call ended")
    assert rtcp.parse(rtcp.build(report, "x", bye="")).byes == (9,)


numbers = st.integers(0, 2**32 - 1)
blocks = st.builds(
    Block, numbers, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), numbers, numbers, numbers, numbers
)
senders = st.none() | st.builds(Sender, st.integers(0, 2**64 - 1), numbers, numbers, numbers)
reports = st.builds(Report, numbers, senders, st.lists(blocks, max_size=4).map(tuple))
names = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=60)
@given(reports, names, st.none() | names)
def test_what_is_built_is_read_back(report: Report, cname: str, bye: str | None) -> None:
    octets = rtcp.build(report, cname, bye)
    byes = () if bye is None else (report.ssrc,)
    assert len(octets) % 4 == 0
    assert rtcp.parse(octets) == Compound((report,), {report.ssrc: cname}, byes, bye or "")


def test_loss_beyond_its_field_stays_at_its_end() -> None:
    for lost, wanted in ((10**8, 0x7FFFFF), (-(10**8), -0x800000)):
        report = Report(1, None, (Block(1, 0, lost, 0, 0, 0, 0),))
        assert rtcp.parse(rtcp.build(report)).reports[0].blocks[0].lost == wanted


def packet(kind: int, body: bytes, count: int = 0, first: int = 0x80) -> bytes:
    return bytes((first | count, kind)) + pack(">H", len(body) // 4) + body


def test_reduced_size_and_packets_of_other_types() -> None:
    assert rtcp.parse(packet(rtcp.BYE, pack(">II", 1, 2), 2)).byes == (1, 2)
    assert rtcp.parse(packet(205, bytes(8)) + packet(204, bytes(8))) == Compound()
    assert rtcp.parse(packet(rtcp.SDES, b"")) == Compound()
    assert rtcp.parse(packet(rtcp.RR, pack(">I", 5) + b"extension of a profile..", 0)).reports == (
        Report(5, None),
    )


def test_descriptions_of_several_sources_with_other_items() -> None:
    body = pack(">I", 1) + b"\2\3Bob\1\1a" + bytes(4) + pack(">I", 2) + b"\1\2bc\0\0\0\0"
    assert rtcp.parse(packet(rtcp.SDES, body, 2)).cnames == {1: "a", 2: "bc"}


def test_padding_of_the_last_packet() -> None:
    padded = packet(rtcp.BYE, pack(">I", 1) + b"\0\0\0\4", 1, first=0xA0)
    assert rtcp.parse(padded).byes == (1,)
    with pytest.raises(NotRtcp, match="padding"):
        rtcp.parse(padded + packet(rtcp.BYE, pack(">I", 1), 1))


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "0 octets"),
        (b"\x80\xc9\0", "3 octets"),
        (bytes(1476), "1476 octets"),
        (packet(rtcp.RR, bytes(4), first=0x40), "version 1"),
        (packet(rtcp.RR, bytes(4))[:-1], "after its datagram"),
        (packet(rtcp.RR, bytes(4)) + b"\x80\xc9", "after the last"),
        (packet(rtcp.RR, bytes(4), 1), "1 blocks"),
        (packet(rtcp.SR, bytes(20)), "0 blocks"),
        (packet(rtcp.RR, b""), "0 blocks"),
        (packet(rtcp.SDES, bytes(4), 1), "without an end"),
        (packet(rtcp.SDES, b"", 1), "without a source"),
        (packet(rtcp.SDES, bytes(4) + b"\1\7abcdef", 1), "item"),
        (packet(rtcp.BYE, bytes(4), 2), "2 sources"),
        (packet(rtcp.BYE, bytes(4) + b"\4abc", 1), "reason"),
        (packet(rtcp.BYE, bytes(4) + b"\0\0\0\0", 1, first=0xA0), "padding of 0"),
        (packet(rtcp.BYE, bytes(4) + b"\0\0\0\x0c", 1, first=0xA0), "padding of 12"),
    ],
)
def test_what_is_no_rtcp_is_refused_by_name(octets: bytes, what: str) -> None:
    with pytest.raises(NotRtcp, match=what):
        rtcp.parse(octets)


likely = st.lists(
    st.builds(
        lambda kind, count, body, first: packet(kind, body + bytes(-len(body) % 4), count, first),
        st.integers(199, 208), st.integers(0, 31), st.binary(max_size=60),
        st.sampled_from([0x80, 0x80, 0xA0, 0x40]),
    ),
    max_size=4,
).map(b"".join)  # fmt: skip


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=80), likely))
def test_any_octets_end_in_reports_or_in_not_rtcp(octets: bytes) -> None:
    try:
        got = rtcp.parse(octets)
    except NotRtcp:
        return
    assert all(-(2**23) <= block.lost < 2**23 for report in got.reports for block in report.blocks)


def test_round_trip_as_in_the_rfcs_example() -> None:
    # RFC 3550, figure 2: SR at 0xb705.2000, delay 5.25 s, answer at 0xb710.8000: 6.125 s.
    now = 0xB44D_B705_2000_0000 + (0x000B_6000 << 16)
    answer = Block(1, 0, 0, 0, 0, rtcp.middle(0xB44D_B705_2000_0000), 0x0005_4000)
    assert rtcp.round_trip_ms(answer, now) == 6125.0


def test_a_round_trip_that_cannot_be_is_none() -> None:
    now = rtcp.ntp(1_700_000_000_000_000)
    assert rtcp.round_trip_ms(Block(1, 0, 0, 0, 0, 0, 5), now) is None
    assert rtcp.round_trip_ms(Block(1, 0, 0, 0, 0, rtcp.middle(now), 0x10000), now) is None
    assert rtcp.round_trip_ms(Block(1, 0, 0, 0, 0, rtcp.middle(now), 1), now) == 0.0
    assert rtcp.round_trip_ms(Block(1, 0, 0, 0, 0, rtcp.middle(now) - (90 << 16), 0), now) is None


def test_round_trip_across_a_wrap_of_the_middle_bits() -> None:
    sent = rtcp.ntp(1_700_000_000_000_000) & ~(0xFFFFFFFF << 16) | 0xFFFFF000 << 16
    answer = Block(1, 0, 0, 0, 0, rtcp.middle(sent), rtcp.delay_since(1_000_000))
    now = sent + (1 << 32) + (1 << 32) * 40 // 1000
    assert rtcp.round_trip_ms(answer, now) == pytest.approx(40, abs=0.05)


def test_ntp_time() -> None:
    assert rtcp.ntp(0) == 2_208_988_800 << 32
    assert rtcp.ntp(500_000) & 0xFFFFFFFF == 1 << 31
    assert rtcp.delay_since(1_000_000) == 65_536
    assert rtcp.delay_since(-5) == 0
    assert rtcp.delay_since(10**12) == 0xFFFFFFFF


def test_intervals_lie_between_half_and_one_and_a_half_and_the_first_is_half() -> None:
    assert rtcp.interval(0.0) == pytest.approx(2.5 / 1.21828)
    assert rtcp.interval(1.0) == pytest.approx(7.5 / 1.21828)
    assert rtcp.interval(0.5, first=True) == pytest.approx(2.5 / 1.21828)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="31"):
        rtcp.build(Report(1, None, (BLOCK,) * 32))
    with pytest.raises(ValueError, match="255"):
        rtcp.build(Report(1, None), "x" * 256)
