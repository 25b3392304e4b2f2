"""L16: linear samples of 16 bits in network order (RFC 3551 §4.5.11), to native int16 and back.

Payloads are uint8 [streams, 2 · samples] and may begin at any octet of a larger buffer; contiguous in their
last axis, as `out` must be.
"""

import numpy as np

from sip.media.kernels.types import Octets, Pcm


def decode(octets: Octets, out: Pcm) -> Pcm:
    """Write the samples of payloads into `out`, int16 [streams, samples]; return it."""
    np.copyto(out, octets.view(">i2"))
    return out


def encode(pcm: Pcm, out: Octets) -> Octets:
    """Write samples as payloads into `out`, uint8 [streams, 2 · samples]; return it."""
    np.copyto(out.view(">i2"), pcm)
    return out


def decode_bytes(payload: bytes) -> bytes:
    """Return one payload as int16 of native order. Raises ValueError for half a sample at the end."""
    return np.frombuffer(payload, ">i2").astype(np.int16).tobytes()


def encode_bytes(pcm: bytes) -> bytes:
    """Return int16 of native order as one payload. Raises ValueError for half a sample at the end."""
    return np.frombuffer(pcm, np.int16).astype(">i2").tobytes()
