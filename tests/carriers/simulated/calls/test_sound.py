"""The witness's own µ-law and its ear."""

import pytest

from carriers.simulated.calls.sound import SILENCE, ToneSource, decode, encode, level_of, loudest

pytestmark = pytest.mark.unit


def test_every_code_reads_and_writes_the_same() -> None:
    assert [code for code in range(256) if encode(decode(code)) != code] == [0x7F]  # the other zero
    assert decode(0x7F) == decode(0xFF) == 0


def test_the_loudest_code_is_that_of_the_recommendation() -> None:
    assert (decode(0x80), decode(0x00)) == (8031, -8031)


@pytest.mark.parametrize("hertz", [350.0, 425.0, 1000.0, 3000.0])
@pytest.mark.parametrize("dbm0", [-30.0, -10.0, 0.0])
def test_a_tone_is_heard_as_loud_as_it_was_made(hertz: float, dbm0: float) -> None:
    source = ToneSource(hertz, dbm0)
    octets = b"".join(source.frame() for _ in range(25))
    assert loudest(octets)[0] == hertz
    assert abs(level_of(octets, hertz) - dbm0) < 0.3


def test_silence_has_no_tone() -> None:
    assert level_of(SILENCE * 10, 425.0) == -99.0


@pytest.mark.parametrize("hertz", [300, 425, 700, 1000, 1350, 3375])
def test_the_loudest_frequency_is_the_one_whose_level_is_highest(hertz: int) -> None:
    source = ToneSource(hertz)
    octets = b"".join(source.frame() for _ in range(25))
    assert loudest(octets) == (float(hertz), max(level_of(octets, each) for each in range(300, 3400, 25)))
