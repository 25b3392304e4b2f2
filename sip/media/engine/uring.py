"""Packets by io_uring: one system call reads from every socket that is ready, one sends everything.

epoll says which sockets are ready, as for the loop over sockets; what would be a call each is an entry in the
ring (io_uring(7)), written for all at once by numpy. Every entry is told not to wait, so all are complete
when the call returns.
"""

import ctypes
import mmap
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.mmsg import MSG_DONTWAIT, Datagrams, libc
from sip.media.engine.packets import Inbox, Outbox
from sip.media.engine.sockets import SocketIo

ENTRIES: Final = 4096
"""More than an inbox or an outbox holds."""
SETUP: Final = 425
ENTER: Final = 426
"""System calls; the same numbers on all architectures."""
CQ_RING: Final = 0x8000000
SQES: Final = 0x10000000
SINGLE_MMAP: Final = 1
GETEVENTS: Final = 1
COOP_TASKRUN: Final = 1 << 8
SINGLE_ISSUER: Final = 1 << 12
SENDMSG: Final = 9
RECVMSG: Final = 10

_SQE: Final = np.dtype(
    [
        ("opcode", "u1"),
        ("flags", "u1"),
        ("ioprio", "<u2"),
        ("fd", "<i4"),
        ("off", "<u8"),
        ("addr", "<u8"),
        ("len", "<u4"),
        ("msg_flags", "<u4"),
        ("user_data", "<u8"),
        ("rest", "<u8", 3),
    ]
)
_CQE: Final = np.dtype([("user_data", "<u8"), ("res", "<i4"), ("flags", "<u4")])

_system: Final[Any] = ctypes.CDLL(None, use_errno=True).syscall
_system.restype = ctypes.c_long


class Ring:
    """A ring. Raises OSError where the kernel has none for us (Docker's seccomp profile, a sysctl)."""

    def __init__(self, entries: int = ENTRIES) -> None:
        params = np.zeros(30, np.uint32)
        params[2] = COOP_TASKRUN | SINGLE_ISSUER
        self._fd = int(
            _system(ctypes.c_long(SETUP), ctypes.c_uint(entries), ctypes.c_void_p(params.ctypes.data))
        )
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"io_uring: {os.strerror(number)}")
        submit, complete = params[10:20], params[20:30]
        self._mask, self._cq_mask = int(params[0]) - 1, int(params[1]) - 1
        sq_size = int(submit[6]) + 4 * int(params[0])
        cq_size = int(complete[5]) + _CQE.itemsize * int(params[1])
        if not params[5] & SINGLE_MMAP:
            os.close(self._fd)
            raise OSError(95, "io_uring: this kernel is too old (5.4 has what is needed)")
        ring = mmap.mmap(self._fd, max(sq_size, cq_size), offset=0)
        entries_map = mmap.mmap(self._fd, _SQE.itemsize * int(params[0]), offset=SQES)
        words = np.frombuffer(ring, np.uint32, len(ring) // 4)
        self._tail = words[int(submit[1]) // 4 :][:1]
        self._cq_head = words[int(complete[0]) // 4 :][:1]
        self._cq_tail = words[int(complete[1]) // 4 :][:1]
        order = np.frombuffer(ring, np.uint32, int(params[0]), int(submit[6]))
        order[:] = np.arange(int(params[0]))
        self._sqes = np.frombuffer(entries_map, _SQE)
        self._cqes = np.frombuffer(ring, _CQE, int(params[1]), int(complete[5]))
        self._enter = ctypes.PyDLL(None).syscall
        self._enter.argtypes = (
            *(ctypes.c_long, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_size_t),
        )

    def run(
        self, opcode: int, fds: NDArray[np.int32], messages: NDArray[np.uint64], out: NDArray[np.int64]
    ) -> None:
        """Carry out an operation on each socket with each message header; write the results into `out`."""
        count = len(fds)
        tail = int(self._tail[0])
        at = (tail + np.arange(count)) & self._mask
        entries = np.zeros(count, _SQE)
        entries["opcode"] = opcode
        entries["fd"] = fds
        entries["addr"] = messages
        entries["len"] = 1
        entries["msg_flags"] = MSG_DONTWAIT
        entries["user_data"] = np.arange(count)
        self._sqes[at] = entries
        self._tail[0] = (tail + count) & 0xFFFF_FFFF
        done, left = 0, count
        while done < count:
            submitted = int(self._enter(ENTER, self._fd, left, count - done, GETEVENTS, None, 0))
            left -= max(0, submitted)  # a signal may come between: what is not submitted is tried again
            head, end = int(self._cq_head[0]), int(self._cq_tail[0])
            found = (end - head) & 0xFFFF_FFFF
            places = (head + np.arange(found)) & self._cq_mask
            complete = self._cqes[places]
            out[complete["user_data"].astype(np.intp)] = complete["res"]
            self._cq_head[0] = end
            done += found

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class UringIo(SocketIo):
    """Every socket of the engine's legs, read and sent by a ring."""

    name = "io_uring"

    def __init__(self, host: str, shared_port: int) -> None:
        """Make the ring and bind the shared port. Raises OSError."""
        self._ring = Ring()
        super().__init__(host, shared_port)

    def receive(self, inbox: Inbox) -> bool:
        """Read a packet of each socket that is ready, and all there are of the shared port."""
        datagrams, roles = inbox.datagrams, self._roles
        ready = [fd for fd, _ in self._epoll.poll(0, inbox.capacity)]
        inbox.count = 0
        if not ready:
            return False
        more = len(ready) == inbox.capacity
        first = 0
        who: list[int] = []
        many: list[int] = []
        if self.shared_socket in ready:
            ready.remove(self.shared_socket)
            room = inbox.capacity - len(ready)
            first = max(0, libc.recvmmsg(self.shared_socket, datagrams.base, room, MSG_DONTWAIT, None))
            who, many = [roles[self.shared_socket]], [first]
            more = more or first == room
        count = len(ready)
        if count:
            results = np.zeros(count, np.int64)
            headers = datagrams.header_addresses[first : first + count]
            self._ring.run(RECVMSG, np.array(ready, np.int32), headers, results)
            datagrams.set_received(first, results)
            more = True  # a socket may have held two
        who += [roles[fd] for fd in ready]
        many += [1] * count
        self._filed(inbox, who, many, first + count)
        return more

    def send(self, outbox: Outbox) -> int:
        """Send what waits by one call; a run by one socket by sendmmsg."""
        count = outbox.count
        sockets = outbox.sockets[:count]
        if count > 1 and sockets[0] == sockets[-1] and (sockets == sockets[0]).all():
            return self._send_run(outbox, int(sockets[0]), 0, count)
        results = np.zeros(count, np.int64)
        datagrams: Datagrams = outbox.datagrams
        self._ring.run(SENDMSG, sockets, datagrams.header_addresses[:count], results)
        return int(np.count_nonzero(results < 0))

    def shutdown(self) -> None:
        """Close every socket and the ring."""
        super().shutdown()
        self._ring.close()
