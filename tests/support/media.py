"""A media engine in its own process, a connection to its control socket, and plain RTP peers. Synchronous."""

import array
import math
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sip.media import framing, pcm
from sip.media import protocol as say
from sip.media.kernels import g711
from tests.support.node import environment

WAIT = 10.0
"""Seconds after which something that should come counts as missing."""

T = TypeVar("T")


class Asker:
    """A connection to an engine's control socket."""

    def __init__(self, path: str | Path, owner: str = "test") -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.socket.settimeout(WAIT)
        self._decoder: framing.Decoder[Any] = framing.Decoder(say.Frame)
        self._number = 0
        self.events: list[say.Event] = []
        self.answers: dict[int, say.Reply] = {}
        if owner:
            welcome = self.ask(say.Hello(owner))
            assert isinstance(welcome, say.Welcome), welcome
            self.welcome = welcome

    def send(self, command: say.Command, descriptors: tuple[int, ...] = ()) -> int:
        """Send a command without waiting; return its number."""
        self._number += 1
        ancillary = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        )
        self.socket.sendmsg([framing.encode(say.Request(self._number, command))], ancillary)
        return self._number

    def ask(self, command: say.Command, descriptors: tuple[int, ...] = ()) -> say.Reply:
        """Send a command and return its answer."""
        number = self.send(command, descriptors)
        while number not in self.answers:
            self.read()
        return self.answers.pop(number)

    def do(self, command: say.Command, descriptors: tuple[int, ...] = ()) -> None:
        """Send a command that has to be carried out."""
        reply = self.ask(command, descriptors)
        assert isinstance(reply, say.Done | say.Started | say.Closed), reply

    def opened(self, command: say.OpenRtp | say.OpenPcm) -> say.Opened:
        """Open a leg."""
        reply = self.ask(command)
        assert isinstance(reply, say.Opened), reply
        return reply

    def quality(self, leg: str) -> say.Statistics:
        """Return a leg's statistics."""
        reply = self.ask(say.Quality(leg))
        assert isinstance(reply, say.Statistics), reply
        return reply

    def load(self) -> say.Load:
        """Return how busy the engine is."""
        reply = self.ask(say.AskLoad())
        assert isinstance(reply, say.Load), reply
        return reply

    def read(self) -> None:
        """Wait for octets, and sort what came. Raises ConnectionError when the engine closed."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the engine closed the connection")
        for received in self._decoder.feed(data):
            value = received.value
            if isinstance(value, say.Answer):
                self.answers[value.id] = value.reply
            else:
                assert isinstance(value, say.Told), value
                self.events.append(value.event)

    def event(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> T:
        """Wait for an event, take it out and return it."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and where(event):
                    self.events.remove(event)  # type: ignore[arg-type]
                    return event
            self.read()

    def close(self) -> None:
        """Close it."""
        self.socket.close()


class RtpPeer:
    """A plain peer: a pair of sockets on the loopback, sequence numbers, what it heard."""

    def __init__(self, payload_type: int = 0, ssrc: int = 0x1234, host: str = "127.0.0.1") -> None:
        while True:
            self.socket = _bind(host, 0)
            self.port: int = self.socket.getsockname()[1]
            if self.port % 2 == 0:
                try:
                    self.rtcp = _bind(host, self.port + 1)
                    break
                except OSError:
                    pass
            self.socket.close()
        self.host = host
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.sequence = 1000
        self.timestamp = 50000
        self.marker = True
        self.target: tuple[str, int] = (host, 9)
        self.heard: list[bytes] = []
        """Packets as they came."""

    @property
    def address(self) -> say.Address:
        """Where it takes RTP."""
        return say.Address(self.host, self.port)

    def send(
        self,
        payload: bytes,
        *,
        ticks: int = 160,
        payload_type: int | None = None,
        marker: bool | None = None,
    ) -> bytes:
        """Send a packet, and return it."""
        kind = self.payload_type if payload_type is None else payload_type
        marked = self.marker if marker is None else marker
        packet = (
            struct.pack(
                ">BBHII",
                0x80,
                kind | (0x80 if marked else 0),
                self.sequence & 0xFFFF,
                self.timestamp & 0xFFFFFFFF,
                self.ssrc,
            )
            + payload
        )
        self.socket.sendto(packet, self.target)
        self.sequence += 1
        self.timestamp += ticks
        self.marker = False
        return packet

    def listen(self, until: float | None = None) -> None:
        """Read what came, or whatever comes until a time (monotonic)."""
        while True:
            left = 0.0 if until is None else max(0.0, until - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                return
            self.heard.append(self.socket.recv(4096))

    def wait(self, packets: int) -> list[bytes]:
        """Wait until so many packets came in all; return all."""
        end = time.monotonic() + WAIT
        while len(self.heard) < packets:
            assert select.select([self.socket], [], [], max(0.0, end - time.monotonic()))[0], (
                f"{len(self.heard)} packets came: expected {packets}"
            )
            self.heard.append(self.socket.recv(4096))
        return self.heard

    def close(self) -> None:
        """Close it."""
        self.socket.close()
        self.rtcp.close()


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def talk(
    peers: list[RtpPeer],
    frames: list[Callable[[int], bytes | list[bytes]]],
    count: int,
    *,
    ticks: list[int] | None = None,
) -> None:
    """Let peers send for `count` times 20 ms, at their time, and listen meanwhile.

    `frames` makes what a peer sends in a turn, by its number: a payload, or several; `ticks` is what each of
    a peer's packets lasts.
    """
    begin = time.monotonic()
    lasting = ticks or [160] * len(peers)
    for number in range(count):
        for peer, frame, each in zip(peers, frames, lasting, strict=True):
            made = frame(number)
            for payload in [made] if isinstance(made, bytes) else made:
                peer.send(payload, ticks=each)
        until = begin + (number + 1) * 0.02
        while True:
            left = until - time.monotonic()
            if left <= 0:
                break
            for ready in select.select([peer.socket for peer in peers], [], [], left)[0]:
                next(peer for peer in peers if peer.socket is ready).heard.append(ready.recv(4096))
    for peer in peers:
        peer.listen(time.monotonic() + 0.03)


def sine(hertz: float, rate: int = 8000, level: float = -10.0) -> Callable[[int], NDArray[np.int16]]:
    """Return a maker of 20 ms frames of a tone at a level in dBm0."""
    amplitude = 32767 * 10 ** ((level - 3.14) / 20)

    def frame(number: int) -> NDArray[np.int16]:
        time_ = np.arange(rate // 50) + number * (rate // 50)
        return np.rint(amplitude * np.sin(2 * np.pi * hertz / rate * time_)).astype(np.int16)

    return frame


def ulaw_tone(hertz: float, level: float = -10.0) -> Callable[[int], bytes]:
    """Return a maker of PCMU payloads of a tone."""
    make = sine(hertz, level=level)
    return lambda number: g711.ulaw_encode_bytes(make(number).tobytes())


def alaw_tone(hertz: float, level: float = -10.0) -> Callable[[int], bytes]:
    """Return a maker of PCMA payloads of a tone."""
    make = sine(hertz, level=level)
    return lambda number: g711.alaw_encode_bytes(make(number).tobytes())


def payloads(packets: list[bytes]) -> bytes:
    """Return the payloads of packets with plain headers, joined."""
    return b"".join(packet[12:] for packet in packets)


def header(packet: bytes) -> tuple[int, bool, int, int, int]:
    """Return payload type, marker, sequence, timestamp and SSRC."""
    _, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", packet[:12])
    return second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc


def level_of(samples: NDArray[np.int16], hertz: float, rate: int = 8000) -> float:
    """Return how loud a tone usually is in samples, dBm0: the median of its tenths of a second.

    So a moment in which a busy machine let a peer be late, and a frame was made up, does not count.
    """
    if not len(samples):
        return -100.0
    size = min(len(samples), rate // 10)
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    wave = np.exp(-2j * np.pi * hertz / rate * np.arange(size)) * np.hanning(size)
    amplitude = 4 * float(np.median(np.abs(pieces @ wave))) / size
    return 20 * math.log10(max(amplitude / 32767, 1e-5)) + 3.14


@contextmanager
def engine(*options: str, ports: str | None = None) -> Iterator["Running"]:
    """Run an engine on free ports."""
    with tempfile.TemporaryDirectory() as folder:
        running = Running(Path(folder), *options, ports=ports)
        running.start()
        try:
            yield running
        finally:
            running.stop()


def free_range() -> str:
    """Return ports below those that the kernel hands out, others for each run of tests: runs may overlap."""
    low = 20_000 + os.getpid() % 12 * 1000
    return f"{low}-{low + 999}"


class Running:
    """An engine's process."""

    def __init__(self, folder: Path, *options: str, ports: str | None = None) -> None:
        self.folder = folder
        self.control = folder / "control"
        self.command = [
            *(sys.executable, "-m", "sip.media.engine", "--control", str(self.control)),
            *("--pcm", str(folder / "pcm"), "--ports", ports or free_range(), *options),
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        ours, theirs = os.pipe()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            env={**environment(), "TANDEM_READY_FD": str(theirs)},
            pass_fds=(theirs,),
        )
        os.close(theirs)
        with os.fdopen(ours, "rb") as word:
            assert word.readline() == b"ready\n", "the engine did not start"

    @property
    def pid(self) -> int:
        """Its id."""
        assert self.process is not None
        return self.process.pid

    def asker(self, owner: str = "test") -> Asker:
        """Connect."""
        return Asker(self.control, owner)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(WAIT) == 0
            self.process = None


PCMU = say.Format(say.Codec.PCMU, 0)
PCMA = say.Format(say.Codec.PCMA, 8)


def media(peer: RtpPeer, *formats: say.Format, **more: Any) -> say.Media:
    """Return what was negotiated with a peer."""
    return say.Media(remote=peer.address, formats=formats or (PCMU,), **more)


def join(
    asker: Asker, bridge: str, name: str, peer: RtpPeer, negotiated: say.Media, **how: Any
) -> say.Opened:
    """Open a leg for a peer, tell the peer where it is, and let it join a bridge."""
    opened = asker.opened(say.OpenRtp(name, negotiated))
    assert opened.local is not None
    peer.target = (opened.local.host, opened.local.port)
    asker.do(say.Join(name, bridge, **how))
    return opened


def bridged(asker: Asker, *legs: tuple[str, RtpPeer, say.Media], bridge: str = "b") -> None:
    """Open a bridge and legs in it."""
    asker.do(say.OpenBridge(bridge))
    for name, peer, negotiated in legs:
        join(asker, bridge, name, peer, negotiated)


def ulaw_samples(packets: list[bytes]) -> NDArray[np.int16]:
    """Return what packets of PCMU say."""
    return np.frombuffer(g711.ulaw_decode_bytes(payloads(packets)), np.int16)


class PcmPeer:
    """A process's datagram socket of PCM, read by a thread: ten frames are all that such a socket holds."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.frames: list[pcm.Frame] = []
        self.sequence = 0
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, count: int) -> list[pcm.Frame]:
        """Wait until so many frames came in all."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.frames) >= count, WAIT), (
                f"{len(self.frames)} frames came: expected {count}"
            )
            return list(self.frames)

    def samples(self, first: int = 0, stream: int | None = None) -> NDArray[np.int16]:
        """Return what came, joined."""
        with self._came:
            frames = [one for one in self.frames if stream in (None, one.stream)]
        return np.frombuffer(b"".join(bytes(one.samples) for one in frames[first:]), np.int16)

    def _read(self) -> None:
        while datagram := self.socket.recv(pcm.MAX_DATAGRAM):
            with self._came:
                self.frames.append(pcm.unpack(datagram))
                self._came.notify()

    def send(
        self, engine_path: str, stream: int, samples: NDArray[np.int16], rate: int, flags: int = 0
    ) -> None:
        """Send a frame."""
        frame = pcm.Frame(stream, self.sequence, 0, flags, rate, samples.tobytes())
        self.sequence += 1
        self.socket.sendto(pcm.pack(frame), engine_path)

    def close(self) -> None:
        """Close it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self.path)
        self._reader.join(WAIT)
        self.socket.close()
