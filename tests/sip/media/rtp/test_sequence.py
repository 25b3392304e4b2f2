"""Order, loss and jitter in batches, compared with RFC 3550's appendix, one packet after the other."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.rtp.rounds import occurrences, rounds
from sip.media.rtp.sequence import Order, Sequences

pytestmark = pytest.mark.unit

MOD = 65536


@dataclass
class Appendix:
    """RFC 3550 §A.1, §A.3 and §A.8 for one stream."""

    probation: int = 0
    ssrc: int | None = None
    max_seq: int = 0
    cycles: int = 0
    base: int = 0
    bad: int = MOD + 1
    left: int = 0
    received: int = 0
    expected_prior: int = 0
    received_prior: int = 0
    jitter: int = 0
    transit: int | None = None
    results: list[tuple[int, int]] = field(default_factory=list)

    def init(self, seq: int) -> None:
        self.base = self.max_seq = seq
        self.bad, self.cycles, self.received = MOD + 1, 0, 0
        self.received_prior = self.expected_prior = 0
        self.transit, self.jitter = None, 0

    def update(self, ssrc: int, seq: int) -> Order:
        if ssrc != self.ssrc:
            self.ssrc = ssrc
            self.init(seq)
            if self.probation == 0:
                self.received = 1
                return Order.FRESH
            self.left, self.max_seq = self.probation, (seq - 1) % MOD
        delta = (seq - self.max_seq) % MOD
        if self.left:
            self.cycles = 0
            if delta == 1:
                self.left -= 1
                self.max_seq = seq
                if self.left == 0:
                    self.init(seq)
                    self.received = 1
                    return Order.FRESH
            else:
                self.left, self.max_seq = self.probation - 1, seq
                if self.left == 0:
                    return Order.REFUSED
            return Order.REFUSED
        if delta < 3000:
            if seq < self.max_seq:
                self.cycles += MOD
            self.max_seq = seq
        elif delta <= MOD - 100:
            if seq != self.bad:
                self.bad = (seq + 1) % MOD
                return Order.REFUSED
            self.init(seq)
            self.received = 1
            return Order.FRESH
        self.received += 1
        return Order.GOOD

    def arrive(self, timestamp: int, arrival: int) -> None:
        transit = (arrival - timestamp) % 2**32
        if self.transit is not None:
            d = (transit - self.transit) % 2**32
            d = min(d, 2**32 - d)
            self.jitter += d - ((self.jitter + 8) >> 4)
        self.transit = transit

    def report(self) -> tuple[int, int, int, int]:
        expected = 0 if self.left or self.ssrc is None else self.cycles + self.max_seq - self.base + 1
        due = expected - self.expected_prior
        lost = due - (self.received - self.received_prior)
        self.expected_prior, self.received_prior = expected, self.received
        fraction = 0 if due <= 0 or lost <= 0 else min((lost << 8) // due, 255)
        total = max(min(expected - self.received, 0x7FFFFF), -0x800000)
        return (self.cycles + self.max_seq) % 2**32, total, fraction, self.jitter >> 4


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


steps = st.one_of(
    st.integers(1, 3),
    st.integers(1, 3),
    st.just(1),
    st.integers(-4, 0),
    st.sampled_from([2999, 3000, 3001, -99, -100, -101, 5000, 1]),
)
packets = st.lists(
    st.tuples(st.integers(0, 3), steps, st.integers(0, 9), st.integers(0, 400)), min_size=1, max_size=60
)


@settings(max_examples=80)
@given(
    packets,
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
    st.sampled_from([0, 2]),
    st.integers(0, MOD - 1),
)
def test_batches_count_as_the_appendix_does_packet_by_packet(
    sent: list[tuple[int, int, int, int]], cuts: list[int], probation: int, start: int
) -> None:
    streams = Sequences(4, probation)
    streams.reset(np.arange(4))
    appendix = [Appendix(probation) for _ in range(4)]
    at, ssrcs, clock, seen = [start] * 4, [7] * 4, 0, set[int]()
    lines = []
    for row, step, coin, wait in sent:
        if coin == 0 and step == 1:
            ssrcs[row] += 1
        at[row] = (at[row] + step) % MOD
        clock += wait
        lines.append((row, ssrcs[row], at[row], at[row] * 160, clock * 125))
    taken = 0
    for turn in range(len(lines)):
        part = lines[taken : taken + cuts[turn % len(cuts)]]
        if not part:
            break
        taken += len(part)
        rows, ssrc, seq, ts, arrived = (np.array(column, np.int64) for column in zip(*part, strict=True))
        got = streams.update(rows, ssrc, seq)
        keep = got.order != Order.REFUSED
        streams.arrivals(rows[keep], ts[keep], arrived[keep], got.order[keep])
        for place, (row, one, number, stamp, when) in enumerate(part):
            seen.add(row)
            wanted = appendix[row].update(one, number)
            assert got.order[place] == wanted, (place, part)
            assert got.sequence[place] % MOD == number
            assert got.sequence[place] >= 0
            if wanted != Order.REFUSED:
                appendix[row].arrive(stamp, when // 125)
        for row in sorted(seen):
            if appendix[row].left == 0:
                report = streams.report(array(row))
                assert tuple(int(column[0]) for column in report) == appendix[row].report()
                assert streams.received(array(row))[0] == appendix[row].received


def test_numbers_go_on_where_they_wrap_and_what_was_overtaken_is_lower() -> None:
    streams = Sequences(1)
    streams.reset(array(0))
    got = streams.update(np.zeros(5, np.intp), np.full(5, 9), array(65534, 65535, 1, 0, 2))
    assert (np.diff(got.sequence)).tolist() == [1, 2, -1, 2]
    assert got.order.tolist() == [Order.FRESH, 0, 0, 0, 0]
    assert streams.lost(array(0)).tolist() == [0]
    assert streams.report(array(0)).highest.tolist() == [65536 + 2]


def test_loss_and_duplicates() -> None:
    streams = Sequences(1)
    streams.reset(array(0))
    streams.update(np.zeros(4, np.intp), np.full(4, 9), array(10, 12, 14, 14))
    loss = streams.report(array(0))
    assert (loss.lost[0], loss.fraction[0]) == (1, 256 // 5)
    streams.update(np.zeros(3, np.intp), np.full(3, 9), array(14, 14, 14))
    loss = streams.report(array(0))
    assert (loss.lost[0], loss.fraction[0]) == (-2, 0), "more than were sent: negative, and no fraction"


def test_a_stream_that_never_began_reports_nothing() -> None:
    streams = Sequences(2)
    streams.reset(array(0, 1))
    assert streams.lost(array(0, 1)).tolist() == [0, 0]
    assert streams.report(array(0)).lost.tolist() == [0]


def test_jitter_of_packets_ten_milliseconds_early_and_late() -> None:
    streams = Sequences(1)
    streams.reset(array(0))
    numbers = np.arange(500)
    got = streams.update(np.zeros(500, np.intp), np.full(500, 1), numbers)
    arrivals = numbers * 20_000 + (numbers % 2) * 10_000
    streams.arrivals(np.zeros(500, np.intp), numbers * 160, arrivals, got.order)
    assert streams.jitter_ms(array(0))[0] == pytest.approx(10, abs=0.2)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_rounds_hold_every_place_once_and_a_row_in_its_order(rows: list[int]) -> None:
    turns = [turn.tolist() for turn in rounds(np.array(rows, np.intp))]
    assert sorted(place for turn in turns for place in turn) == list(range(len(rows)))
    for turn in turns:
        assert len({rows[place] for place in turn}) == len(turn)
    for row in set(rows):
        places = [place for turn in turns for place in turn if rows[place] == row]
        assert places == sorted(places)
    if rows:
        assert occurrences(np.array(rows, np.intp)).tolist() == [
            rows[:i].count(r) for i, r in enumerate(rows)
        ]
