"""The codecs as the engine counts them: their numbers, rates and lengths. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.protocol import Codec, Format


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec at a rate."""

    index: int
    codec: Codec
    rate: int
    """Samples a second."""
    clock: int
    """Ticks of an RTP timestamp a second: 8000 for G.722 by mistake of RFC 1890 (RFC 3551 §4.5.2)."""
    octets: int
    """Of 20 ms."""

    @property
    def samples(self) -> int:
        """Of 20 ms."""
        return self.rate // 50

    @property
    def ticks(self) -> int:
        """Of 20 ms, in timestamps."""
        return self.clock // 50


PCMU, PCMA, G722, L16_8, L16_16, L16_24, L16_48 = range(7)

CODINGS: Final = (
    Coding(PCMU, Codec.PCMU, 8000, 8000, 160),
    Coding(PCMA, Codec.PCMA, 8000, 8000, 160),
    Coding(G722, Codec.G722, 16000, 8000, 160),
    Coding(L16_8, Codec.L16, 8000, 8000, 320),
    Coding(L16_16, Codec.L16, 16000, 16000, 640),
    Coding(L16_24, Codec.L16, 24000, 24000, 960),
    Coding(L16_48, Codec.L16, 48000, 48000, 1920),
)

OCTETS: Final[NDArray[np.int64]] = np.array([one.octets for one in CODINGS], np.int64)
TICKS: Final[NDArray[np.int64]] = np.array([one.ticks for one in CODINGS], np.int64)
RATES: Final[NDArray[np.int64]] = np.array([one.rate for one in CODINGS], np.int64)
CLOCKS: Final[NDArray[np.int64]] = np.array([one.clock for one in CODINGS], np.int64)

# What a payload type means to a leg.
UNKNOWN: Final = 0
EVENT: Final = 16
NOISE: Final = 17
"""1 to 7: audio of the codec with that number, less one."""


def coding_of(format_: Format) -> Coding | None:
    """Return a negotiated format's codec; None: the engine has none such."""
    rate = 16000 if format_.codec is Codec.G722 and format_.rate == 8000 else format_.rate
    for coding in CODINGS:
        if coding.codec is format_.codec and coding.rate == rate:
            return coding
    return None
