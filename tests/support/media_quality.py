"""What a network's faults leave of audio that goes through the engine: counted, and compared by frames."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sip.media import protocol as say
from tests.support.media_by_hand import by_hand

FRAMES_A_SECOND: Final = 50
SETTLE: Final = 250
"""Frames, five seconds, in which the jitter buffer learns."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out."""

    lost_share: float
    """Of the packets that were sent, after the buffer has learnt; the other shares likewise."""
    concealed_share: float
    """Of the frames that were due."""
    late_share: float
    """Of the packets: came, and too late to be played."""
    whole_share: float
    """Of the frames that were sent: heard as they were, every sample of them."""
    in_order: bool
    """Whether those were heard in the order in which they were sent."""
    delay_ms: float
    """From being sent to being heard: median."""
    depth_ms: float
    """Of the jitter buffer at the end."""
    mos: float


def through(loss: float, jitter_ms: float, seconds: float = 60.0, seed: int = 1) -> Heard:
    """Let a stream go through the engine, played out, with packets lost at random and each late by up to
    `jitter_ms`, evenly: many overtake others."""
    dice = np.random.default_rng(seed)
    frames = round(seconds * FRAMES_A_SECOND)
    codes = dice.integers(0, 256, (frames, 160), np.uint8)
    codes[codes == 0x7F] = 0xFF  # minus zero is heard as zero
    lost = dice.random(frames) < loss
    delays = (dice.random(frames) * jitter_ms * 1000).astype(int)
    with by_hand(max_legs=8) as one:
        speaker, listener = one.leg("a", bridge="b"), one.leg("c", bridge="b")
        one.do(say.Detect("a", speech=True))  # not plain: its bridge is played out
        begun = one.clock.at

        def send(number: int) -> None:
            speaker.send(codes[number].tobytes(), lost=bool(lost[number]), delay_us=int(delays[number]))

        one.run(SETTLE / FRAMES_A_SECOND, send)
        before = one.quality("a")
        one.run((frames - SETTLE) / FRAMES_A_SECOND, lambda number: send(number + SETTLE))
        after = one.quality("a")
        at = {frame.tobytes(): number for number, frame in enumerate(codes)}
        found = [
            (at[packet[12:]], when)
            for packet, when in zip(listener.heard, listener.heard_at, strict=True)
            if packet[12:] in at
        ]
    numbers = [number for number, _ in found]
    waits = [when - begun - number * 20_000 for number, when in found]
    settled = [number for number in numbers if number >= SETTLE]
    assert after.mos is not None
    return Heard(
        lost_share=float(lost[SETTLE:].mean()),
        concealed_share=(after.concealed - before.concealed) / (after.played - before.played),
        late_share=(after.late - before.late) / (after.received - before.received),
        whole_share=len(settled) / (frames - SETTLE),
        in_order=numbers == sorted(set(numbers)),
        delay_ms=float(np.median(waits)) / 1000,
        depth_ms=after.depth_ms,
        mos=after.mos,
    )
