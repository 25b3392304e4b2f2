"""An end of a control connection under asyncio: whole frames in and out, descriptors with them.

The engine has no asyncio and its own end; this one is used by the gateway towards engines and media I/O, and
by media I/O towards the gateway.
"""

import asyncio
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import msgspec

from sip.media import framing
from sip.media.framing import Received
from telephony.kernel.errors import Unavailable

T = TypeVar("T")

READ: Final = 256 * 1024
"""Octets taken at once."""

MAX_WAITING: Final = 4 * 1024 * 1024
"""Octets that the other side may leave unread: it is stuck long before."""

_CREDIT: Final = socket.CMSG_SPACE(framing.MAX_DESCRIPTORS * array("i").itemsize)


class ChannelFull(Unavailable):
    """The other side does not read what it was sent."""


class Channel(Generic[T]):
    """A connected Unix stream socket.

    `frame` is called with each frame, in order, and has to close its descriptors; `ended` once with the
    reason, when the other side has closed, broke the rules, or `close` was called.
    """

    def __init__(
        self,
        connected: socket.socket,
        kind: Any,  # noqa: ANN401 - a type or a union of types
        *,
        frame: Callable[[Received[T]], None],
        ended: Callable[[str], None],
    ) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._frame, self._ended = frame, ended
        self._decoder: framing.Decoder[T] = framing.Decoder(kind)
        self._waiting: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._octets = 0
        self._loop = asyncio.get_running_loop()
        self._writing = False
        self.open = True
        self._loop.add_reader(connected.fileno(), self._readable)

    def send(self, value: msgspec.Struct, descriptors: Sequence[int] = ()) -> None:
        """Send a frame; descriptors are duplicated at once, so that the caller may close its own.

        Raises ChannelFull, and FrameTooLong for a value that is too long.
        """
        if not self.open:
            return
        raw = framing.encode(value)
        if self._octets + len(raw) > MAX_WAITING:
            raise ChannelFull("The other process does not take what it is told.")
        copies = tuple(os.dup(each) for each in descriptors)
        self._waiting.append((memoryview(raw), copies))
        self._octets += len(raw)
        if not self._writing:
            self._writable()

    def close(self, reason: str = "closed") -> None:
        """Close. Works twice."""
        if not self.open:
            return
        self.open = False
        self._loop.remove_reader(self._socket.fileno())
        if self._writing:
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        _close(self._decoder.abandoned())
        for _, descriptors in self._waiting:
            _close(descriptors)
        self._waiting.clear()
        self._ended(reason)

    def _readable(self) -> None:
        try:
            data, control, _, _ = self._socket.recvmsg(READ, _CREDIT, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(error.strerror or "reading failed")
            return
        descriptors = _descriptors(control)
        if not data:
            _close(descriptors)
            self.close("closed by the other side")
            return
        try:
            frames = self._decoder.feed(data, descriptors)
        except framing.FrameTooLong as error:
            self.close(str(error))
            return
        for received in frames:
            if self.open:
                self._frame(received)
            else:
                _close(received.descriptors)

    def _writable(self) -> None:
        try:
            while self._waiting:
                self._write(*self._waiting[0])
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.close(error.strerror or "writing failed")
            return
        if bool(self._waiting) != self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._socket.fileno(), self._writable)
            else:
                self._loop.remove_writer(self._socket.fileno())

    def _write(self, octets: memoryview, descriptors: tuple[int, ...]) -> None:
        """Send the first of what waits, or a part of it: descriptors go with the first octet."""
        if descriptors:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
            sent = self._socket.sendmsg([octets], [rights])
            _close(descriptors)
        else:
            sent = self._socket.send(octets)
        self._octets -= sent
        if sent == len(octets):
            self._waiting.popleft()
        else:
            self._waiting[0] = (octets[sent:], ())


def _descriptors(control: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    found = array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return tuple(found)


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        with suppress(OSError):
            os.close(each)
