"""How good a call sounds, estimated by the E-model (ITU-T G.107, in its simplified form).

    R = 93.2 - Id - Ie_eff
    Id = 0.024 d + 0.11 (d - 177.3) where d > 177.3          d: one-way delay from mouth to ear, ms
    Ie_eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)       Ppl: per cent of frames that are not there
    MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6            within 1 and 4.5

93.2 is R of all defaults. Ie and Bpl are by codec (G.113 appendix I: G.711 0 and, with concealment, 25.1).
The scale is that of narrow bands: wide ones (G.722, L16 at 16000 and more) are held against the same 4.4, and
lose as G.711 does. It is a guess to compare calls by, no measurement of what was heard.
"""

from dataclasses import dataclass
from typing import Final

DEFAULT_R: Final = 93.2
CODEC_MS: Final = {"PCMU": 20.0, "PCMA": 20.0, "G722": 24.0, "L16": 20.0}
"""Delay of a frame and of what the codec looks ahead."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a codec costs (G.113)."""

    impairment: float
    robustness: float
    """Per cent of loss that cost half of what is left."""


EQUIPMENT: Final = {
    "PCMU": Equipment(0.0, 25.1),
    "PCMA": Equipment(0.0, 25.1),
    "G722": Equipment(0.0, 25.1),
    "L16": Equipment(0.0, 25.1),
}


def rating(loss: float, delay_ms: float, codec: str = "PCMU", burst: float = 1.0) -> float:
    """Return R. `loss`: share of frames, 0 to 1; `burst`: 1 for loss at random, more where it clusters.

    Raises KeyError for a codec that is not known.
    """
    equipment = EQUIPMENT[codec]
    percent = min(max(loss, 0.0), 1.0) * 100
    delay = max(delay_ms, 0.0)
    slow = 0.024 * delay + 0.11 * max(delay - 177.3, 0.0)
    gone = (95 - equipment.impairment) * percent / (percent / burst + equipment.robustness)
    return DEFAULT_R - slow - equipment.impairment - gone


def mos(
    loss: float, jitter_ms: float, one_way_ms: float, codec: str = "PCMU", depth_ms: float | None = None
) -> float:
    """Return the estimated mean opinion score, 1 to 4.5.

    `loss` counts what was concealed, for whatever reason; `one_way_ms` is the network's. Jitter counts by the
    delay of the buffer that takes it up: `depth_ms` when it is known, else twice the jitter, 20 ms at least.
    """
    depth = max(2 * jitter_ms, 20.0) if depth_ms is None else depth_ms
    value = rating(loss, one_way_ms + depth + CODEC_MS[codec], codec)
    if value <= 0:
        return 1.0
    value = min(value, 100.0)
    return min(max(1 + 0.035 * value + value * (value - 60) * (100 - value) * 7e-6, 1.0), 4.5)
