"""The table of legs: what the batches need as arrays by slot, the rest as an object a leg."""

import random
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.codecs import CODINGS, EVENT, NOISE, UNKNOWN, Coding, coding_of
from sip.media.engine.mmsg import HOST_MASK, pack_address
from sip.media.protocol import Direction, Latch, Media
from sip.media.rtp.sequence import Sequences

if TYPE_CHECKING:
    from sip.media.engine.bridges import Bridge

NO_PAYLOAD_TYPE: Final = 255


class Way(IntEnum):
    """What becomes of a leg's packets."""

    FREE = 0
    RELAY = 1
    """Sent on to the other leg as they come."""
    PLAYOUT = 2
    """Into a jitter buffer, played each 20 ms."""


@dataclass(eq=False)
class Leg:
    """One leg."""

    slot: int
    owner: str
    name: str
    media: Media | None
    """None: a leg of PCM."""
    port: int = 0
    shared: bool = False
    bridge: "Bridge | None" = None
    talks: bool = True
    listens: bool = True
    gain: float = 0.0
    poor: bool = False
    timed_out: int = 0
    """The last packet before a silence that was told."""
    srtp: Any = None
    pcm: Any = None
    """Of a leg of PCM: its `pcmlegs.PcmLeg`."""
    dtmf: bool = False
    speech: bool = False
    silence_ms: int = 700
    plays: list[Any] = field(default_factory=list)
    taps: list[Any] = field(default_factory=list)
    digits: list[Any] = field(default_factory=list)
    rtcp: Any = None


class Legs:
    """Slots, and a row in each array for every one of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.records: list[Leg | None] = [None] * capacity
        self.names: dict[tuple[str, str], Leg] = {}
        self._free = list(range(capacity - 1, -1, -1))

        def table(kind: type[np.generic], *shape: int) -> NDArray[Any]:
            return np.zeros((capacity, *shape), kind)

        self.way: NDArray[np.uint8] = table(np.uint8)
        self.peer: NDArray[np.int32] = table(np.int32)
        """Of a relayed leg: the slot that its packets go out by."""
        self.kinds: NDArray[np.uint8] = table(np.uint8, 128)
        """What each payload type means."""
        self.socket: NDArray[np.int32] = table(np.int32)
        # where from and where to
        self.remote: NDArray[np.uint64] = table(np.uint64)
        """Where to send; 0: nowhere yet."""
        self.expected: NDArray[np.uint64] = table(np.uint64)
        """The only address whose packets are taken; 0: not decided yet."""
        self.receives: NDArray[np.bool_] = table(np.bool_)
        self.sends: NDArray[np.bool_] = table(np.bool_)
        self.encrypted: NDArray[np.bool_] = table(np.bool_)
        # what we send
        self.codec: NDArray[np.uint8] = table(np.uint8)
        self.payload_type: NDArray[np.uint8] = table(np.uint8)
        self.event_type: NDArray[np.uint8] = table(np.uint8)
        self.noise_type: NDArray[np.uint8] = table(np.uint8)
        self.ptime: NDArray[np.uint8] = table(np.uint8)
        self.ssrc: NDArray[np.uint32] = table(np.uint32)
        self.sequence: NDArray[np.int64] = table(np.int64)
        """Of the last packet that was sent, extended."""
        self.timestamp: NDArray[np.int64] = table(np.int64)
        """Of the last packet that was sent, extended."""
        self.stamped_us: NDArray[np.int64] = table(np.int64)
        """When that packet was sent."""
        self.marker: NDArray[np.bool_] = table(np.bool_)
        """Whether the next packet begins a talk spurt (RFC 3551 §4.1)."""
        # what came
        self.codec_in: NDArray[np.uint8] = table(np.uint8)
        self.remote_ssrc: NDArray[np.uint32] = table(np.uint32)
        self.heard: NDArray[np.bool_] = table(np.bool_)
        """Whether anything was taken since it was opened."""
        self.lost_now: NDArray[np.int64] = table(np.int64)
        """What was lost of this SSRC, as last looked at."""
        self.lost_before: NDArray[np.int64] = table(np.int64)
        """What was lost of SSRCs before this one."""
        self.last_us: NDArray[np.int64] = table(np.int64)
        """When something was taken last, RTP or RTCP (CLOCK_MONOTONIC)."""
        # relaying towards `peer`: the offsets that keep loss and order visible
        self.anchored: NDArray[np.bool_] = table(np.bool_)
        self.sequence_offset: NDArray[np.int64] = table(np.int64)
        self.stamp_in: NDArray[np.int64] = table(np.int64)
        self.stamp_out: NDArray[np.int64] = table(np.int64)
        # counts
        self.received: NDArray[np.int64] = table(np.int64)
        self.octets_received: NDArray[np.int64] = table(np.int64)
        self.sent: NDArray[np.int64] = table(np.int64)
        self.octets_sent: NDArray[np.int64] = table(np.int64)
        self.foreign: NDArray[np.int64] = table(np.int64)
        self.malformed: NDArray[np.int64] = table(np.int64)
        self.flooded: NDArray[np.int64] = table(np.int64)
        self.duplicates: NDArray[np.int64] = table(np.int64)
        self.late: NDArray[np.int64] = table(np.int64)
        self.concealed: NDArray[np.int64] = table(np.int64)
        self.played: NDArray[np.int64] = table(np.int64)
        self.window: NDArray[np.int64] = table(np.int64)
        """Packets of this second."""
        self.sequences = Sequences(capacity)
        self._arrays = [one for one in vars(self).values() if isinstance(one, np.ndarray)]

    @property
    def count(self) -> int:
        """How many legs there are."""
        return self.capacity - len(self._free)

    def add(self, owner: str, name: str, media: Media | None, now_us: int) -> Leg | None:
        """Take a slot; None: all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        for array in self._arrays:
            array[slot] = 0
        self.sequences.reset(np.array([slot]))
        leg = Leg(slot, owner, name, media)
        self.records[slot] = leg
        self.names[owner, name] = leg
        self.way[slot] = Way.PLAYOUT
        self.peer[slot] = -1
        # RFC 3550 §5.1, §8: random, so that nothing known is encrypted and no two sources are alike
        self.ssrc[slot] = random.getrandbits(32) or 1
        self.sequence[slot] = random.getrandbits(15)
        self.timestamp[slot] = random.getrandbits(31)
        self.stamped_us[slot] = now_us
        self.last_us[slot] = now_us
        self.marker[slot] = True
        return leg

    def remove(self, leg: Leg) -> None:
        """Give a slot back."""
        del self.names[leg.owner, leg.name]
        self.records[leg.slot] = None
        self.way[leg.slot] = Way.FREE
        self.kinds[leg.slot] = UNKNOWN
        self._free.append(leg.slot)

    def negotiate(self, leg: Leg, media: Media, coding: Coding | None) -> None:
        """Take what was negotiated; a changed address decides anew where packets may come from (R12)."""
        slot, before = leg.slot, leg.media
        leg.media = media
        kinds = np.zeros(128, np.uint8)
        for format_ in media.formats:
            known = coding_of(format_)
            if known is not None:
                kinds[format_.payload_type] = known.index + 1
        if media.telephone_event is not None:
            kinds[media.telephone_event] = EVENT
        if media.comfort_noise is not None:
            kinds[media.comfort_noise] = NOISE
        self.kinds[slot] = kinds
        self.event_type[slot] = _type(media.telephone_event)
        self.noise_type[slot] = _type(media.comfort_noise)
        if coding is not None:
            self.codec[slot] = coding.index
            self.payload_type[slot] = media.formats[0].payload_type
            self.ptime[slot] = media.formats[0].ptime
        self.receives[slot] = media.direction in (Direction.SENDRECV, Direction.RECVONLY)
        self.sends[slot] = media.direction in (Direction.SENDRECV, Direction.SENDONLY) and coding is not None
        self.encrypted[slot] = media.srtp is not None
        fresh = before is None or (not self.expected[slot] and not self.remote[slot])
        moved = before is not None and (
            before.remote != media.remote
            or before.latch != media.latch
            or before.signalling != media.signalling
        )
        if fresh or moved:
            remote = media.remote
            self.remote[slot] = (
                pack_address(remote.host, remote.port) if remote is not None and remote.port else 0
            )
            self.expected[slot] = self.remote[slot] if media.latch is Latch.NEVER else 0

    def may_latch(self, leg: Leg, source: int) -> bool:
        """Tell whether the first valid packet of a leg may come from there."""
        media = leg.media
        if media is None or media.latch is Latch.NEVER:
            return False
        if media.latch is Latch.ANY:
            return True
        host = np.uint64(source) & HOST_MASK
        remote = [media.remote.host] if media.remote is not None else []
        allowed = [*remote, *([media.signalling] if media.signalling else [])]
        return any(np.uint64(pack_address(one, 0)) & HOST_MASK == host for one in allowed)

    def lost(self, slot: int) -> int:
        """Return what was expected and did not come (RFC 3550 §A.3)."""
        if self.heard[slot]:
            self.lost_now[slot] = max(0, int(self.sequences.lost(np.array([slot]))[0]))
        return int(self.lost_before[slot] + self.lost_now[slot])

    def coding(self, slot: int) -> Coding:
        """Return the codec that is sent."""
        return CODINGS[int(self.codec[slot])]


def _type(payload_type: int | None) -> int:
    return NO_PAYLOAD_TYPE if payload_type is None else payload_type
