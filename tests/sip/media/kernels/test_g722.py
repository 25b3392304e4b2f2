"""G.722 through the library."""

import numpy as np
import pytest

from sip.media.kernels.g722 import G722Codec
from tests.support import audio

pytestmark = pytest.mark.unit


def through(
    codec: G722Codec, pcm: np.ndarray[tuple[int], np.dtype[np.int16]]
) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.concatenate([codec.decode(codec.encode(frame)) for frame in pcm.reshape(-1, 320)])


@pytest.mark.parametrize("hz", [300, 1004, 3000, 6000])
def test_tones_of_both_bands_come_out_with_their_level(hz: float) -> None:
    got = through(G722Codec(), audio.tone(hz, -10, 16000, 16000))[3200:]
    found, level = audio.find_tone(got, 16000)
    assert found == pytest.approx(hz, abs=1)
    assert level == pytest.approx(-10, abs=0.5)
    assert audio.sinad(got, hz, 16000) > (30 if hz < 4000 else 15)


def test_a_frame_of_20_ms_is_160_octets() -> None:
    codec = G722Codec()
    payload = codec.encode(audio.tone(1000, -10, 16000, 320))
    assert len(payload) == 160
    assert codec.decode(payload).shape == (320,)
    assert codec.decode(np.frombuffer(payload, np.uint8)).dtype == np.int16


def test_half_an_octet_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        G722Codec().encode(np.zeros(319, np.int16))


def test_after_a_reset_it_is_as_new() -> None:
    pcm = audio.speech(3200, rate=16000)
    fresh = through(G722Codec(), pcm)
    used = G722Codec()
    through(used, audio.noise(0, 3200))
    assert not np.array_equal(through(used, pcm), fresh)
    used.reset()
    assert np.array_equal(through(used, pcm), fresh)
