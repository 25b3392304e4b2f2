"""The control socket: who is connected, what they ask, what they are told. Never waits for anybody.

A connection says `Hello` with its owner's name first. A peer that does not read is cut off when more than
MAX_WAITING octets wait for it; what it owns stays. Events of an owner that is not connected wait for it, up
to MAX_MISSED of them, the oldest go first.
"""

import os
import select
import socket
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sip.media.framing import Decoder, FrameTooLong, Malformed, encode
from sip.media.protocol import (
    PROTOCOL,
    Answer,
    Command,
    Event,
    Frame,
    Hello,
    Refusal,
    Refused,
    Reply,
    Request,
    Told,
)

MAX_WAITING: Final = 4 * 1024 * 1024
"""Octets that wait for a peer: a survey of 60,000 legs and a second of events are less."""
MAX_CONNECTIONS: Final = 64
"""Gateways, `tandem media` and a few that are being replaced."""
MAX_MISSED: Final = 1000
"""Events kept for an owner that is away: a restarted gateway is back within two seconds."""
MAX_OWNERS: Final = 64
"""Owners whose events are kept."""
MAX_REQUESTS: Final = 64
"""Requests of one connection that are carried out before the others and the audio have their turn."""
READ_OCTETS: Final = 64 * 1024
DESCRIPTORS: Final = 16

Handle = Callable[[str, Command, tuple[int, ...]], Reply]
"""Carries out an owner's command. The descriptors are closed by the caller."""


class Connection:
    """One peer."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.owner: str | None = None
        self.decoder: Decoder[Frame] = Decoder(Frame)
        self.waiting: deque[tuple[Frame | Malformed, tuple[int, ...]]] = deque()
        self.out = bytearray()
        self.stalled = False
        """Whether its socket takes no more now."""
        self.closed = False


class Control:
    """The listening socket and its connections, in an epoll that the loop waits on."""

    def __init__(self, path: str, handle: Handle) -> None:
        """Listen at `path`, readable by this user only. Raises OSError."""
        self._handle = handle
        self._path = path
        remove_socket(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            self._listener.bind(path)
        finally:
            os.umask(before)
        self._listener.listen(MAX_CONNECTIONS)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._missed: dict[str, deque[Event]] = {}

    def watch(self, fd: int) -> None:
        """Let `wait` return early for a descriptor of somebody else's too."""
        self._epoll.register(fd, select.EPOLLIN)

    def wait(self, seconds: float) -> list[int]:
        """Wait for peers until `seconds` are over, serve whoever came; return the watched that are ready."""
        if any(connection.waiting for connection in self._connections.values()):
            seconds = 0.0
        others = []
        for fd, flags in self._epoll.poll(max(0.0, seconds), MAX_CONNECTIONS + 8):
            if fd == self._listener.fileno():
                self._accept()
            elif fd in self._connections:
                self._serve(self._connections[fd], flags)
            else:
                others.append(fd)
        for connection in list(self._connections.values()):
            if connection.waiting:
                self._carry_out(connection)
        return others

    def tell(self, owner: str, event: Event) -> None:
        """Tell an owner something, now or when it is back."""
        told = False
        for connection in list(self._connections.values()):
            if connection.owner == owner:
                self._send(connection, encode(Told(event)))
                told = True
        if told:
            return
        if owner not in self._missed and len(self._missed) >= MAX_OWNERS:
            del self._missed[next(iter(self._missed))]
        self._missed.setdefault(owner, deque(maxlen=MAX_MISSED)).append(event)

    def close(self) -> None:
        """Close everything and remove the socket's file."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._listener.close()
        self._epoll.close()
        remove_socket(self._path)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it went again, or there are no descriptors left: it will come back
        if len(self._connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        self._connections[sock.fileno()] = Connection(sock)
        self._epoll.register(sock, select.EPOLLIN)

    def _serve(self, connection: Connection, flags: int) -> None:
        if flags & select.EPOLLOUT:
            self._flush(connection)
        if not connection.closed and flags & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        if len(connection.waiting) > MAX_REQUESTS:
            return  # it has to wait for its answers first
        try:
            data, ancillary, _, _ = connection.socket.recvmsg(
                READ_OCTETS, socket.CMSG_SPACE(4 * DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        descriptors: list[int] = []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                whole = payload[: len(payload) - len(payload) % 4]
                descriptors += memoryview(whole).cast("i").tolist()
        if not data:
            _close_all(tuple(descriptors))
            self._drop(connection)
            return
        try:
            received = connection.decoder.feed(data, descriptors)
        except FrameTooLong:
            self._drop(connection)
            return
        connection.waiting.extend((one.value, one.descriptors) for one in received)

    def _carry_out(self, connection: Connection) -> None:
        for _ in range(MAX_REQUESTS):
            if not connection.waiting or connection.closed:
                return
            value, descriptors = connection.waiting.popleft()
            try:
                self._answer(connection, value, descriptors)
            finally:
                _close_all(descriptors)

    def _answer(self, connection: Connection, value: Frame | Malformed, descriptors: tuple[int, ...]) -> None:
        if isinstance(value, Malformed):
            if value.id is None:
                self._drop(connection)  # nobody could be answered
                return
            self._send(connection, encode(Answer(value.id, Refused(Refusal.MALFORMED, value.text))))
            return
        if not isinstance(value, Request):
            self._drop(connection)  # answers and events are ours to send
            return
        command = value.command
        if isinstance(command, Hello):
            reply = self._greet(connection, command)
        elif connection.owner is None:
            reply = Refused(Refusal.MALFORMED, "the first request of a connection is hello")
        else:
            reply = self._handle(connection.owner, command, descriptors)
        self._send(connection, encode(Answer(value.id, reply)))
        if isinstance(command, Hello) and connection.owner is not None:
            for event in self._missed.pop(connection.owner, ()):
                self._send(connection, encode(Told(event)))

    def _greet(self, connection: Connection, hello: Hello) -> Reply:
        if hello.protocol != PROTOCOL:
            return Refused(
                Refusal.VERSION, f"protocol {hello.protocol}: this engine speaks protocol {PROTOCOL}"
            )
        if connection.owner not in (None, hello.owner):
            return Refused(Refusal.CONFLICT, f"this connection is {connection.owner}'s: open another one")
        connection.owner = hello.owner
        return self._handle(hello.owner, hello, ())

    def _send(self, connection: Connection, octets: bytes) -> None:
        if connection.closed:
            return
        connection.out += octets
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.out:
                del connection.out[: connection.socket.send(connection.out)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if len(connection.out) > MAX_WAITING:
            self._drop(connection)
        elif bool(connection.out) != connection.stalled:
            connection.stalled = bool(connection.out)
            wanted = select.EPOLLIN | (select.EPOLLOUT if connection.stalled else 0)
            self._epoll.modify(connection.socket, wanted)

    def _drop(self, connection: Connection) -> None:
        if connection.closed:
            return
        connection.closed = True
        self._epoll.unregister(connection.socket)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()
        _close_all(connection.decoder.abandoned())
        for _, descriptors in connection.waiting:
            _close_all(descriptors)
        connection.waiting.clear()


def _close_all(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def remove_socket(path: str) -> None:
    """Remove a socket that an engine before this one left; leave any other file alone."""
    try:
        if stat.S_ISSOCK(Path(path).lstat().st_mode):
            Path(path).unlink()
    except FileNotFoundError:
        pass
