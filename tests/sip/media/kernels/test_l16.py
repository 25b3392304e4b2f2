"""L16."""

import numpy as np
import pytest

from sip.media.kernels import l16

pytestmark = pytest.mark.unit


def test_samples_travel_in_network_order() -> None:
    pcm = np.array([[1, -2, 0x1234]], np.int16)
    payload = l16.encode(pcm, np.empty((1, 6), np.uint8))
    assert payload.tobytes() == bytes.fromhex("0001fffe1234")
    assert np.array_equal(l16.decode(payload, np.empty((1, 3), np.int16)), pcm)


def test_payloads_inside_packets_at_odd_offsets_are_read_and_written() -> None:
    random = np.random.default_rng(1)
    pcm = random.integers(-32768, 32768, (5, 320)).astype(np.int16)
    packets = np.zeros((5, 13 + 640), np.uint8)
    l16.encode(pcm, packets[:, 13:])
    assert not packets[:, :13].any()
    assert np.array_equal(l16.decode(packets[:, 13:], np.empty((5, 320), np.int16)), pcm)
    assert [l16.decode_bytes(row.tobytes()) for row in packets[:, 13:]] == [row.tobytes() for row in pcm]
    assert [l16.encode_bytes(row.tobytes()) for row in pcm] == [row.tobytes() for row in packets[:, 13:]]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        l16.decode_bytes(b"\1\2\3")
