"""Packets by a loop over sockets: epoll says which are ready, recvmmsg reads, sendmsg and sendmmsg send."""

import select
import socket
from contextlib import suppress
from typing import Final

import numpy as np

from sip.media.engine.mmsg import MSG_DONTWAIT, SO_TIMESTAMPNS, libc
from sip.media.engine.packets import SHARED, Inbox, Outbox
from sip.media.engine.settings import RECEIVE_BUFFER, SHARED_BUFFER

PER_SOCKET: Final = 4
"""Packets of one port in a pass: twice what a stream sends in a busy tick. A flood on one port costs no more
than this; what it sends beyond that is dropped by the kernel, from that port's small buffer."""


def bind(host: str, port: int, buffer: int = RECEIVE_BUFFER) -> socket.socket:
    """Return a non-blocking UDP socket that stamps what comes. Raises OSError."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        with suppress(PermissionError):  # beyond net.core.rmem_max only the privileged may go
            bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


SO_RCVBUFFORCE: Final = 33
EXPEDITED: Final = 46 << 2
"""DSCP of voice: expedited forwarding (RFC 3246, RFC 4594 §4.1)."""


class SocketIo:
    """Every socket of the engine's legs."""

    name = "sockets"

    def __init__(self, host: str, shared_port: int) -> None:
        """Bind the shared port and the one after it for its RTCP. Raises OSError."""
        self._epoll = select.epoll()
        self._pairs: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._roles: dict[int, int] = {}
        """By descriptor: twice the slot, plus one for RTCP."""
        self.shared, self.shared_rtcp = bind_shared(host, shared_port)
        self.shared_port: int = self.shared.getsockname()[1]
        self.shared_socket = self.shared.fileno()
        self._pairs[SHARED] = self.shared, self.shared_rtcp
        self._watch(SHARED)

    def open(self, slot: int, host: str, port: int) -> int:
        """Bind a leg's pair. Raises OSError."""
        self._pairs[slot] = bind_pair(host, port)
        self._watch(slot)
        return self._pairs[slot][0].fileno()

    def close(self, slot: int) -> None:
        """Close a leg's pair."""
        for one in self._pairs.pop(slot):
            del self._roles[one.fileno()]
            self._epoll.unregister(one)
            one.close()

    def receive(self, inbox: Inbox) -> bool:
        """Read what came."""
        datagrams = inbox.datagrams
        pointers, roles, read = datagrams.pointers, self._roles, libc.recvmmsg
        shared = self.shared.fileno()
        count, capacity, last = 0, inbox.capacity, inbox.capacity - PER_SOCKET
        who: list[int] = []
        many: list[int] = []
        ready = self._epoll.poll(0, capacity)
        more = len(ready) == capacity
        for fd, _ in ready:
            if count > last:
                more = True
                break
            room = capacity - count if fd == shared else PER_SOCKET
            got = read(fd, pointers[count], room, MSG_DONTWAIT, None)
            if got > 0:
                who.append(roles[fd])
                many.append(got)
                count += got
                more = more or got == room
        self._filed(inbox, who, many, count)
        return more

    def _filed(self, inbox: Inbox, who: list[int], many: list[int], count: int) -> None:
        """Say of `count` rows whose they are: `many` rows for each of `who`."""
        datagrams = inbox.datagrams
        inbox.count = count
        if count:
            role = np.repeat(np.array(who, np.int32), many)
            np.right_shift(role, 1, out=inbox.slots[:count])
            np.not_equal(role & 1, 0, out=inbox.rtcp[:count])
            datagrams.lengths(count, inbox.lengths)
            datagrams.arrived_us(count, inbox.arrived_us)
            datagrams.rearm(count)

    def send(self, outbox: Outbox) -> int:
        """Send what waits: a call for each, or one for a run by the same socket."""
        count, pointers, send = outbox.count, outbox.datagrams.pointers, libc.sendmsg
        sockets = outbox.sockets[:count]
        failed = 0
        if count > 1 and sockets[0] == sockets[-1] and (sockets == sockets[0]).all():
            return self._send_run(outbox, int(sockets[0]), 0, count)
        for fd, pointer in zip(sockets.tolist(), pointers, strict=False):
            if send(fd, pointer, MSG_DONTWAIT) < 0:
                failed += 1
        return failed

    def send_rtcp(self, slot: int, packet: bytes, address: tuple[str, int], *, mux: bool) -> None:
        """Send from a leg's port of RTCP; a full buffer loses it, as the net may."""
        try:
            self._pairs[slot][0 if mux else 1].sendto(packet, address)
        except OSError:
            pass

    def shutdown(self) -> None:
        """Close every socket."""
        for slot in list(self._pairs):
            self.close(slot)
        self._epoll.close()

    def _watch(self, slot: int) -> None:
        for index, one in enumerate(self._pairs[slot]):
            self._roles[one.fileno()] = 2 * slot + index
            self._epoll.register(one, select.EPOLLIN)

    @staticmethod
    def _send_run(outbox: Outbox, fd: int, first: int, count: int) -> int:
        """Send a run of rows by one socket; what the kernel refuses is passed over."""
        failed, end = 0, first + count
        while first < end:
            sent = outbox.datagrams.send(fd, first, end - first)
            if sent < 0:
                failed += 1
                sent = 1
            first += sent
        return failed


def bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind a port and the one after it. Raises OSError."""
    first = bind(host, port)
    try:
        return first, bind(host, port + 1)
    except OSError:
        first.close()
        raise


def bind_shared(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind the shared port with its RTCP port; port 0 takes any pair. Raises OSError."""
    if port:
        return bind(host, port, SHARED_BUFFER), bind(host, port + 1)
    for _ in range(100):
        first = bind(host, 0, SHARED_BUFFER)
        number = first.getsockname()[1]
        try:
            if number % 2 == 0:
                return first, bind(host, number + 1)
        except OSError:
            pass
        first.close()
    raise OSError(f"no free pair of ports on {host}")
