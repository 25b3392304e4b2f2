"""Digits as RFC 4733 events, both ways. Pure.

Events are rare beside audio, a few packets a digit, so this goes packet by packet; what it keeps is kept only
for streams on which a digit is pressed or sent.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIGITS: Final = "0123456789*#ABCD"
"""By event code (RFC 4733 §3.2)."""
_PAYLOAD: Final = Struct(">BBH")
_END: Final = 0x80
_VOLUME: Final = 0x3F
_SEGMENT: Final = 0xFFFF
"""An event that lasts longer goes on in a packet of its own, with a later timestamp (§2.5.1.3)."""
_MASK: Final = 0xFFFFFFFF

TIMEOUT_US: Final = 150_000
"""An event of which nothing more comes has ended: three updates of the slowest usual interval, 50 ms."""
LONG_MS: Final = 8_000
"""A digit that lasts longer is told as this long; its key may be stuck."""
STALE_MS: Final = 1_000
"""A packet of an event before the last one is a straggler when it is at most so much older; what is older
still is of a peer whose timestamps mean nothing, and is new."""
ENDS: Final = 3
"""How often the last packet is sent (§2.5.1.4)."""


class Pressed(NamedTuple):
    """A digit that was received: told once, when it is over."""

    row: int
    digit: str
    ms: int
    at_us: int
    """When its first packet came."""


@dataclass(slots=True)
class _Event:
    code: int
    timestamp: int
    """Of its present segment."""
    duration: int
    before: int
    """Duration of the segments before, in units."""
    began_us: int
    last_us: int
    over: bool = False


class EventReceiver:
    """Digits of `capacity` streams. `malformed` and `unknown` (events that are no digits) count per row."""

    def __init__(self, capacity: int) -> None:
        self._events: dict[int, _Event] = {}
        self._open: set[int] = set()
        self._clock = np.full(capacity, 8000, np.int64)
        self.malformed = np.zeros(capacity, np.int64)
        self.unknown = np.zeros(capacity, np.int64)

    def reset(self, rows: NDArray[np.intp], clock: int = 8000) -> None:
        """Forget streams; what was pressed and not over is not told. `clock`: of the event's timestamps."""
        self._clock[rows], self.malformed[rows], self.unknown[rows] = clock, 0, 0
        for row in rows.tolist():
            self._events.pop(row, None)
            self._open.discard(row)

    def process(
        self,
        rows: NDArray[np.intp],
        timestamp: NDArray[np.int64],
        marker: NDArray[np.bool_],
        buffer: NDArray[np.uint8],
        at: NDArray[np.intp],
        length: NDArray[np.intp],
        arrival_us: NDArray[np.int64],
    ) -> list[Pressed]:
        """Take packets with the payload type of events; return the digits that are over by them."""
        told: list[Pressed] = []
        columns = (rows, timestamp, marker, at, length, arrival_us)
        lines = zip(*(column.tolist() for column in columns), strict=True)
        for place, (row, stamp, marked, begin, octets, now) in enumerate(lines):
            if octets < _PAYLOAD.size:
                self.malformed[row] += 1
                continue
            # Whatever follows the first event of a packet is of other times, and nobody sends it.
            code, flags, duration = _PAYLOAD.unpack(buffer[place, begin : begin + _PAYLOAD.size].tobytes())
            if code >= len(DIGITS):
                self.unknown[row] += 1
                continue
            self._take(row, stamp, marked, code, bool(flags & _END), duration, now, told)
        return told

    def tick(self, now_us: int) -> list[Pressed]:
        """Return the digits whose end was lost: to be called now and then, at least every 100 ms."""
        told: list[Pressed] = []
        for row in [row for row in self._open if now_us - self._events[row].last_us > TIMEOUT_US]:
            self._tell(row, told)
        return told

    def _take(
        self,
        row: int,
        timestamp: int,
        marked: bool,
        code: int,
        end: bool,
        duration: int,
        now: int,
        told: list[Pressed],
    ) -> None:
        event = self._events.get(row)
        if (
            event is not None
            and timestamp != event.timestamp
            and not self._goes_on(row, event, timestamp, marked, code, duration)
        ):
            if self._straggles(row, event, timestamp, marked):
                return
            if not event.over:
                self._tell(row, told)
            event = None
        if event is None:
            event = self._events[row] = _Event(code, timestamp, duration, 0, now, now)
            self._open.add(row)
        if event.over or event.code != code:
            return
        event.last_us = now
        if timestamp == event.timestamp:
            event.duration = max(event.duration, duration)
        if end or self._ms(row, event) >= LONG_MS:
            self._tell(row, told)

    def _goes_on(
        self, row: int, event: _Event, timestamp: int, marked: bool, code: int, duration: int
    ) -> bool:
        """Return whether a packet with another timestamp is of the same event; take its segment.

        Either the one before was as long as a segment can be, or the peer counts its timestamps on within an
        event, as some do: then duration and timestamp move on together.
        """
        moved = (timestamp - event.timestamp) & _MASK
        if marked or code != event.code:
            return False
        if moved == _SEGMENT and event.duration > _SEGMENT // 2:
            event.before += _SEGMENT
            event.timestamp, event.duration = timestamp, duration
            return True
        if (
            moved <= self._clock[row]
            and duration > event.duration
            and not event.over
            and moved == duration - event.duration
        ):
            event.timestamp, event.duration = timestamp, duration
            return True
        return False

    def _straggles(self, row: int, event: _Event, timestamp: int, marked: bool) -> bool:
        """Return whether a packet is of an event before this one."""
        behind = (event.timestamp - timestamp) & _MASK
        stale = STALE_MS * int(self._clock[row]) // 1000 + event.before
        return behind <= stale and not (marked and event.over)

    def _ms(self, row: int, event: _Event) -> int:
        return (event.before + event.duration) * 1000 // int(self._clock[row])

    def _tell(self, row: int, told: list[Pressed]) -> None:
        event = self._events[row]
        event.over = True
        self._open.discard(row)
        told.append(Pressed(row, DIGITS[event.code], min(self._ms(row, event), LONG_MS), event.began_us))


class Packets(NamedTuple):
    """What is to be sent instead of audio, a row a packet."""

    rows: NDArray[np.intp]
    payload: NDArray[np.uint8]
    """[packets, 4]."""
    timestamp: NDArray[np.int64]
    """Of the event's beginning; of a long one, of its segment's."""
    marker: NDArray[np.bool_]


@dataclass(slots=True)
class _Sending:
    codes: list[int]
    tone: int
    gap: int
    """In units of the clock."""
    volume: int
    frame: int
    """Units in 20 ms."""
    place: int = 0
    elapsed: int = 0
    """Since the digit began."""
    began: int = 0
    """Timestamp of its present segment."""
    before: int = 0
    ends: int = field(default=ENDS)


class EventSender:
    """Digits that are being sent, for any number of streams."""

    def __init__(self) -> None:
        self._sending: dict[int, _Sending] = {}

    def send(
        self,
        row: int,
        digits: str,
        tone_ms: int = 100,
        gap_ms: int = 100,
        volume: int = 10,
        clock: int = 8000,
    ) -> None:
        """Send digits, after what a row sends already. `volume`: dBm0 without its sign (§2.3.4).

        The gap is at least 40 ms: the last packet is sent again in it. Raises ValueError for
        what is no digit.
        """
        codes = [DIGITS.index(digit) for digit in digits]
        known = self._sending.get(row)
        if known is not None:
            known.codes += codes
            return
        units = clock // 1000
        self._sending[row] = _Sending(
            codes, tone_ms * units, max(gap_ms, 40) * units, volume & _VOLUME, clock // 50
        )

    def stop(self, row: int) -> None:
        """Send nothing more; a digit that began gets its end by the peer's time-out."""
        self._sending.pop(row, None)

    def sending(self) -> list[int]:
        """Return the rows that send digits, pauses between them included."""
        return list(self._sending)

    def due(self, timestamps: NDArray[np.int64]) -> tuple[Packets, list[int]]:
        """Return the packets of these 20 ms, and the rows that have sent all of theirs with them.

        `timestamps` are those that the audio of each row would bear now, by row. A row that sends and has no
        packet here is between two digits: audio may go.
        """
        packets: list[tuple[int, bytes, int, bool]] = []
        done = []
        for row, state in self._sending.items():
            packet = self._step(state, int(timestamps[row]))
            if packet is not None:
                packets.append((row, *packet))
            if state.place == len(state.codes):
                done.append(row)
        for row in done:
            del self._sending[row]
        rows = np.array([packet[0] for packet in packets], np.intp)
        payload = np.frombuffer(b"".join(packet[1] for packet in packets), np.uint8).reshape(-1, 4)
        times = np.array([packet[2] for packet in packets], np.int64)
        return Packets(rows, payload, times, np.array([packet[3] for packet in packets], np.bool_)), done

    def _step(self, state: _Sending, timestamp: int) -> tuple[bytes, int, bool] | None:
        """Return payload, timestamp and marker of one row's packet, if any; move on by 20 ms."""
        if not state.codes:
            return None
        if state.elapsed == 0:
            state.began, state.before, state.ends = timestamp & _MASK, 0, ENDS
        marker = state.elapsed == 0
        state.elapsed += state.frame
        code, lasted = state.codes[state.place], min(state.elapsed, state.tone)
        packet = None
        if state.ends:
            if lasted - state.before > _SEGMENT:
                state.began = (state.began + _SEGMENT) & _MASK
                state.before += _SEGMENT
            over = state.elapsed >= state.tone
            state.ends -= over
            flags = state.volume | (_END if over else 0)
            packet = _PAYLOAD.pack(code, flags, lasted - state.before), state.began, marker
        if state.elapsed >= state.tone + state.gap:
            state.place, state.elapsed = state.place + 1, 0
        return packet
