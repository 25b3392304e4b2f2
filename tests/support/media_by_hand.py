"""A media engine in this process whose time passes by hand, and a network with losses and delays. Exact.

Sixty seconds of silence take a moment here, a packet comes at the microsecond that a test says, and nothing
depends on how busy the machine is. Sockets are the only part of the engine that is not the real one.
"""

import heapq
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sip.media import pcm
from sip.media import protocol as say
from sip.media.engine.commands import Commands
from sip.media.engine.engine import TICK_US, Engine
from sip.media.engine.mmsg import pack_address, unpack_address
from sip.media.engine.packets import Inbox, Outbox
from sip.media.engine.pcmsocket import PcmSocket
from sip.media.engine.settings import Settings
from sip.media.kernels import g711
from tests.support.clock import ManualClock

HOST: Final = "192.0.2.1"
PEERS: Final = "198.51.100.7"
OWNER: Final = "test"
SHARED_PORT: Final = 9
SOCKETS: Final = 1000
"""Descriptors are slots and this, so that none looks like a slot."""

T = TypeVar("T")


class Wire:
    """An `Io` without a kernel: what was put into it comes, what goes is kept by its address."""

    name = "by-hand"
    shared_port = SHARED_PORT
    shared_socket = SOCKETS - 1

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._flying: list[tuple[int, int, int, bool, bytes, tuple[str, int]]] = []
        self._number = 0
        self.slots: dict[int, int] = {}
        """By port."""
        self.refuses: OSError | None = None
        """What the next bindings fail with."""
        self.hearers: dict[tuple[str, int], Callable[[bytes], None]] = {}
        self.asleep = 0
        """Microseconds that packets wait until they are read: an engine that is late."""

    def open(self, slot: int, host: str, port: int) -> int:
        """See `Io`."""
        if self.refuses is not None:
            raise self.refuses
        self.slots[port] = slot
        return SOCKETS + slot

    def close(self, slot: int) -> None:
        """See `Io`."""
        self.slots = {port: one for port, one in self.slots.items() if one != slot}

    def put(self, port: int, packet: bytes, source: tuple[str, int], delay_us: int = 0) -> None:
        """Let a packet come to a port after a delay; to an odd one: RTCP."""
        slot = self.slots.get(port & ~1)
        if slot is None:
            return
        self._number += 1
        entry = (self._clock.at + delay_us, self._number, slot, bool(port & 1), packet, source)
        heapq.heappush(self._flying, entry)

    def receive(self, inbox: Inbox) -> bool:
        """See `Io`."""
        inbox.count = 0
        while self._flying and self._flying[0][0] + self.asleep <= self._clock.at:
            if inbox.count == inbox.capacity:
                return True
            arrived, _, slot, rtcp, packet, source = heapq.heappop(self._flying)
            row = inbox.count
            inbox.data[row, : len(packet)] = np.frombuffer(packet, np.uint8)
            inbox.lengths[row], inbox.slots[row], inbox.rtcp[row] = len(packet), slot, rtcp
            inbox.sources[row], inbox.arrived_us[row] = pack_address(*source), arrived
            inbox.count += 1
        return False

    def send(self, outbox: Outbox) -> int:
        """See `Io`."""
        for row in range(outbox.count):
            self._hear(
                unpack_address(int(outbox.destinations[row])),
                outbox.data[row, : int(outbox.lengths[row])].tobytes(),
            )
        return 0

    def send_rtcp(self, slot: int, packet: bytes, address: tuple[str, int], *, mux: bool) -> None:
        """See `Io`."""
        self._hear(address, packet)

    def shutdown(self) -> None:
        """See `Io`."""

    def _hear(self, address: tuple[str, int], packet: bytes) -> None:
        hearer = self.hearers.get(address)
        if hearer is not None:
            hearer(packet)


class Peer:
    """A peer of one leg: what it sends, and what it heard and when."""

    def __init__(self, by_hand: "ByHand", payload_type: int, port: int) -> None:
        self._by_hand = by_hand
        self.payload_type = payload_type
        self.address = say.Address(PEERS, port)
        self.ssrc, self.sequence, self.timestamp, self.marker = 0x5EED, 1000, 50_000, True
        self.target = 0
        self.heard: list[bytes] = []
        self.heard_at: list[int] = []
        self.reports: list[bytes] = []
        by_hand.wire.hearers[PEERS, port] = self._hear
        by_hand.wire.hearers[PEERS, port + 1] = self.reports.append

    def _hear(self, packet: bytes) -> None:
        self.heard.append(packet)
        self.heard_at.append(self._by_hand.clock.at)

    def send(
        self,
        payload: bytes,
        *,
        ticks: int = 160,
        payload_type: int | None = None,
        marker: bool | None = None,
        delay_us: int = 0,
        lost: bool = False,
        source: tuple[str, int] | None = None,
    ) -> None:
        """Send a packet that comes after a delay, or never."""
        kind = self.payload_type if payload_type is None else payload_type
        marked = self.marker if marker is None else marker
        numbers = (self.sequence & 0xFFFF, self.timestamp & 0xFFFF_FFFF, self.ssrc)
        packet = struct.pack(">BBHII", 0x80, kind | marked << 7, *numbers) + payload
        self.sequence += 1
        self.timestamp += ticks
        self.marker = False
        if not lost:
            place = source or (self.address.host, self.address.port)
            self._by_hand.wire.put(self.target, packet, place, delay_us)

    def report(self, packet: bytes) -> None:
        """Send RTCP."""
        place = (self.address.host, self.address.port + 1)
        self._by_hand.wire.put(self.target + 1, packet, place)

    def samples(self, first: int = 0) -> NDArray[np.int16]:
        """Return what packets of PCMU said, from the so many-th on."""
        octets = b"".join(packet[12:] for packet in self.heard[first:] if packet[1] & 0x7F == 0)
        return np.frombuffer(g711.ulaw_decode_bytes(octets), np.int16)


class Program:
    """Another process's datagram socket of PCM; what comes is read each tick, so that nothing is lost."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path = str(path)
        self._engine = engine
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.path)
        self._sequence = 0
        self.frames: list[pcm.Frame] = []

    def read(self) -> None:
        """Read what came."""
        while True:
            try:
                self.frames.append(pcm.unpack(self._socket.recv(pcm.MAX_DATAGRAM)))
            except BlockingIOError:
                return

    def samples(self, first: int = 0, stream: int | None = None) -> NDArray[np.int16]:
        """Return what came, joined, of a stream perhaps, from its so many-th frame on."""
        frames = [one for one in self.frames if stream in (None, one.stream)]
        return np.frombuffer(b"".join(bytes(one.samples) for one in frames[first:]), np.int16)

    def send(self, stream: int, samples: NDArray[np.int16], rate: int, flags: int = 0) -> None:
        """Send a frame."""
        frame = pcm.Frame(stream, self._sequence, 0, flags, rate, samples.tobytes())
        self._sequence += 1
        self._socket.sendto(pcm.pack(frame), self._engine)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class ByHand:
    """An engine, its commands, its network and its time."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock()
        self.wire = Wire(self.clock)
        self.events: list[say.Event] = []
        asked = Settings(control="", pcm=str(folder / "pcm"), address=HOST, **settings)
        self.engine = Engine(
            asked,
            self.wire,
            lambda _, event: self.events.append(event),
            monotonic=self.clock.monotonic,
            wall=lambda: self.clock.at / 1e6,
        )
        self.pcm = PcmSocket(asked.pcm)
        self.commands = Commands(self.engine, self.pcm, "by-hand-1")
        self.late_seconds = 0.0
        """What each tick is late by, as the meter is told."""
        self.busy_seconds = 0.0
        """What each tick takes, as the meter is told."""
        self._ports = 40_000
        self._folder = folder
        self._programs: list[Program] = []

    def ask(self, command: say.Command, descriptors: tuple[int, ...] = ()) -> say.Reply:
        """Carry out a command."""
        return self.commands(OWNER, command, descriptors)

    def do(self, command: say.Command, descriptors: tuple[int, ...] = ()) -> None:
        """Carry out a command that nothing speaks against."""
        reply = self.ask(command, descriptors)
        assert not isinstance(reply, say.Refused), reply

    def peer(self, payload_type: int = 0) -> Peer:
        """Return a peer that has no leg yet."""
        self._ports += 2
        return Peer(self, payload_type, self._ports)

    def program(self, name: str) -> Program:
        """Return another process, for taps, streams and legs of PCM."""
        self._programs.append(Program(self._folder / name, self.engine.settings.pcm))
        return self._programs[-1]

    def leg(
        self,
        name: str,
        *formats: say.Format,
        peer: Peer | None = None,
        bridge: str = "",
        how: dict[str, Any] | None = None,
        **media: Any,
    ) -> Peer:
        """Open a leg with a peer, in a bridge perhaps."""
        one = peer or self.peer(formats[0].payload_type if formats else 0)
        negotiated = {"remote": one.address, "formats": formats or (say.Format(say.Codec.PCMU, 0),)} | media
        opened = self.ask(say.OpenRtp(name, say.Media(**negotiated)))
        assert isinstance(opened, say.Opened), opened
        assert opened.local is not None
        one.target = opened.local.port
        if bridge:
            self.do(say.OpenBridge(bridge))
            self.do(say.Join(name, bridge, **(how or {})))
        return one

    def quality(self, leg: str) -> say.Statistics:
        """Return a leg's statistics."""
        reply = self.ask(say.Quality(leg))
        assert isinstance(reply, say.Statistics), reply
        return reply

    def load(self) -> say.Load:
        """Return how busy it is."""
        reply = self.ask(say.AskLoad())
        assert isinstance(reply, say.Load), reply
        return reply

    def told(self, kind: type[T]) -> list[T]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def run(self, seconds: float, each: Callable[[int], object] = lambda _: None) -> None:
        """Let time pass; `each` is called every 20 ms, by its number."""
        for number in range(round(seconds * 1e6) // TICK_US):
            if number % 4 == 0:
                each(number // 4)
            self.tick()

    def close(self) -> None:
        """Close what is open."""
        for program in self._programs:
            program.close()
        self.pcm.close()

    def tick(self) -> None:
        """Let 5 ms pass."""
        self.engine.tick()
        for program in self._programs:
            program.read()
        self.pcm.flush()
        self.commands.plays.take(self.pcm.receive())
        if self.engine.ticks % 200 == 0:
            self.commands.plays.second()
        self.engine.meter.tick(self.late_seconds, self.busy_seconds)
        self.clock.advance(TICK_US / 1e6)


@contextmanager
def by_hand(**settings: Any) -> Iterator[ByHand]:
    """Make one and take it away."""
    with tempfile.TemporaryDirectory() as folder:
        one = ByHand(Path(folder), **settings)
        try:
            yield one
        finally:
            one.close()
