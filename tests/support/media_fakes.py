"""Media processes for tests: a small engine that answers what it is told to, tones, and what is in them."""

import os
import socket
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sip.media import framing, pcm, protocol

LOAD = protocol.Load(
    legs=0,
    max_legs=100,
    bridges=0,
    busy=0.01,
    received=0,
    sent=0,
    late_ticks=0,
    worst_tick_ms=0.5,
    shed=0,
    ports_free=1000,
    io="sockets",
    accepts=True,
)

Reply = Callable[[Any], Any]


class FakeEngine:
    """An engine's control socket in a thread: answers `AskLoad` and `Hello`, the rest as `reply` says."""

    def __init__(self, path: Path, *, name: str = "first", reply: Reply | None = None) -> None:
        self.path, self.name = path, name
        self.load = LOAD
        self.asked: list[Any] = []
        self.descriptors: list[int] = []
        self._reply = reply or (lambda _: protocol.Done())
        self._listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        self.connected: socket.socket | None = None
        self.there = Event()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def tell(self, event: Any, descriptors: tuple[int, ...] = ()) -> None:
        """Send an event."""
        assert self.connected is not None
        raw = framing.encode(protocol.Told(event))
        socket.send_fds(self.connected, [raw], descriptors)

    def send(self, raw: bytes) -> None:
        """Send octets."""
        assert self.connected is not None
        self.connected.sendall(raw)

    def stop(self) -> None:
        """End as a process does that is killed. Works twice."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self.connected is not None:
            self.connected.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for descriptor in self.descriptors:
            os.close(descriptor)

    def hang_up(self) -> None:
        """Close the connection, and go on."""
        assert self.connected is not None
        self.connected.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            with connected:
                self.connected = connected
                self.there.set()
                self._talk(connected)
                self.connected = None

    def _talk(self, connected: socket.socket) -> None:
        decoder: framing.Decoder[Any] = framing.Decoder(protocol.Frame)
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(connected, 65536, 4)
            except OSError:
                return
            if not data:
                return
            for received in decoder.feed(data, descriptors):
                self.descriptors += received.descriptors
                request = received.value
                reply = self._answer(request.command)
                if reply is not None:
                    try:
                        connected.sendall(framing.encode(protocol.Answer(request.id, reply)))
                    except OSError:
                        return

    def _answer(self, command: Any) -> Any:
        if isinstance(command, protocol.Hello):
            return protocol.Welcome(self.name, protocol.PROTOCOL, "/nowhere", 100)
        if isinstance(command, protocol.AskLoad):
            return self.load
        self.asked.append(command)
        return self._reply(command)


@contextmanager
def fake_engine(path: Path, **options: Any) -> Iterator[FakeEngine]:
    """Run a fake engine for the length of a `with` block."""
    engine = FakeEngine(path, **options)
    try:
        yield engine
    finally:
        engine.stop()


def tone(hertz: float, seconds: float, rate: int, *, peak: int = 8000) -> NDArray[np.int16]:
    """Return a sine."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def loudest(samples: NDArray[np.int16], rate: int) -> float:
    """Return the frequency that has the most energy."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def write_wav(path: Path, samples: NDArray[np.int16], rate: int, channels: int = 1) -> Path:
    """Write a WAV file with the standard library."""
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """Return the samples, [frames, channels], and the rate of a WAV file, by the standard library."""
    with wave.open(os.fspath(path), "rb") as file:
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.reshape(-1, file.getnchannels()), file.getframerate()


class FakeTap:
    """What an engine does for a tap: sends frames of 20 ms to a path. Closes when nobody has it any more."""

    def __init__(self, peer: str, rate: int, *, stream: int = 1) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(peer)
        self._rate, self._stream = rate, stream
        self.sequence = 0

    def send(self, time: int, samples: NDArray[np.int16], *, flags: int = 0) -> None:
        """Send a frame; waits while the reader's queue is full."""
        frame = pcm.Frame(self._stream, self.sequence, time, flags, self._rate, samples.tobytes())
        self.sequence += 1
        self._socket.send(pcm.pack(frame))

    def send_all(self, time: int, samples: NDArray[np.int16], *, last: bool = False) -> None:
        """Send samples as frames of 20 ms."""
        size = self._rate // 50
        for at in range(0, len(samples), size):
            final = last and at + size >= len(samples)
            self.send(time + at, samples[at : at + size], flags=pcm.LAST if final else 0)

    def __del__(self) -> None:
        self._socket.close()


def json_of(settings: msgspec.Struct) -> str:
    """Return settings as a process takes them."""
    return msgspec.json.encode(settings, enc_hook=str).decode()
