"""The load beside a media engine, in a process of its own: RTP to ports, payloads checked, delays counted.

Sends a packet each 20 ms for each stream, streams spread evenly over the 20 ms, and reads what comes by other
sockets. Each payload bears the stream's number and the time at which it was sent in codes that the
engine has to transcode, so that a packet on the wrong call, an altered sample or a late one is seen.
"""

import contextlib
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import msgspec
import numpy as np

from sip.media.engine.mmsg import MMSGHDR, MSG_DONTWAIT, SO_TIMESTAMPNS, Datagrams, libc, pack_address
from sip.media.engine.sockets import SO_RCVBUFFORCE
from sip.media.kernels import g711

STEP = 0.0025
"""Seconds between two bursts."""
BURSTS = 8


class Way(msgspec.Struct, frozen=True):
    """One stream: from which of our ports to where, and at which of our ports it comes out."""

    source: int
    target: int
    sink: int
    ssrc: int = 0


class Plan(msgspec.Struct, frozen=True):
    """What to send."""

    paths: list[Way]
    seconds: float
    payload_type: int
    expected_type: int
    octets: int
    """Of a payload that comes out."""
    table: bytes
    """What each code that is sent becomes; empty: not checked code by code."""
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    sent: int
    received: int
    wrong: int
    late_sends: int
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def lost(self) -> int:
        """Packets."""
        return self.sent - self.received


def run(pipe: Connection, sockets: int) -> None:
    """Bind `sockets` ports, say which, then carry out plans until one is None."""
    libc_ready = [_bind() for _ in range(sockets)]
    pipe.send([one.getsockname()[1] for one in libc_ready])
    by_port = {one.getsockname()[1]: one for one in libc_ready}
    while (plan := pipe.recv()) is not None:
        pipe.send(_carry_out(plan, by_port))


def _bind() -> socket.socket:
    """Bind an even port: what comes to the odd one after it is RTCP, and nobody's here."""
    odd = []
    while True:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        with contextlib.suppress(PermissionError):
            one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        one.bind(("127.0.0.1", 0))
        if one.getsockname()[1] % 2 == 0:
            for other in odd:
                other.close()
            return one
        odd.append(one)


class _Ears:
    """Reads what comes, and checks it."""

    def __init__(self, plan: Plan, by_port: dict[int, socket.socket], sent_at: "np.ndarray") -> None:
        self.plan = plan
        self.datagrams = Datagrams(1024, stamped=True)
        self.poll = select.epoll()
        for port in {path.sink for path in plan.paths}:
            self.poll.register(by_port[port], select.EPOLLIN)
        self.table = np.frombuffer(plan.table, np.uint8) if plan.table else None
        self.sent_at = sent_at
        self.delays: list[np.ndarray] = []
        self.received = 0
        self.wrong = 0
        if self.table is not None:
            self.back = np.zeros(256, np.uint8)
            self.back[self.table[DIGITS]] = np.arange(len(DIGITS))

    def drain(self) -> None:
        """Throw away what came before: silence of legs that waited for the other one."""
        self.read()
        self.received = self.wrong = 0
        self.delays.clear()

    def read(self) -> None:
        """Read all that is there."""
        datagrams = self.datagrams
        while True:
            count = 0
            for fd, _ in self.poll.poll(0, 512):
                got = libc.recvmmsg(
                    fd, datagrams.base + MMSGHDR.itemsize * count, min(64, 1024 - count), MSG_DONTWAIT, None
                )
                count += max(0, got)
                if count >= 1000:
                    break
            if not count:
                return
            self._check(count)

    def _check(self, count: int) -> None:
        lengths = np.zeros(count, np.int64)
        arrived = np.zeros(count, np.int64)
        self.datagrams.lengths(count, lengths)
        self.datagrams.arrived_us(count, arrived)
        self.datagrams.rearm(count)
        data = self.datagrams.data[:count]
        good = (lengths == 12 + self.plan.octets) & ((data[:, 1] & 0x7F) == self.plan.expected_type)
        self.received += count
        if self.table is not None:
            # eight codes of sixteen say stream and packet; the rest is one more of them, all through
            digits = self.back[data[:, 12:20]].astype(np.int64)
            stream = (digits[:, 0] << 8) | (digits[:, 1] << 4) | digits[:, 2]
            packet = (digits[:, 3] << 12) | (digits[:, 4] << 8) | (digits[:, 5] << 4) | digits[:, 6]
            good &= (data[:, 20 : 12 + self.plan.octets] == data[:, 19:20]).all(axis=1)
            good &= data[:, 19] == self.table[DIGITS[(stream + packet) % 16]]
            good &= (stream < len(self.plan.paths)) & (packet < self.sent_at.shape[1])
            self.delays.append(arrived[good] - self.sent_at[stream[good], packet[good]])
        self.wrong += int(np.count_nonzero(~good))


def _digits() -> np.ndarray:
    """Return sixteen codes of PCMU that the direct table and decoding with encoding turn into the same."""
    codes = bytes(range(256))
    direct = g711.ulaw_to_alaw_bytes(codes)
    around = g711.alaw_encode_bytes(g711.ulaw_decode_bytes(codes))
    same = [code for code in codes if direct[code] == around[code] and code & 0x7F < 0x70]
    return np.array(same[:: len(same) // 16][:16], np.uint8)


DIGITS = _digits()
"""What payloads are made of."""


def _carry_out(plan: Plan, by_port: dict[int, socket.socket]) -> Outcome:
    streams = len(plan.paths)
    packets = int(plan.seconds * 50)
    sent_at = np.zeros((streams, packets), np.int64)
    ears = _Ears(plan, by_port, sent_at)
    ears.drain()
    out = Datagrams(streams)
    data = out.data
    out.iov_lengths[:] = 172
    out.addresses[:] = [pack_address(plan.host, path.target) for path in plan.paths]
    data[:, 0] = 0x80
    ssrc = np.array([path.ssrc or 0x1000 + index for index, path in enumerate(plan.paths)], ">u4")
    data[:, 8:12] = ssrc.view(np.uint8).reshape(-1, 4)
    number = np.arange(streams)
    for place, shift in enumerate((8, 4, 0)):
        data[:, 12 + place] = DIGITS[number >> shift & 15]
    fds = [by_port[path.source].fileno() for path in plan.paths]
    edges = [streams * burst // BURSTS for burst in range(BURSTS + 1)]
    groups = list(itertools.pairwise(edges))
    one_socket = len(set(fds)) == 1
    late = sent = 0
    due = time.monotonic() + 0.05
    for packet in range(packets):
        data[:, 1] = plan.payload_type | (0x80 if packet == 0 else 0)
        data[:, 2], data[:, 3] = packet >> 8, packet & 255
        data[:, 4:8] = np.frombuffer(struct.pack(">I", packet * 160), np.uint8)
        for place, shift in enumerate((12, 8, 4, 0)):
            data[:, 15 + place] = DIGITS[packet >> shift & 15]
        data[:, 19:172] = DIGITS[(number + packet) % 16][:, None]
        for group in groups:
            ears.read()  # also when it is behind: else what comes would be lost here
            while (left := due - time.monotonic()) > 0:
                time.sleep(min(left, 0.001))
                ears.read()
            late += due < time.monotonic() - 0.01
            sent_at[slice(*group), packet] = time.time_ns() // 1000
            if one_socket:  # rows of a group stand together then
                first, end = group
                sent += max(0, libc.sendmmsg(fds[0], out.pointers[first], end - first, MSG_DONTWAIT))
            else:
                for index in range(*group):
                    sent += libc.sendmsg(fds[index], out.pointers[index], MSG_DONTWAIT) > 0
            due += STEP
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        ears.read()
        time.sleep(0.001)
    ears.poll.close()
    delays = np.concatenate(ears.delays) / 1000 if ears.delays else np.zeros(0)
    if not len(delays):
        delays = np.zeros(1)
    return Outcome(
        sent,
        ears.received,
        ears.wrong,
        late,
        float(np.percentile(delays, 50)),
        float(np.percentile(delays, 99)),
        float(delays.max()),
    )


Runner = Callable[[Plan], Outcome]
