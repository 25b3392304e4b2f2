"""Datagrams in batches: arrays of `struct mmsghdr` for recvmmsg(2) and sendmmsg(2), made once.

No library offers both calls on buffers of the caller's; by ctypes they are two functions. What the kernel is
to read stands in numpy arrays, so that a thousand headers are filled by a few assignments.

An IPv4 address and port is one integer here, the first eight octets of its `sockaddr_in` as they lie in
memory: compared and copied without a conversion. `pack_address` and `unpack_address` translate.
"""

import ctypes
import socket
import struct
import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOT_OCTETS: Final = 2048
"""Room for a datagram: 60 ms of L16 at 16 kHz, or 20 ms at 48 kHz, is 1,932 octets with its header."""

TIMESTAMP_OCTETS: Final = 32
"""A control message with the kernel's time of arrival: a cmsghdr of 16 octets and a timespec."""

SO_TIMESTAMPNS: Final = 35
"""Linux: the time of arrival comes with each datagram (socket(7)); its cmsg has the same number."""

MMSGHDR: Final = np.dtype(
    [
        ("name", np.uint64),
        ("name_length", np.uint32),
        ("pad1", np.uint32),
        ("iov", np.uint64),
        ("iov_length", np.uint64),
        ("control", np.uint64),
        ("control_length", np.uint64),
        ("flags", np.int32),
        ("pad2", np.int32),
        ("length", np.uint32),
        ("pad3", np.uint32),
    ]
)
"""`struct mmsghdr` on 64-bit Linux."""

IOVEC: Final = np.dtype([("base", np.uint64), ("length", np.uint64)])

MSG_DONTWAIT: Final = 0x40

_SOCKADDR: Final = struct.Struct("=H2s4s")

libc: Final = ctypes.PyDLL(None, use_errno=False)
"""Calls that return at once keep the interpreter's lock: giving it up costs more than they do."""
libc.recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
libc.sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
libc.sendmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)

if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:  # pragma: no cover - not built for
    raise ImportError("the media engine's layouts are those of 64-bit little-endian Linux")


def pack_address(host: str, port: int) -> int:
    """Return an IPv4 address and port as the integer that this module compares. Raises ValueError."""
    try:
        octets = socket.inet_aton(host) if host.count(".") == 3 else b""
    except OSError as error:
        raise ValueError(f"{host!r} is no IPv4 address") from error
    if not octets:
        raise ValueError(f"{host!r} is no IPv4 address")
    raw = _SOCKADDR.pack(socket.AF_INET, struct.pack(">H", port), octets)
    return int.from_bytes(raw, "little")


def unpack_address(packed: int) -> tuple[str, int]:
    """Return the address and port of an integer of `pack_address`."""
    _, port, octets = _SOCKADDR.unpack(int(packed).to_bytes(8, "little"))
    return socket.inet_ntoa(octets), int.from_bytes(port, "big")


HOST_MASK: Final = np.uint64(0xFFFFFFFF_0000FFFF)
"""What is left of an address without its port."""


class Datagrams:
    """Room for `capacity` datagrams with their addresses, and the headers that lead the kernel to them."""

    def __init__(self, capacity: int, octets: int = SLOT_OCTETS, *, stamped: bool = False) -> None:
        """Make the arrays. `stamped` adds room for the times of arrival."""
        self.capacity = capacity
        self.data: NDArray[np.uint8] = np.zeros((capacity, octets), np.uint8)
        self._names: NDArray[np.uint64] = np.zeros((capacity, 2), np.uint64)
        self._control: NDArray[np.uint8] = np.zeros((capacity, TIMESTAMP_OCTETS), np.uint8)
        self._iov = np.zeros(capacity, IOVEC)
        self._headers = np.zeros(capacity, MMSGHDR)
        step = np.arange(capacity, dtype=np.uint64)
        self._iov["base"] = np.uint64(self.data.ctypes.data) + step * np.uint64(octets)
        self._iov["length"] = octets
        self._headers["name"] = np.uint64(self._names.ctypes.data) + step * np.uint64(16)
        self._headers["name_length"] = 16
        self._headers["iov"] = np.uint64(self._iov.ctypes.data) + step * np.uint64(16)
        self._headers["iov_length"] = 1
        if stamped:
            self._headers["control"] = np.uint64(self._control.ctypes.data) + step * np.uint64(
                TIMESTAMP_OCTETS
            )
            self._headers["control_length"] = TIMESTAMP_OCTETS
        self.stamped = stamped
        self.base = int(self._headers.ctypes.data)
        """Where the headers begin: header `i` stands at `base + 64 * i`."""
        self.pointers: list[int] = [self.base + MMSGHDR.itemsize * i for i in range(capacity)]
        self.header_addresses: NDArray[np.uint64] = np.array(self.pointers, np.uint64)
        self.addresses: NDArray[np.uint64] = self._names[:, 0]
        """Where from, or where to, as `pack_address` has it."""
        self.iov_lengths: NDArray[np.uint64] = self._iov["length"]
        """Of what is sent: octets of each datagram."""
        self._received: NDArray[np.uint32] = self._headers["length"]
        self._flags: NDArray[np.int32] = self._headers["flags"]
        self._name_lengths = self._headers["name_length"]
        self._control_lengths = self._headers["control_length"]
        stamps = self._control.view(np.int64).reshape(capacity, TIMESTAMP_OCTETS // 8)
        self._seconds, self._nanoseconds = stamps[:, 2], stamps[:, 3]

    def lengths(self, count: int, out: NDArray[np.int64]) -> None:
        """Write the octets of each of the first `count` received datagrams; 0 for one that was cut off."""
        out[:count] = self._received[:count]
        out[:count][(self._flags[:count] & int(socket.MSG_TRUNC)) != 0] = 0

    def set_received(self, first: int, results: NDArray[np.int64]) -> None:
        """Write what recvmsg(2) returned for rows: it writes no lengths itself. Errors count as empty."""
        self._received[first : first + len(results)] = np.maximum(results, 0)

    def arrived_us(self, count: int, out: NDArray[np.int64]) -> None:
        """Write when each came, microseconds of CLOCK_REALTIME; 0 where the kernel did not say."""
        np.floor_divide(self._nanoseconds[:count], 1000, out=out[:count])
        out[:count] += self._seconds[:count] * 1_000_000
        out[:count][self._control_lengths[:count] == 0] = 0

    def rearm(self, count: int) -> None:
        """Make the first `count` headers ready to receive again: the kernel wrote lengths into them."""
        self._name_lengths[:count] = 16
        if self.stamped:
            self._control_lengths[:count] = TIMESTAMP_OCTETS

    def receive(self, fd: int, first: int, most: int) -> int:
        """Read at most `most` datagrams of a socket into the rows from `first`; return how many, or -1."""
        got: int = libc.recvmmsg(fd, self.pointers[first], most, MSG_DONTWAIT, None)
        return got

    def send(self, fd: int, first: int, count: int) -> int:
        """Send rows from `first` by one socket; return how many were taken, or -1."""
        sent: int = libc.sendmmsg(fd, self.pointers[first], count, MSG_DONTWAIT)
        return sent
