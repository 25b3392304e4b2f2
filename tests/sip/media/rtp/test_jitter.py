"""The jitter buffers beside a simple one of a stream, on the same packets; and what they conceal."""

import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.media.rtp.jitter import JitterBuffers, Status
from tests.support.jitter import flow

pytestmark = pytest.mark.unit

F = 20_000


@dataclass
class Simple:
    """One stream, written down as the rules say, in plain Python: frames are dictionaries of octets."""

    octets: int = 160
    units: int = 160
    frames: dict[int, dict[int, int]] = field(default_factory=dict)
    history: set[int] = field(default_factory=set)
    high: int | None = None
    time: int = 0
    phase: int = 0
    playing: bool = False
    cursor: int = 0
    newest: int | None = None
    gap: range = range(0)
    missed: int = 0
    since: int = 0
    fastest: int | None = None
    previous: int = 0
    jitter: int = 0
    highest: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    concealed: int = 0
    played: int = 0

    def stop(self) -> None:
        self.frames, self.newest, self.playing, self.missed, self.gap = {}, None, False, 0, range(0)

    def forget(self) -> None:
        self.stop()
        self.history, self.high, self.phase, self.since = set(), None, 0, 0
        self.fastest, self.jitter, self.highest = None, 0, 0

    def target(self) -> int:
        return min(max(min(self.highest, 5 * (self.jitter >> 4)), 20_000), 200_000)

    def insert(  # noqa: C901 — the rules in their order
        self, seq: int, ts: int, payload: bytes, now: int, marker: bool, fresh: bool
    ) -> None:
        if not 0 < len(payload) <= 6 * self.octets:
            return
        if fresh:
            self.forget()
        first = self.high is None
        before = seq - 1 if self.high is None else self.high
        if not first and seq <= before and (seq in self.history or seq <= before - 64):
            self.duplicates += 1
            return
        self.history.add(seq)
        newer, follows = first or seq > before, not first and seq == before + 1
        self.high = max(before, seq)
        time = ts + 2**32 if first else self.time + ((ts - self.time + 2**31) % 2**32 - 2**31)
        if newer:
            self.time = time
        time += self.phase
        transit = now - time // self.units * F
        if self.fastest is not None and abs(transit - self.fastest) > 1_000_000:
            self.restarts += 1
            self.stop()
        if self.newest is None and time % self.units:
            add = -time % self.units
            self.phase += add
            time += add
            shift = add * F // self.units
            transit = now - time // self.units * F
            if self.fastest is not None:
                self.fastest -= shift
            self.previous -= shift
        self.learn(transit)
        frame, within = time // self.units, time % self.units * (self.octets // self.units)
        last = frame + (within + len(payload) - 1) // self.octets
        if self.playing and (last >= self.cursor + 16 or (newer and last < self.cursor - 16)):
            self.restarts += 1
            self.stop()
        if self.newest is None:
            self.newest = last
            self.cursor = max(frame, last - 15)
        else:
            if newer and (follows or marker) and frame > self.newest + 1:
                self.gap = range(self.newest + 1, frame)
            self.newest = max(self.newest, last)
            if not self.playing:
                self.cursor = max(min(self.cursor, frame), self.newest - 15)
        self.store(frame * self.octets + within, payload)
        if last < self.cursor:
            self.late += 1

    def learn(self, transit: int) -> None:
        if self.fastest is None or abs(transit - self.fastest) > 1_000_000:
            self.fastest = transit
        else:
            self.fastest = min(self.fastest + 2, transit)
            self.jitter += abs(transit - self.previous) - ((self.jitter + 8) >> 4)
        lateness = transit - self.fastest
        self.highest = max(lateness, self.highest - ((self.highest - lateness) >> 9))
        self.previous = transit

    def store(self, position: int, payload: bytes) -> None:
        pieces: dict[int, dict[int, int]] = {}
        for place, octet in enumerate(payload, position):
            pieces.setdefault(place // self.octets, {})[place % self.octets] = octet
        for frame, piece in pieces.items():
            if frame < self.cursor:
                continue
            there = self.frames.setdefault(frame, {})
            if not there or (min(piece) <= max(there) + 1 and max(piece) + 1 >= min(there)):
                there.update(piece)

    def has(self, frame: int) -> bool:
        return len(self.frames.get(frame, {})) == self.octets

    def play(self, now: int, quiet: bool) -> tuple[Status, bytes]:
        if not self.playing:
            if self.newest is None or self.fastest is None or self.age(now) < self.target():
                return Status.EMPTY, b""
            self.playing = True
            self.cursor += min((self.age(now) - self.target()) // F, self.newest - self.cursor)
        assert self.newest is not None
        excess = self.age(now) - self.target()
        missing = not self.has(self.cursor)
        silent = self.cursor in self.gap
        still = quiet or silent
        self.since += 1
        if self.has(self.cursor + 1) and (
            (missing and excess >= F)
            or (still and excess >= 30_000)
            or (excess >= 100_000 and self.since >= 25)
        ):
            self.cursor += 1
            self.since = 0
            missing = False
        hold = (missing and excess < 0) or (not missing and still and excess <= -F)
        due, nothing_behind = self.cursor, self.newest < self.cursor
        if not hold:
            self.cursor += 1
        self.missed = self.missed + 1 if missing else 0
        if missing and self.missed > 5 and nothing_behind:
            self.stop()
            return Status.EMPTY, b""
        if missing and silent:
            return Status.EMPTY, b""
        self.played += 1
        if missing or hold:
            self.concealed += 1
            return Status.LOST, b""
        return Status.GOOD, bytes(self.frames[due][place] for place in range(self.octets))

    def age(self, now: int) -> int:
        assert self.fastest is not None
        return now - self.cursor * F - self.fastest


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class Both:
    """The buffers and the simple ones, given the same; whatever `play` says is compared."""

    def __init__(self, rows: int, octets: int = 160, units: int = 160) -> None:
        self.buffers = JitterBuffers(rows, octets)
        self.rows = np.arange(rows)
        self.buffers.reset(self.rows, octets, units)
        self.simple = [Simple(octets, units) for _ in range(rows)]
        self.octets = octets

    def insert(self, packets: list[tuple[int, int, int, bytes, int, bool, bool]]) -> None:
        if not packets:
            return
        rows, seqs, stamps, payloads, times, marks, fresh = (
            list(part) for part in zip(*packets, strict=True)
        )
        buffer = np.full((len(packets), 12 + self.octets * 7), 0xEE, np.uint8)
        for place, payload in enumerate(payloads):
            buffer[place, 12 : 12 + len(payload)] = np.frombuffer(payload, np.uint8)
        self.buffers.insert(
            np.array(rows, np.intp), column(*seqs), column(*stamps), buffer,
            np.full(len(packets), 12, np.intp), np.array([len(payload) for payload in payloads], np.intp),
            column(*times), np.array(marks), np.array(fresh),
        )  # fmt: skip
        for row, seq, stamp, payload, time, mark, new in packets:
            self.simple[row].insert(seq, stamp, payload, time, mark, new)

    def play(self, now: int, quiet: list[bool]) -> list[tuple[Status, bytes]]:
        out = np.zeros((len(self.rows), self.octets), np.uint8)
        status = np.zeros(len(self.rows), np.uint8)
        self.buffers.play(self.rows, now, out, status, np.array(quiet))
        got = [
            (Status(one), frame.tobytes() if one == Status.GOOD else b"")
            for one, frame in zip(status, out, strict=True)
        ]
        assert got == [one.play(now, still) for one, still in zip(self.simple, quiet, strict=True)]
        return got

    def agree(self) -> None:
        for name in ("late", "duplicates", "restarts", "concealed", "played"):
            assert getattr(self.buffers, name).tolist() == [getattr(one, name) for one in self.simple], name


def octets_of(row: int, stamp: int, count: int) -> bytes:
    """Payload that tells stream and time apart."""
    return bytes((row * 37 + (stamp + place) * 7 + (stamp + place) // 160) % 251 for place in range(count))


fates = st.tuples(
    st.sampled_from(
        ["sent"] * 12 + ["lost", "twice", "pause", "long pause", "jump", "back", "source", "marked", "stall"]
    ),
    st.integers(0, 90),
    st.booleans(),
)


@settings(max_examples=40)
@given(
    st.lists(st.lists(fates, min_size=5, max_size=60), min_size=1, max_size=3),
    st.sampled_from([(80, 1), (160, 1), (160, 1), (240, 1), (480, 1), (160, 2)]),
    st.sampled_from([0, 2**32 - 2000, 77]),
    st.integers(0, 19_999),
)
def test_batches_decide_as_the_simple_buffer_does(
    lives: list[list[tuple[str, int, bool]]], shape: tuple[int, int], start: int, phase: int
) -> None:
    units, times = shape
    both = Both(len(lives), 160 * times, 160)
    due: list[tuple[int, int, tuple[int, int, int, bytes, int, bool, bool]]] = []
    still: dict[int, list[bool]] = {}
    for row, life in enumerate(lives):
        seq, stamp, clock, stall = 65_530, start, row * 3_000, 0
        for fate, delay, quiet in life:
            still.setdefault(row, []).append(quiet)
            marked = fate in ("pause", "marked")
            move = {"pause": 1_717, "long pause": 16_000, "jump": 90_000, "back": -4_000}.get(fate, 0)
            stamp += move
            clock += move * 125 if fate in ("pause", "long pause") else 0
            seq += fate == "lost"
            stall = 400_000 if fate == "stall" else max(0, stall - units * 125)
            if fate != "lost":
                arrival = clock + delay * 1000 + stall
                packet = (
                    row,
                    seq,
                    stamp % 2**32,
                    octets_of(row, stamp, units * times),
                    arrival,
                    marked,
                    fate == "source",
                )
                due.append((arrival, len(due), packet))
                if fate == "twice":
                    due.append((arrival + 1000, len(due), (*packet[:4], arrival + 1000, marked, False)))
            seq, stamp, clock = seq + 1, stamp + units, clock + units * 125
    due.sort()
    last = due[-1][0] if due else 0
    place = 0
    for tick, now in enumerate(range(phase, min(last, 6_000_000) + 300_000, F)):
        begin = place
        while place < len(due) and due[place][0] <= now:
            place += 1
        both.insert([packet for _, _, packet in due[begin:place]])
        both.play(now, [still[row][tick % len(still[row])] for row in range(len(lives))])
    both.agree()


garbage = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.integers(0, 2**40), st.integers(65_000, 66_000)),
        st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 9_000)),
        st.sampled_from([0, 1, 79, 160, 161, 240, 480, 960, 961, 1100]),
        st.integers(0, 90_000),
        st.booleans(),
        st.sampled_from([False] * 9 + [True]),
    ),
    max_size=60,
)


@settings(max_examples=40)
@given(garbage)
def test_any_numbers_and_lengths_end_in_frames_or_silence(
    packets: list[tuple[int, int, int, int, int, bool, bool]],
) -> None:
    both, now = Both(2), 0
    for place, (row, seq, stamp, length, wait, marked, fresh) in enumerate(packets):
        now += wait
        both.insert([(row, seq, stamp, octets_of(row, stamp, length), now, marked, fresh)])
        if place % 3 == 0:
            both.play(now, [marked, fresh])
    both.agree()


@pytest.mark.parametrize(
    ("loss", "jitter_ms", "most_concealed", "most_late"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.01, 5.0, 0.014, 0.003),
        (0.05, 5.0, 0.055, 0.003),
        (0.10, 5.0, 0.106, 0.004),
        (0.05, 30.0, 0.066, 0.012),
        (0.01, 60.0, 0.055, 0.03),
    ],
)
def test_few_frames_are_concealed_beyond_those_that_were_lost(
    loss: float, jitter_ms: float, most_concealed: float, most_late: float
) -> None:
    buffers, concealed, late = flow(loss, jitter_ms, streams=30)
    depth = buffers.depth_ms(np.arange(30)).mean()
    sys.stdout.write(
        f"loss {loss:.0%}, jitter {jitter_ms:g} ms: concealed {concealed:.2%}, late {late:.2%}, "
        f"depth {depth:.0f} ms\n"
    )
    assert concealed <= most_concealed
    assert late <= most_late
    assert concealed >= loss * 0.8, "what was lost cannot be there"


def test_it_becomes_deep_when_it_has_to_and_shallow_again() -> None:
    both = Both(1)
    depths = []
    for tick in range(1200):
        late = 90_000 if 300 <= tick < 500 and tick % 3 == 0 else 0
        both.insert(
            [(0, tick, tick * 160, octets_of(0, tick, 160), tick * F, False, False)] if not late else []
        )
        if tick >= 4 and 300 <= tick - 4 < 500 and (tick - 4) % 3 == 0:
            old = tick - 4
            both.insert([(0, old, old * 160, octets_of(0, old, 160), tick * F + 1, False, False)])
        both.play(tick * F + 5_000, [tick % 4 == 0])
        depths.append(float(both.buffers.depth_ms(both.rows)[0]))
    assert depths[250] <= 45
    assert max(depths[480:520]) >= 80
    assert depths[-1] <= 65
    both.agree()


def test_silence_between_talk_spurts_is_empty_and_loses_nothing() -> None:
    both = Both(1)
    seq, said = 0, []
    for tick in range(300):
        if tick % 60 < 20:
            both.insert([(0, seq, tick * 160, octets_of(0, tick, 160), tick * F, tick % 60 == 0, False)])
            seq += 1
        said.append(both.play(tick * F + 5_000, [False])[0][0])
    assert said.count(Status.GOOD) == seq
    assert said.count(Status.LOST) <= 5 * 5, "at each end, until nothing came any more"
    assert both.buffers.late.tolist() == [0]


def test_a_short_pause_that_the_numbers_tell_of_is_not_concealed() -> None:
    both = Both(1)
    said = []
    for tick in range(20):
        if not 10 <= tick < 12:
            seq = tick if tick < 10 else tick - 2
            both.insert([(0, seq, tick * 160, octets_of(0, tick, 160), tick * F, False, False)])
        said.append(both.play(tick * F + 5_000, [False])[0][0])
    assert said.count(Status.LOST) <= 1
    both.agree()


def test_packets_without_audio_are_no_loss() -> None:
    buffers = JitterBuffers(1)
    row = np.arange(1)
    buffers.reset(row)
    buffers.passed(row, column(5))
    buffers.insert(
        row, column(10), column(0), np.zeros((1, 172), np.uint8), np.array([12]), np.array([160]), column(0)
    )
    buffers.passed(row, column(11))
    assert buffers._high.tolist() == [11]
    buffers.insert(
        row, column(10), column(0), np.zeros((1, 172), np.uint8), np.array([12]), np.array([160]), column(9)
    )
    assert buffers.duplicates.tolist() == [1]


def test_packets_that_are_too_long_or_empty_are_dropped_alone() -> None:
    both = Both(2)
    both.insert(
        [
            (0, 1, 0, b"", 0, False, False),
            (1, 1, 0, octets_of(1, 0, 160), 0, False, False),
            (0, 2, 160, bytes(160 * 6 + 1), 0, False, False),
        ]
    )
    got = [both.play(now, [False, False]) for now in (0, 20_000, 40_000)]
    assert [one[0][0] for one in got] == [Status.EMPTY] * 3
    assert (Status.GOOD, octets_of(1, 0, 160)) in [one[1] for one in got]


def test_a_slot_that_another_call_used_is_silent() -> None:
    buffers = JitterBuffers(2)
    buffers.reset(np.arange(2))
    buffers.insert(
        np.array([1]),
        column(1),
        column(0),
        np.full((1, 172), 9, np.uint8),
        np.array([12]),
        np.array([160]),
        column(0),
    )
    buffers.reset(np.array([1]))
    assert not buffers._ring.any()


@pytest.mark.parametrize(
    ("octets", "units", "slots"), [(161, 160, 16), (320, 160, 16), (160, 160, 12), (160, 160, 8)]
)
def test_shapes_that_cannot_be_are_refused(octets: int, units: int, slots: int) -> None:
    with pytest.raises(ValueError, match=r"fit|power"):
        JitterBuffers(1, 160, slots).reset(np.array([0]), octets, units)
