"""PCM between the engine and other processes: one Unix datagram a frame. Pure.

A datagram is a header of 24 octets, native order (both ends are on one machine), then int16 samples, mono:
20 ms of them, fewer in the last. `time` counts samples at the stream's rate and never goes back: what lies
between two frames was silence, or was dropped because its reader was too slow. An engine's taps all count
from one moment, so that equal times at one rate are the same moment; everything else counts from its
stream's beginning.
"""

from struct import Struct
from typing import Final, NamedTuple

HEADER: Final = Struct("=IIQHHI")
"""stream, sequence, time, flags, version, rate."""

VERSION: Final = 1
RATES: Final = (8000, 16000, 24000, 48000)
MAX_DATAGRAM: Final = HEADER.size + 2 * 60 * 48
"""60 ms at 48 kHz."""

LAST: Final = 1
"""Flag: the stream ends with this frame."""
FLUSH: Final = 2
"""Flag, towards the engine: what waits to be played is to be dropped first (an interrupted prompt)."""
SILENT: Final = 4
"""Flag, from the engine: nobody said anything; the samples are zeros."""


class Frame(NamedTuple):
    """A frame of PCM."""

    stream: int
    sequence: int
    """Counts frames of the stream, modulo 2**32."""
    time: int
    """Samples before this frame."""
    flags: int
    rate: int
    samples: memoryview | bytes
    """int16, native order."""


class NotPcm(ValueError):
    """A datagram that is no frame."""


def pack(frame: Frame) -> bytes:
    """Return a frame as a datagram."""
    header = HEADER.pack(frame.stream, frame.sequence, frame.time, frame.flags, VERSION, frame.rate)
    return header + bytes(frame.samples)


def unpack(datagram: bytes | memoryview) -> Frame:
    """Return a datagram's frame. Raises NotPcm for what is none."""
    if not HEADER.size <= len(datagram) <= MAX_DATAGRAM:
        raise NotPcm(f"{len(datagram)} octets: expected {HEADER.size} to {MAX_DATAGRAM}")
    stream, sequence, time, flags, version, rate = HEADER.unpack_from(datagram)
    if version != VERSION:
        raise NotPcm(f"version {version}: expected {VERSION}")
    if rate not in RATES:
        raise NotPcm(f"{rate} samples a second: expected one of {RATES}")
    samples = memoryview(datagram)[HEADER.size :]
    if len(samples) % 2:
        raise NotPcm("half a sample at the end")
    return Frame(stream, sequence, time, flags, rate, samples)
