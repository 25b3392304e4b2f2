"""The socket that PCM comes and goes by, from and to other processes: Unix datagrams, never waited for."""

import os
import socket
from collections import deque
from typing import Final

import numpy as np

from sip.media.engine.control import remove_socket
from sip.media.kernels.types import Pcm
from sip.media.pcm import LAST, MAX_DATAGRAM, SILENT, Frame, NotPcm, pack, unpack

MOST_A_TICK: Final = 2000
"""Datagrams that are read at a time: a tick's worth of a thousand streams, with room."""
MOST_WAITING: Final = 50
"""Frames that wait for a slow reader, a second: Linux lets ten datagrams wait at a Unix socket
(net.unix.max_dgram_qlen), fewer than one tick may have for a reader of many streams."""
BUFFER: Final = 4 * 1024 * 1024


class PcmSocket:
    """The engine's end."""

    def __init__(self, path: str) -> None:
        """Bind at `path`, for this user only. Raises OSError."""
        self._path = path
        remove_socket(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        before = os.umask(0o177)
        try:
            self._socket.bind(path)
        finally:
            os.umask(before)
        self.stalled: set[Outlet] = set()
        """Those whose readers took no more the last time."""
        self.malformed = 0
        """Datagrams that were no frames."""

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._socket.fileno()

    def receive(self) -> list[Frame]:
        """Return the frames that came."""
        frames = []
        for _ in range(MOST_A_TICK):
            try:
                datagram = self._socket.recv(MAX_DATAGRAM + 1)
            except OSError:
                break  # nothing more
            try:
                frames.append(unpack(datagram))
            except NotPcm:
                self.malformed += 1
        return frames

    def send(self, path: str, frame: Frame) -> bool | None:
        """Send a frame; tell if it was taken: False when the reader is too slow, None when it is gone."""
        try:
            self._socket.sendto(pack(frame), path)
        except BlockingIOError:
            return False
        except (FileNotFoundError, ConnectionRefusedError, PermissionError):
            return None
        except OSError:
            return False
        return True

    def flush(self) -> None:
        """Try again with those who took no more."""
        for outlet in list(self.stalled):
            outlet.flush()

    def close(self) -> None:
        """Close it and remove its file."""
        self._socket.close()
        remove_socket(self._path)


class Outlet:
    """A stream of frames towards another process: numbers, times, what was dropped."""

    GONE_AFTER: Final = 250
    """Frames that find nobody until the reader counts as gone: five seconds, in which it may be restarted."""

    def __init__(self, sock: PcmSocket, path: str, number: int, rate: int) -> None:
        self._socket = sock
        self.path = path
        self.number = number
        self.rate = rate
        self.sequence = 0
        self.time = 0
        self.dropped = 0
        self._nobody = 0
        self._waiting: deque[Frame] = deque()

    @property
    def gone(self) -> bool:
        """Whether its reader is gone."""
        return self._nobody >= self.GONE_AFTER

    def write(self, samples: Pcm, *, silent: bool = False) -> None:
        """Send a frame, after those that wait. Its time passes in any case."""
        flags = SILENT if silent else 0
        octets = np.ascontiguousarray(samples).tobytes()
        frame = Frame(self.number, self.sequence & 0xFFFF_FFFF, self.time, flags, self.rate, octets)
        self.sequence += 1
        self.time += len(samples)
        self._waiting.append(frame)
        self.flush()
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def flush(self) -> None:
        """Send what waits, as far as its reader takes it."""
        while self._waiting:
            taken = self._socket.send(self.path, self._waiting[0])
            if taken is False:
                self._socket.stalled.add(self)
                return
            self._waiting.popleft()
            self._nobody = self._nobody + 1 if taken is None else 0
            self.dropped += taken is None
        self._socket.stalled.discard(self)

    def end(self) -> None:
        """Send the last frame, an empty one; what waits still goes before it."""
        self._waiting.append(Frame(self.number, self.sequence & 0xFFFF_FFFF, self.time, LAST, self.rate, b""))
        self.flush()
