"""Digits by RFC 4733: what is told of packets that come late, twice or not at all, and what is sent."""

from struct import pack, unpack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.rtp.events import DIGITS, LONG_MS, EventReceiver, EventSender, Pressed

pytestmark = pytest.mark.unit

Packet = tuple[int, str, bool, int, bool]
"""timestamp, digit, end, duration, marker"""


def digit(code: str, stamp: int, ms: int = 100, step: int = 160) -> list[Packet]:
    """What a good peer sends."""
    units = ms * 8
    packets = [(stamp, code, False, at, at == step) for at in range(step, units, step)]
    return [*packets, *[(stamp, code, True, units, False)] * 3]


class Peer:
    """A receiver to which packets come 20 ms apart."""

    def __init__(self, clock: int = 8000) -> None:
        self.receiver = EventReceiver(4)
        self.receiver.reset(np.arange(4), clock)
        self.now = 0

    def hears(self, packets: list[Packet], row: int = 0) -> list[Pressed]:
        told = []
        for packet in packets:
            told += self.takes([packet], row)
        return told

    def takes(self, packets: list[Packet], row: int = 0) -> list[Pressed]:
        self.now += 20_000
        buffer = np.zeros((len(packets), 16), np.uint8)
        for place, (_, code, end, duration, _) in enumerate(packets):
            octets = pack(">BBH", DIGITS.index(code), 10 | end << 7, duration)
            buffer[place, 12:] = np.frombuffer(octets, np.uint8)
        count = len(packets)
        told = self.receiver.process(
            np.full(count, row, np.intp), np.array([p[0] % 2**32 for p in packets], np.int64),
            np.array([p[4] for p in packets]), buffer,
            np.full(count, 12, np.intp), np.full(count, 4, np.intp), np.full(count, self.now, np.int64),
        )  # fmt: skip
        return told + self.receiver.tick(self.now)

    def waits(self, ms: int) -> list[Pressed]:
        self.now += ms * 1000
        return self.receiver.tick(self.now)


def said(told: list[Pressed]) -> list[tuple[str, int]]:
    return [(one.digit, one.ms) for one in told]


def test_each_digit_is_told_once_with_its_length_and_beginning() -> None:
    peer = Peer()
    told = []
    for place, code in enumerate(DIGITS):
        told += peer.hears(digit(code, place * 4000, 40 + 20 * place))
    assert said(told) == [(code, 40 + 20 * place) for place, code in enumerate(DIGITS)]
    assert told[0].at_us == 20_000
    assert peer.waits(1000) == []


@pytest.mark.parametrize("lost", range(7))
def test_any_packet_may_be_lost(lost: int) -> None:
    packets = digit("5", 0)
    peer = Peer()
    told = peer.hears(packets[:lost] + packets[lost + 1 :])
    assert said(told + peer.waits(200)) == [("5", 100)]


def test_all_ends_may_be_lost() -> None:
    peer = Peer()
    assert peer.hears(digit("5", 0)[:4]) == []
    assert peer.waits(140) == []
    assert said(peer.waits(20)) == [("5", 80)]
    assert peer.hears(digit("5", 0)[4:]) == [], "they came after all: told already"


def test_the_next_digit_ends_one_whose_end_was_lost() -> None:
    peer = Peer()
    assert said(peer.hears(digit("5", 0)[:4] + digit("5", 2000))) == [("5", 80), ("5", 100)]


def test_packets_out_of_order_and_in_one_batch() -> None:
    packets = digit("7", 100)
    peer = Peer()
    assert said(peer.takes([packets[0], packets[5], packets[2], packets[3], packets[6]])) == [("7", 100)]
    assert peer.takes([packets[1]]) == []


def test_a_straggler_of_the_digit_before_is_not_told_again() -> None:
    one, two = digit("1", 0), digit("2", 1600)
    peer = Peer()
    assert said(peer.hears([*one[:-1], *two[:2], one[-1], *two[2:], one[-1]])) == [("1", 100), ("2", 100)]


def test_timestamps_wrap() -> None:
    peer = Peer()
    stamp = 2**32 - 400
    assert said(peer.hears(digit("9", stamp) + digit("9", stamp + 1600))) == [("9", 100)] * 2


def test_a_long_digit_is_one_and_told_when_it_is_long_enough() -> None:
    peer = Peer()
    packets = [(0, "3", False, units, units == 160) for units in range(160, 65_440 + 1, 160)]
    packets += [(0, "3", False, 65_535, False)]
    packets += [(65_535, "3", False, units, False) for units in range(65, 8000, 160)]
    packets += [(65_535, "3", True, 8000, False)] * 3
    assert said(peer.hears(packets)) == [("3", LONG_MS)]


def test_a_digit_of_several_segments_at_a_fast_clock() -> None:
    peer = Peer(clock=48_000)
    packets = [(0, "3", False, units, units == 960) for units in range(960, 65_535, 960)] + [
        (0, "3", False, 65_535, False)
    ]
    packets += [(65_535, "3", False, units, False) for units in range(705, 20_000, 960)]
    packets += [(65_535, "3", True, 20_000, False)] * 3
    assert said(peer.hears(packets)) == [("3", (65_535 + 20_000) * 1000 // 48_000)]


def test_a_peer_that_counts_its_timestamps_on_within_a_digit() -> None:
    peer = Peer()
    packets = [(160 * n, "4", False, 160 * n, n == 1) for n in range(1, 5)] + [
        (800, "4", True, 800, False)
    ] * 3
    assert said(peer.hears(packets)) == [("4", 100)]


def test_a_peer_whose_timestamps_mean_nothing() -> None:
    peer = Peer()
    told = peer.hears(
        digit("1", 4_000_000_000) + digit("2", 17) + digit("2", 2_000_000_000) + digit("3", 1_999_900_000)
    )
    assert said(told) == [("1", 100), ("2", 100), ("2", 100), ("3", 100)]


def test_a_clock_that_starts_again_with_a_marker() -> None:
    peer = Peer()
    assert said(peer.hears(digit("1", 5000) + digit("1", 4000))) == [("1", 100), ("1", 100)]


def test_what_is_no_digit_is_counted_and_disturbs_nobody() -> None:
    receiver = EventReceiver(2)
    buffer = np.zeros((3, 8), np.uint8)
    buffer[1, 0] = 36
    lengths = np.array([3, 4, 0])
    got = receiver.process(
        np.array([0, 1, 1]), np.zeros(3, np.int64), np.zeros(3, bool), buffer, np.zeros(3, np.intp), lengths,
        np.zeros(3, np.int64),
    )  # fmt: skip
    assert got == []
    assert receiver.malformed.tolist() == [1, 1]
    assert receiver.unknown.tolist() == [0, 1]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1),
            st.sampled_from(DIGITS),
            st.booleans(),
            st.integers(0, 65535),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_any_packets_end_in_digits(packets: list[Packet]) -> None:
    peer = Peer()
    told = peer.hears(packets) + peer.waits(1000)
    assert len(told) <= len(packets)
    assert all(0 <= one.ms <= LONG_MS for one in told)
    assert peer.waits(1000) == []


def test_streams_are_apart_and_forgotten() -> None:
    peer = Peer()
    told = []
    for one, two in zip(digit("1", 0), digit("2", 0), strict=True):
        told += peer.takes([one], 1) + peer.takes([two], 2)
    assert [(one.row, one.digit) for one in told] == [(1, "1"), (2, "2")]
    peer.takes(digit("3", 9000)[:2], 1)
    peer.receiver.reset(np.array([1]))
    assert peer.waits(1000) == []


def sent(
    sender: EventSender, row: int = 3, frames: int = 400, step: int = 160
) -> tuple[list[Packet], list[int], int]:
    """Packets, the frames in which there were some, and the frame after which all was sent."""
    packets, when = [], []
    for frame in range(frames):
        stamps = np.zeros(row + 1, np.int64)
        stamps[row] = frame * step + 2**32 - 320
        got, done = sender.due(stamps)
        for place in range(len(got.rows)):
            assert got.rows[place] == row
            code, flags, duration = unpack(">BBH", got.payload[place].tobytes())
            assert flags & 0x7F == 10
            packets.append(
                (
                    int(got.timestamp[place]),
                    DIGITS[code],
                    bool(flags & 0x80),
                    duration,
                    bool(got.marker[place]),
                )
            )
            when.append(frame)
        if done:
            assert done == [row]
            return packets, when, frame
    raise AssertionError("never done")


def test_a_digit_is_sent_as_the_rfc_says() -> None:
    sender = EventSender()
    sender.send(3, "5")
    packets, when, last = sent(sender)
    assert packets == digit("5", 2**32 - 320)
    assert when == list(range(7)), "every 20 ms, its end three times"
    assert last == 9, "100 ms and a gap of 100"
    assert sender.sending() == []


def test_digits_are_sent_one_after_the_other_and_received() -> None:
    sender = EventSender()
    sender.send(3, "12#", tone_ms=70, gap_ms=10)
    sender.send(3, "2")
    packets, when, last = sent(sender)
    assert [packet[0] for packet in packets if packet[4]] == [
        (2**32 - 320 + n * 960) % 2**32 for n in range(4)
    ]
    assert last == 4 * 6 - 1
    assert len(set(when)) == len(when)
    assert said(Peer().hears(packets)) == [("1", 70), ("2", 70), ("#", 70), ("2", 70)]


def test_a_long_digit_is_sent_in_segments() -> None:
    sender = EventSender()
    sender.send(3, "8", tone_ms=8000, clock=48_000)
    packets, _, _ = sent(sender, frames=500, step=960)
    assert len({packet[0] for packet in packets}) == 6
    assert [packet[4] for packet in packets].count(True) == 1
    assert all(packet[3] <= 0xFFFF for packet in packets)
    assert said(Peer(48_000).hears(packets)) == [("8", 8000)]


def test_what_is_stopped_sends_nothing_and_what_is_no_digit_is_refused() -> None:
    sender = EventSender()
    sender.send(3, "123")
    sender.stop(3)
    assert len(sender.due(np.zeros(4, np.int64))[0].rows) == 0
    with pytest.raises(ValueError, match="substring"):
        sender.send(3, "x")
