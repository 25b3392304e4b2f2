"""Two legs of RTP in one bridge, through the real process."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from sip.media.kernels import g711
from tests.support.media import (
    PCMA,
    PCMU,
    Asker,
    RtpPeer,
    alaw_tone,
    bridged,
    header,
    level_of,
    media,
    payloads,
    talk,
    ulaw_tone,
)

pytestmark = pytest.mark.wire


def test_a_call_between_two_laws_is_heard_at_both_ends(asker: Asker, peer: Callable[..., RtpPeer]) -> None:
    one, other = peer(0), peer(8)
    bridged(asker, ("a", one, media(one, PCMU)), ("b", other, media(other, PCMA)))
    talk([one, other], [ulaw_tone(440), alaw_tone(1000)], 50)
    heard_by_one = np.frombuffer(g711.ulaw_decode_bytes(payloads(one.heard[-40:])), np.int16)
    heard_by_other = np.frombuffer(g711.alaw_decode_bytes(payloads(other.heard[-40:])), np.int16)
    assert level_of(heard_by_one, 1000) == pytest.approx(-10, abs=0.5)
    assert level_of(heard_by_one, 440) < -50
    assert level_of(heard_by_other, 440) == pytest.approx(-10, abs=0.5)
    assert level_of(heard_by_other, 1000) < -50
    types, _, sequences, stamps, sources = zip(*(header(packet) for packet in other.heard[-48:]), strict=True)
    assert set(types) == {8}
    assert len(set(sources)) == 1
    assert {(b - a) & 0xFFFF for a, b in pairwise(sequences)} == {1}
    assert {b - a for a, b in pairwise(stamps)} == {160}
    assert asker.quality("a").received == 50
    assert asker.quality("a").lost == 0
