"""RTP headers (RFC 3550 §5.1), many packets at once, in buffers that were allocated before. Pure.

Any octets end in a row that is `valid`, with exactly the fields and the payload of RFC 3550, or in a row that
is not, with the reason why; no row reaches beyond its packet.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION: Final = 2
FIXED: Final = 12
"""Octets of a header without contributing sources and extension."""

_LAYOUT: Final = np.dtype(
    [("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")]
)
_PLAIN: Final = VERSION << 6
"""The first octet of a packet without padding, extension and contributing sources: nearly all are so."""
_RTCP_FIRST: Final = 192
_RTCP_LAST: Final = 223
"""The second octets that are RTCP's where both share a port (RFC 5761 §4)."""


class Reason(IntEnum):
    """Why a packet is no RTP."""

    GOOD = 0
    SHORT = 1
    """Shorter than a header."""
    VERSION = 2
    CSRC = 3
    """Ends within its list of contributing sources."""
    EXTENSION = 4
    """Ends within its header extension."""
    PADDING = 5
    """Says that it has more padding than octets after its header, or none."""
    LONG = 6
    """Longer than its buffer: its end was cut off when it was read."""


class Headers(NamedTuple):
    """Columns, a row a packet. Of a row that is not valid only `reason` means something."""

    valid: NDArray[np.bool_]
    reason: NDArray[np.uint8]
    """`Reason`."""
    marker: NDArray[np.bool_]
    payload_type: NDArray[np.uint8]
    sequence: NDArray[np.int64]
    """Modulo 2**16."""
    timestamp: NDArray[np.int64]
    """Modulo 2**32."""
    ssrc: NDArray[np.int64]
    at: NDArray[np.intp]
    """Where the payload begins in the row."""
    length: NDArray[np.intp]
    """Octets of the payload, without padding; 0 is possible."""


def parse(buffer: NDArray[np.uint8], lengths: NDArray[np.integer]) -> Headers:
    """Return what the headers of packets say.

    `buffer` is [packets, size], contiguous, size at least 12; `lengths` are octets. A packet that
    is padding only (RFC 3550 §A.1 would drop it; they are sent to probe a path) is valid, its payload empty.
    """
    count, size = buffer.shape
    fixed = np.ndarray((count,), _LAYOUT, buffer=buffer, strides=(size,))
    first, second = fixed["first"], fixed["second"]
    length = lengths.astype(np.intp)
    reason = np.zeros(count, np.uint8)
    at = np.full(count, FIXED, np.intp)
    left = length - FIXED
    odd = (first != _PLAIN) | (left < 0) | (length > size)
    if odd.any():
        _odd(buffer, np.flatnonzero(odd), length, reason, at, left)
    return Headers(
        reason == 0,
        reason,
        second >= 0x80,
        second & np.uint8(0x7F),
        fixed["sequence"].astype(np.int64),
        fixed["timestamp"].astype(np.int64),
        fixed["ssrc"].astype(np.int64),
        at,
        left,
    )


def _odd(
    buffer: NDArray[np.uint8],
    rows: NDArray[np.intp],
    length: NDArray[np.intp],
    reason: NDArray[np.uint8],
    at: NDArray[np.intp],
    left: NDArray[np.intp],
) -> None:
    """Work out the rows that are not a plain header and a payload."""
    size = buffer.shape[1]
    first, end = buffer[rows, 0], length[rows]
    start = FIXED + 4 * (first & 0x0F).astype(np.intp)
    extended = (first & 0x10) != 0
    # Indexes are clipped: what they read then is not used, since `start` lies beyond the end.
    words = buffer[rows, np.minimum(start + 2, size - 1)].astype(np.intp) << 8
    words |= buffer[rows, np.minimum(start + 3, size - 1)]
    cut = extended & (start + 4 > end)
    behind = np.where(extended, start + 4 + 4 * words, start)
    padded = (first & 0x20) != 0
    padding = np.where(padded, buffer[rows, np.clip(end - 1, 0, size - 1)], 0).astype(np.intp)
    bad = np.select(
        [
            end < FIXED,
            end > size,
            first >> 6 != VERSION,
            start > end,
            cut | (behind > end),
            padded & ((padding == 0) | (behind + padding > end)),
        ],
        [Reason.SHORT, Reason.LONG, Reason.VERSION, Reason.CSRC, Reason.EXTENSION, Reason.PADDING],
        default=Reason.GOOD,
    )
    good = bad == Reason.GOOD
    reason[rows] = bad
    at[rows] = np.where(good, behind, 0)
    left[rows] = np.where(good, end - behind - padding, 0)


def is_rtcp(buffer: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which packets of a port that RTP and RTCP share are RTCP (RFC 5761 §4)."""
    second = buffer[:, 1]
    return (second >= _RTCP_FIRST) & (second <= _RTCP_LAST)


def build(
    out: NDArray[np.uint8],
    sequence: NDArray[np.integer],
    timestamp: NDArray[np.integer],
    ssrc: NDArray[np.integer],
    payload_type: NDArray[np.integer],
    marker: NDArray[np.bool_] | None = None,
) -> None:
    """Write a plain header into the first 12 octets of each row of `out` [packets, size], contiguous.

    Sequence numbers, timestamps and SSRCs are taken modulo their fields; payload types must be below 128.
    """
    count, size = out.shape
    fixed = np.ndarray((count,), _LAYOUT, buffer=out, strides=(size,))
    fixed["first"] = _PLAIN
    fixed["second"] = payload_type if marker is None else payload_type | (marker.astype(np.uint8) << 7)
    fixed["sequence"] = sequence.astype(np.uint16)
    fixed["timestamp"] = timestamp.astype(np.uint32)
    fixed["ssrc"] = ssrc.astype(np.uint32)
