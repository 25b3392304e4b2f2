"""PCM between the engine and a task of ours: bounded both ways, what is too old or too much is counted."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from sip.media import pcm

TURN: Final = 32
"""Datagrams that are read at once: no stream holds up the others."""

WAITING: Final = 50
"""Frames that wait for their reader: a second. Older ones are of no use to a conversation."""


class Inlet:
    """A datagram socket that takes frames of PCM. `frame` is called with each; `close` removes the socket."""

    def __init__(self, path: Path, frame: Callable[[pcm.Frame], None]) -> None:
        """Bind. Raises OSError, for a path longer than 107 octets as well."""
        self.path = path
        self.malformed = 0
        """Datagrams that were no frames."""
        self._frame = frame
        self._buffer = bytearray(pcm.MAX_DATAGRAM + 1)
        with suppress(FileNotFoundError):
            path.unlink()  # of a process that was killed
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.setblocking(False)
        try:
            self.socket.bind(os.fspath(path))
        except OSError:
            self.socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.socket.fileno(), self._readable)

    def close(self) -> None:
        """Close, and remove the socket. Works twice."""
        if self.socket.fileno() < 0:
            return
        self._loop.remove_reader(self.socket.fileno())
        self.socket.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    def drain(self) -> None:
        """Take what the kernel holds already."""
        while self.socket.fileno() >= 0 and self._read():
            pass

    def _readable(self) -> None:
        for _ in range(TURN):
            if not self._read():
                return

    def _read(self) -> bool:
        try:
            count = self.socket.recv_into(self._buffer)
        except (BlockingIOError, InterruptedError):
            return False
        try:
            frame = pcm.unpack(memoryview(self._buffer)[:count])
        except pcm.NotPcm:
            self.malformed += 1
        else:
            self._frame(frame)
        return self.socket.fileno() >= 0


class PcmPort:
    """One side of a conversation as PCM: `receive` what the engine sends, `send` what it shall play.

    Its `path` is what `OpenPcm.peer` or `Tap.peer` say. Use as `async with`, or call `close`.
    """

    def __init__(self, path: Path, *, waiting: int = WAITING) -> None:
        """Bind a socket at `path`. Raises OSError. `waiting` is how many frames may wait for `receive`."""
        self._frames: deque[pcm.Frame] = deque()
        self._waiting = waiting
        self._came = asyncio.Event()
        self._sequence = 0
        self._time = 0
        self._engine = ""
        self._stream = 0
        self.rate = 0
        self.dropped = 0
        """Frames that came and were not taken in time: the oldest."""
        self.unsent = 0
        """Frames that the engine did not take."""
        self.ended = False
        """Whether the engine's last frame came, or the port was closed."""
        self._inlet = Inlet(path, self._take)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Where it takes frames."""
        return self._inlet.path

    def connect(self, engine: str, stream: int, rate: int) -> None:
        """Say where `send` goes: the engine's own socket (`Welcome.pcm`), the number it gave, the rate."""
        self._engine, self._stream, self.rate = engine, stream, rate

    async def receive(self) -> pcm.Frame | None:
        """Return the next frame, as soon as there is one; None after the last."""
        while not self._frames:
            if self.ended:
                return None
            self._came.clear()
            await self._came.wait()
        return self._frames.popleft()

    def send(self, samples: bytes, *, last: bool = False, flush: bool = False) -> bool:
        """Send at most 60 ms of samples (int16, native order); tell whether the engine took them.

        It plays one frame after the other; who sends faster than real time has frames dropped there. `flush`
        lets it forget first what waits.
        """
        flags = (pcm.LAST if last else 0) | (pcm.FLUSH if flush else 0)
        frame = pcm.Frame(self._stream, self._sequence, self._time, flags, self.rate, samples)
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        self._time += len(samples) // 2
        try:
            self._inlet.socket.sendto(pcm.pack(frame), self._engine)
        except OSError:  # full, or gone: audio that does not arrive now is of no use later
            self.unsent += 1
            return False
        return True

    def close(self) -> None:
        """Close. Whoever waits in `receive` gets what is left, then None."""
        self._inlet.close()
        self.ended = True
        self._came.set()

    def _take(self, frame: pcm.Frame) -> None:
        if len(self._frames) >= self._waiting:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame._replace(samples=bytes(frame.samples)))
        if frame.flags & pcm.LAST:
            self.ended = True
        self._came.set()
