"""Packets on their way: an inbox that is filled each tick, and an outbox that is emptied."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.mmsg import Datagrams

INBOX: Final = 2048
"""Packets of one pass: three times what 2,500 streams send in a tick. More waits for the next pass."""
OUTBOX: Final = 2048


class Inbox:
    """What came: rows of datagrams, each with its leg's slot."""

    def __init__(self, capacity: int = INBOX) -> None:
        self.datagrams = Datagrams(capacity, stamped=True)
        self.capacity = capacity
        self.count = 0
        self.data: NDArray[np.uint8] = self.datagrams.data
        self.slots: NDArray[np.int32] = np.zeros(capacity, np.int32)
        """Of the leg whose port it came to; SHARED for the shared port."""
        self.rtcp: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        """Whether it came to the port of RTCP."""
        self.lengths: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.sources: NDArray[np.uint64] = self.datagrams.addresses
        self.arrived_us: NDArray[np.int64] = np.zeros(capacity, np.int64)
        """CLOCK_REALTIME; 0: not known."""


SHARED: Final = -1
"""Slot of what came to the shared port: its leg is found by address and SSRC."""


class Outbox:
    """What goes: whoever sends reserves rows, fills them, and says by which socket each goes."""

    def __init__(self, io: "Io", capacity: int = OUTBOX) -> None:
        self.datagrams = Datagrams(capacity)
        self.capacity = capacity
        self.count = 0
        self.data: NDArray[np.uint8] = self.datagrams.data
        self.lengths: NDArray[np.uint64] = self.datagrams.iov_lengths
        self.destinations: NDArray[np.uint64] = self.datagrams.addresses
        self.sockets: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.unsent = 0
        """Packets that the kernel did not take."""
        self._io = io

    def reserve(self, count: int) -> int:
        """Return the first of `count` rows that the caller fills now; at most `capacity`."""
        if self.count + count > self.capacity:
            self.flush()
        first = self.count
        self.count += count
        return first

    def flush(self) -> None:
        """Send what waits."""
        if self.count:
            self.unsent += self._io.send(self)
            self.count = 0


class Io(Protocol):
    """How packets are read and sent."""

    name: str
    shared_port: int
    shared_socket: int
    """Its descriptor."""

    def open(self, slot: int, host: str, port: int) -> int:
        """Bind the pair of a leg; return the descriptor of its RTP socket. Raises OSError."""

    def close(self, slot: int) -> None:
        """Close the pair of a leg."""

    def receive(self, inbox: Inbox) -> bool:
        """Fill the inbox with what came; tell whether more may be waiting."""

    def send(self, outbox: Outbox) -> int:
        """Send everything in the outbox; return how many the kernel did not take."""

    def send_rtcp(self, slot: int, packet: bytes, address: tuple[str, int], *, mux: bool) -> None:
        """Send a packet from a leg's port of RTCP; with `mux` from that of RTP."""

    def shutdown(self) -> None:
        """Close every socket."""
