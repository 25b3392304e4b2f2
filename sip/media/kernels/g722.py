"""G.722 at 64 kbit/s, by a library, one object a stream: each sample depends on the one before.

16 kHz, two samples an octet; the RTP clock runs at 8 kHz all the same (RFC 3551 §4.5.2). About 20 µs a frame
and direction.
"""

from typing import Final

import numpy as np
from G722 import G722

from sip.media.kernels.types import Octets, Pcm

RATE: Final = 16_000
BITS_A_SECOND: Final = 64_000
SAMPLES_AN_OCTET: Final = 2


class G722Codec:
    """One stream's encoder and decoder; they share nothing."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, as both ends of a stream do."""
        self._encoder = G722(RATE, BITS_A_SECOND)
        self._decoder = G722(RATE, BITS_A_SECOND)

    def encode(self, pcm: Pcm) -> bytes:
        """Encode int16 [samples] at 16 kHz, an even number, as a payload of half as many octets."""
        if pcm.shape[-1] % SAMPLES_AN_OCTET:
            raise ValueError(f"{pcm.shape[-1]} samples: expected an even number")
        return bytes(self._encoder.encode(pcm))

    def decode(self, payload: bytes | bytearray | memoryview | Octets) -> Pcm:
        """Decode a payload to int16 [2 · octets] at 16 kHz."""
        return np.frombuffer(self._decoder.decode(bytes(payload)), np.int16)
