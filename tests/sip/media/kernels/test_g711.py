"""G.711 against the ITU's program, spandsp and audioop: every code, every sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sip.media.kernels import g711
from tests.support import audio, spandsp

pytestmark = pytest.mark.unit

CODES = np.arange(256, dtype=np.uint8)
SAMPLES = np.arange(65536, dtype=np.uint16).view(np.int16)


def itu_ulaw(sample: int) -> int:
    """G.191's rule: ones' complement, 14 bits, 33 added, clipped, its segment and four bits, all inverted."""
    magnitude = min(((~sample if sample < 0 else sample) >> 2) + 33, 0x1FFF)
    segment = magnitude.bit_length() - 6
    code = segment << 4 | magnitude >> (segment + 1) & 15
    return 0xFF ^ (code | (0x80 if sample < 0 else 0))


def itu_alaw(sample: int) -> int:
    """G.191's rule: ones' complement, 12 bits, its segment and four bits, even ones inverted."""
    magnitude = (~sample if sample < 0 else sample) >> 4
    segment = max(0, magnitude.bit_length() - 4)
    code = segment << 4 | magnitude >> max(0, segment - 1) & 15
    return 0x55 ^ (code | (0 if sample < 0 else 0x80))


def decoded(law: str) -> NDArray[np.int16]:
    out = np.empty(256, np.int16)
    return g711.ulaw_decode(CODES, out) if law == "ulaw" else g711.alaw_decode(CODES, out)


def encoded(law: str, pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    out = np.empty(pcm.shape, np.uint8)
    return g711.ulaw_encode(pcm, out) if law == "ulaw" else g711.alaw_encode(pcm, out)


def test_every_sample_is_encoded_as_the_itus_program_does() -> None:
    assert encoded("ulaw", SAMPLES).tolist() == [itu_ulaw(int(sample)) for sample in SAMPLES]
    assert encoded("alaw", SAMPLES).tolist() == [itu_alaw(int(sample)) for sample in SAMPLES]


@pytest.mark.parametrize(("law", "number"), [("ulaw", spandsp.ULAW), ("alaw", spandsp.ALAW)])
def test_every_code_is_decoded_as_spandsp_and_audioop_do(law: str, number: int) -> None:
    state = spandsp.G711(number)
    ours = decoded(law)
    assert np.array_equal(ours, state.decode(CODES, np.empty(256, np.int16)))
    assert ours.tobytes() == getattr(spandsp.audioop, f"{law}2lin")(CODES.tobytes(), 2)
    state.close()


def test_alaw_is_encoded_as_spandsp_and_audioop_do() -> None:
    state = spandsp.G711(spandsp.ALAW)
    ours = encoded("alaw", SAMPLES)
    assert np.array_equal(ours, state.encode(SAMPLES, np.empty(65536, np.uint8)))
    assert ours.tobytes() == spandsp.audioop.lin2alaw(SAMPLES.tobytes(), 2)
    state.close()


def test_ulaw_differs_from_spandsp_only_for_negative_samples_on_a_decision_value() -> None:
    state = spandsp.G711(spandsp.ULAW)
    ours = encoded("ulaw", SAMPLES)
    theirs = state.encode(SAMPLES, np.empty(65536, np.uint8))
    state.close()
    different = SAMPLES[ours != theirs]
    # A decision value is where the code changes: the sample next to it towards zero has ours, itself theirs.
    assert len(different) == 127
    assert (different < 0).all()
    assert np.array_equal(theirs[ours != theirs], encoded("ulaw", different - np.int16(1)))


def test_ulaw_differs_from_audioop_in_508_samples_by_one_code() -> None:
    ours = encoded("ulaw", SAMPLES)
    theirs = np.frombuffer(spandsp.audioop.lin2ulaw(SAMPLES.tobytes(), 2), np.uint8)
    different = ours != theirs
    assert np.count_nonzero(different) == 508
    assert (SAMPLES[different] < 0).all()
    assert np.abs(ours.astype(int) - theirs)[different].max() == 1


def test_what_was_decoded_is_encoded_as_it_was_but_for_negative_zero() -> None:
    assert np.array_equal(encoded("alaw", decoded("alaw")), CODES)
    again = encoded("ulaw", decoded("ulaw"))
    assert np.flatnonzero(again != CODES).tolist() == [0x7F]
    assert again[0x7F] == g711.ULAW_SILENCE


def test_direct_tables_are_the_recommendations() -> None:
    assert g711.ULAW_TO_ALAW.tolist() == [spandsp.ulaw_to_alaw(code) for code in range(256)]
    assert g711.ALAW_TO_ULAW.tolist() == [spandsp.alaw_to_ulaw(code) for code in range(256)]


def test_direct_tables_differ_from_decoding_and_encoding_in_44_and_32_codes() -> None:
    assert np.count_nonzero(encoded("alaw", decoded("ulaw")) != g711.ULAW_TO_ALAW) == 44
    assert np.count_nonzero(encoded("ulaw", decoded("alaw")) != g711.ALAW_TO_ULAW) == 32


def test_direct_tables_lose_nothing_twice() -> None:
    once = g711.ALAW_TO_ULAW[g711.ULAW_TO_ALAW]
    assert np.array_equal(g711.ALAW_TO_ULAW[g711.ULAW_TO_ALAW[once]], once)
    assert np.count_nonzero(once != CODES) == 16


def test_the_digital_milliwatt_is_0_dbm0() -> None:
    """G.711 tables 5 and 6: the periodic sequences of a 1 kHz sine at a nominal 0 dBm0."""
    ulaw = np.tile(np.frombuffer(bytes.fromhex("1e0b0b1e9e8b8b9e"), np.uint8), 100)
    alaw = np.tile(np.frombuffer(bytes.fromhex("342121 34b4a1a1b4"), np.uint8), 100)
    for codes, decode in ((ulaw, g711.ulaw_decode), (alaw, g711.alaw_decode)):
        pcm = decode(codes, np.empty(codes.shape, np.int16))
        assert audio.level(pcm) == pytest.approx(0.0, abs=0.1)
        assert audio.find_tone(pcm, 8000)[0] == pytest.approx(1000, abs=1)


def test_a_sine_goes_through_with_the_noise_of_eight_bits() -> None:
    sine = audio.tone(1004, -10, 8000, 8000)
    for law, decode in (("ulaw", g711.ulaw_decode), ("alaw", g711.alaw_decode)):
        back = decode(encoded(law, sine), np.empty(sine.shape, np.int16))
        assert 37 < audio.snr(sine, back) < 40


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 330), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_batches_single_payloads_and_slices_of_packets_give_the_same(
    streams: int, samples: int, offset: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    packets = random.integers(0, 256, (streams, samples + offset), dtype=np.uint8)
    codes = packets[:, offset:]
    pcm = random.integers(-32768, 32768, (streams, samples)).astype(np.int16)
    into = np.zeros((streams, samples + offset), np.uint8)[:, offset:]
    for law in ("ulaw", "alaw"):
        got = getattr(g711, f"{law}_decode")(codes, np.empty((streams, samples), np.int16))
        one = getattr(g711, f"{law}_decode_bytes")
        assert [row.tobytes() for row in got] == [one(row.tobytes()) for row in codes]
        sent = getattr(g711, f"{law}_encode")(pcm, into)
        one = getattr(g711, f"{law}_encode_bytes")
        assert [row.tobytes() for row in sent] == [one(row.tobytes()) for row in pcm]
    for name in ("ulaw_to_alaw", "alaw_to_ulaw"):
        got = getattr(g711, name)(codes, into)
        one = getattr(g711, f"{name}_bytes")
        assert [row.tobytes() for row in got] == [one(row.tobytes()) for row in codes]
