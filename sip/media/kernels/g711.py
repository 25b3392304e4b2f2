"""G.711: µ-law and A-law, to linear and back, and directly into each other, by tables.

Reference: ITU-T G.711 (11/88); where its text leaves a choice, the ITU's own program for it in G.191
(Software Tool Library): a negative sample is taken by its ones' complement, so that one on a decision value
gets the code nearer to zero. Linear samples are left-justified in 16 bits, of which µ-law has 14 and A-law
13.

Others differ, by one code (figures: `python -m bench media_kernels`):

- spandsp's µ-law encoder takes the two's complement: on a decision value a negative sample gets the next
  code.
- audioop's and Sun's µ-law encoder cuts to 14 bits first, then takes the two's complement: most negative
  samples count as up to three sixteen-bit steps larger than they are.

µ-law to A-law and back follow tables 3 and 4 of the Recommendation, which are not decoding and encoding: 44
codes of 256 towards A-law and 32 towards µ-law go to the code beside.

Arrays may have any shape, [streams, samples] as a rule, `out` the same; contiguous in their last axis. Where
the last axis is even, two samples take one look-up: half the time of one each. The `_bytes` functions serve
single payloads (`bytes` in, `bytes` out) and give the same codes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.kernels.types import Longs, Octets, Pcm

ULAW_SILENCE: Final = 0xFF
"""The code of linear 0 (positive zero)."""
ALAW_SILENCE: Final = 0xD5

_Pairs = NDArray[np.uint16] | NDArray[np.uint32]

_SAMPLES: Final = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
"""Every linear sample, in the order of its sixteen bits."""


def _ulaw_decoder() -> Pcm:
    """G.711 table 2a/2b: decoder output value y = (2·n + 33)·2^segment - 33, in 14 bits; inverted codes."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 15) << 1) + 33 << (code >> 4 & 7)) - 33
    table: Pcm = np.where(code & 0x80, -4 * magnitude, 4 * magnitude).astype(np.int16)
    return table


def _alaw_decoder() -> Pcm:
    """G.711 table 1a/1b: middle of the interval, in 13 bits; even bits inverted."""
    code = np.arange(256) ^ 0x55
    segment = code >> 4 & 7
    step = (code & 15) * 2 + 1 + np.where(segment > 0, 32, 0)
    magnitude = step << np.maximum(segment - 1, 0)
    table: Pcm = np.where(code & 0x80, 8 * magnitude, -8 * magnitude).astype(np.int16)
    return table


def _segment(magnitude: Longs, least: int) -> Longs:
    """Return how often `magnitude` has to be halved to be below `least`."""
    limits = least << np.arange(8)
    return np.searchsorted(limits, magnitude, side="right").astype(np.int32)


def _ulaw_encoder() -> Octets:
    magnitude = np.minimum((np.where(_SAMPLES < 0, ~_SAMPLES, _SAMPLES) >> 2) + 33, 0x1FFF)
    segment = _segment(magnitude, 64)
    code = segment << 4 | (magnitude >> (segment + 1) & 15)
    table: Octets = (~np.where(_SAMPLES < 0, code | 0x80, code) & 0xFF).astype(np.uint8)
    return table


def _alaw_encoder() -> Octets:
    magnitude = np.where(_SAMPLES < 0, ~_SAMPLES, _SAMPLES) >> 4
    segment = _segment(magnitude, 16)
    code = segment << 4 | (magnitude >> np.maximum(segment - 1, 0) & 15)
    table: Octets = (np.where(_SAMPLES < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return table


def _pairs(table: Octets | Pcm) -> _Pairs:
    """Return the table for two neighbouring codes at once: 65,536 entries of twice the size."""
    both = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(65536, 2)
    entries = np.ascontiguousarray(table[both])
    if table.itemsize == 1:
        return entries.view(np.uint16).reshape(65536)
    return entries.view(np.uint32).reshape(65536)


ULAW_TO_LINEAR: Final[Pcm] = _ulaw_decoder()
"""int16 [256]"""
ALAW_TO_LINEAR: Final[Pcm] = _alaw_decoder()
LINEAR_TO_ULAW: Final[Octets] = _ulaw_encoder()
"""uint8 [65536], by the sample's sixteen bits."""
LINEAR_TO_ALAW: Final[Octets] = _alaw_encoder()


def _ulaw_to_alaw() -> Octets:
    """G.711 table 3. Numbered as there (1 to 128 by magnitude), 49, 50, 65 and 82 to 96 go one higher."""
    number = np.arange(1, 129)
    higher = (number == 49) | (number == 50) | (number == 65) | ((number >= 82) & (number <= 96))
    positive = ULAW_TO_LINEAR[256 - number].view(np.uint16)
    magnitude = (LINEAR_TO_ALAW[positive] ^ 0xD5) + higher
    code = np.arange(256)
    table: Octets = (magnitude[~code & 0x7F] ^ 0x55 | code & 0x80).astype(np.uint8)
    return table


def _alaw_to_ulaw() -> Octets:
    """G.711 table 4. Numbered as there, 81 to 96 go one lower."""
    number = np.arange(1, 129)
    lower = (number >= 81) & (number <= 96)
    positive = ALAW_TO_LINEAR[(number - 1) ^ 0xD5].view(np.uint16)
    magnitude = 255 - LINEAR_TO_ULAW[positive] - lower
    code = np.arange(256)
    table: Octets = (0x7F - magnitude[(code ^ 0x55) & 0x7F] | code & 0x80).astype(np.uint8)
    return table


ULAW_TO_ALAW: Final[Octets] = _ulaw_to_alaw()
"""uint8 [256]"""
ALAW_TO_ULAW: Final[Octets] = _alaw_to_ulaw()

_ULAW_PAIRS: Final = _pairs(ULAW_TO_LINEAR)
_ALAW_PAIRS: Final = _pairs(ALAW_TO_LINEAR)
_ULAW_TO_ALAW_PAIRS: Final = _pairs(ULAW_TO_ALAW)
_ALAW_TO_ULAW_PAIRS: Final = _pairs(ALAW_TO_ULAW)
_ULAW_TO_ALAW_BYTES: Final = ULAW_TO_ALAW.tobytes()
_ALAW_TO_ULAW_BYTES: Final = ALAW_TO_ULAW.tobytes()


def ulaw_decode(codes: Octets, out: Pcm) -> Pcm:
    """Decode µ-law codes to linear samples, one each; return `out`."""
    return _decode(ULAW_TO_LINEAR, _ULAW_PAIRS, codes, out)


def alaw_decode(codes: Octets, out: Pcm) -> Pcm:
    """Decode A-law codes to linear samples, one each; return `out`."""
    return _decode(ALAW_TO_LINEAR, _ALAW_PAIRS, codes, out)


def ulaw_encode(pcm: Pcm, out: Octets) -> Octets:
    """Encode linear samples as µ-law, one octet each; return `out`."""
    return np.take(LINEAR_TO_ULAW, pcm.view(np.uint16), out=out, mode="clip")


def alaw_encode(pcm: Pcm, out: Octets) -> Octets:
    """Encode linear samples as A-law, one octet each; return `out`."""
    return np.take(LINEAR_TO_ALAW, pcm.view(np.uint16), out=out, mode="clip")


def ulaw_to_alaw(codes: Octets, out: Octets) -> Octets:
    """Translate µ-law codes to A-law (G.711 table 3); `out` may be `codes`. Return `out`."""
    return _translate(ULAW_TO_ALAW, _ULAW_TO_ALAW_PAIRS, codes, out)


def alaw_to_ulaw(codes: Octets, out: Octets) -> Octets:
    """Translate A-law codes to µ-law (G.711 table 4); `out` may be `codes`. Return `out`."""
    return _translate(ALAW_TO_ULAW, _ALAW_TO_ULAW_PAIRS, codes, out)


def ulaw_to_alaw_bytes(payload: bytes) -> bytes:
    """Translate one payload of µ-law to A-law."""
    return payload.translate(_ULAW_TO_ALAW_BYTES)


def alaw_to_ulaw_bytes(payload: bytes) -> bytes:
    """Translate one payload of A-law to µ-law."""
    return payload.translate(_ALAW_TO_ULAW_BYTES)


def ulaw_decode_bytes(payload: bytes) -> bytes:
    """Decode one payload of µ-law to int16 of native order."""
    return ULAW_TO_LINEAR[np.frombuffer(payload, np.uint8)].tobytes()


def alaw_decode_bytes(payload: bytes) -> bytes:
    """Decode one payload of A-law to int16 of native order."""
    return ALAW_TO_LINEAR[np.frombuffer(payload, np.uint8)].tobytes()


def ulaw_encode_bytes(pcm: bytes) -> bytes:
    """Encode int16 of native order as one payload of µ-law."""
    return LINEAR_TO_ULAW[np.frombuffer(pcm, np.uint16)].tobytes()


def alaw_encode_bytes(pcm: bytes) -> bytes:
    """Encode int16 of native order as one payload of A-law."""
    return LINEAR_TO_ALAW[np.frombuffer(pcm, np.uint16)].tobytes()


def _decode(table: Pcm, pairs: _Pairs, codes: Octets, out: Pcm) -> Pcm:
    if codes.shape[-1] % 2:
        return np.take(table, codes, out=out, mode="clip")
    np.take(pairs, codes.view(np.uint16), out=out.view(np.uint32), mode="clip")
    return out


def _translate(table: Octets, pairs: _Pairs, codes: Octets, out: Octets) -> Octets:
    if codes.shape[-1] % 2:
        return np.take(table, codes, out=out, mode="clip")
    np.take(pairs, codes.view(np.uint16), out=out.view(np.uint16), mode="clip")
    return out
