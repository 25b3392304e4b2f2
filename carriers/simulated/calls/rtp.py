"""A plain RTP loop: PCMU, a packet every 20 ms, no jitter buffer, no RTCP (RFC 3550, RFC 4733)."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final, cast

from carriers.simulated.calls.sound import FRAME, SILENCE

_HEADER: Final = Struct("!BBHII")
_EVENT: Final = Struct("!BBH")
PCMU: Final = 0
KEPT_FRAMES: Final = 250
"""What was heard last: five seconds."""

DIGITS: Final = "0123456789*#ABCD"
_DIGIT_PACKETS: Final = 5
"""Of a digit of 100 ms; three ends follow (RFC 4733 §2.5.1.4)."""
_END: Final = 0x80
_VOLUME: Final = 10


class Rtp(asyncio.DatagramProtocol):
    """One side of a call's sound. Keeps what it hears and the digits that it is sent."""

    def __init__(self, *, latch: bool = True) -> None:
        """Take whether sound goes where sound comes from, whatever SDP says."""
        self._latch = latch
        self._transport: asyncio.DatagramTransport | None = None
        self._sending: asyncio.Task[None] | None = None
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 31)
        self._ssrc = secrets.randbits(32)
        self._ended_digits: set[int] = set()
        self._to_press: deque[str] = deque()
        self.remote: tuple[str, int] | None = None
        self.heard: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self.received = 0
        self.sent = 0
        self.digits = ""
        self.telephone_event = 101
        self.held = False
        self.source: Callable[[], bytes] | None = lambda: SILENCE
        """Makes the next frame; None: what is heard is sent back."""
        self.echoes: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    @property
    def port(self) -> int:
        """UDP port that it listens on."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls it."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """asyncio calls it: a packet."""
        if len(data) < _HEADER.size or data[0] >> 6 != 2:
            return
        _, marked, _, timestamp, _ = _HEADER.unpack_from(data)
        payload = data[_HEADER.size + 4 * (data[0] & 0xF) :]
        if self._latch:
            self.remote = addr
        self.received += 1
        payload_type = marked & 0x7F
        if payload_type == PCMU:
            self.heard.append(payload)
            if self.source is None:
                self.echoes.append(payload)
        elif payload_type == self.telephone_event and len(payload) >= _EVENT.size:
            event, flags, _ = _EVENT.unpack_from(payload)
            if flags & _END and timestamp not in self._ended_digits and event < len(DIGITS):
                self._ended_digits.add(timestamp)
                self.digits += DIGITS[event]

    def press(self, digits: str) -> None:
        """Send digits by RFC 4733, after what is being sent."""
        self._to_press.extend(digits)

    def start(self) -> None:
        """Begin to send."""
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    def stop(self) -> None:
        """End it and close the socket."""
        if self._sending is not None:
            self._sending.cancel()
        if self._transport is not None:
            self._transport.close()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self._to_press and self.remote is not None:
                due = await self._press_one(self._to_press.popleft(), due)
                continue
            frame = self._next()
            if frame is not None and self.remote is not None and not self.held:
                self._packet(PCMU, frame)
            self._timestamp += FRAME
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _next(self) -> bytes | None:
        if self.source is not None:
            return self.source()
        return self.echoes.popleft() if self.echoes else None

    async def _press_one(self, digit: str, due: float) -> float:
        loop = asyncio.get_running_loop()
        began = self._timestamp
        for number in range(1, _DIGIT_PACKETS + 4):
            ended = number > _DIGIT_PACKETS
            flags = _VOLUME | (_END if ended else 0)
            duration = min(number, _DIGIT_PACKETS) * FRAME
            payload = _EVENT.pack(DIGITS.index(digit), flags, duration)
            self._packet(self.telephone_event, payload, timestamp=began, marker=number == 1)
            if not ended:
                self._timestamp += FRAME
                due += 0.02
                await asyncio.sleep(max(0.0, due - loop.time()))
        self._timestamp += 5 * FRAME
        due += 0.1
        await asyncio.sleep(max(0.0, due - loop.time()))
        return due

    def _packet(
        self, payload_type: int, payload: bytes, *, timestamp: int | None = None, marker: bool = False
    ) -> None:
        assert self._transport is not None
        stamp = (self._timestamp if timestamp is None else timestamp) & 0xFFFFFFFF
        header = _HEADER.pack(
            0x80, payload_type | (0x80 if marker else 0), self._sequence & 0xFFFF, stamp, self._ssrc
        )
        self._sequence += 1
        self.sent += 1
        self._transport.sendto(header + payload, self.remote)


async def open_rtp(host: str, *, latch: bool = True) -> Rtp:
    """Return a loop on a free port."""
    _, rtp = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Rtp(latch=latch), local_addr=(host, 0)
    )
    return rtp
