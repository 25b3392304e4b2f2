"""Tones: their levels and frequencies, cadences, and that they are the same however they are cut."""

import numpy as np
import pytest

from sip.media.kernels.tones import Segment, ToneBank, cadence, dial, frequencies
from tests.support import audio
from tests.support.dtmf import DIGITS, heard

pytestmark = pytest.mark.unit

ROW = np.array([0])


def played(bank: ToneBank, row: int, frames: int, samples: int = 160) -> np.ndarray:
    out = np.zeros((1, samples), np.int16)
    pieces = []
    for _ in range(frames):
        bank.process(np.array([row]), out)
        pieces.append(out[0].copy())
    return np.concatenate(pieces)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize(("hertz", "level"), [(425.0, -13.0), (1004.0, 0.0), (3400.0, -40.0), (350.0, 3.0)])
def test_level_and_frequency_are_exact(rate: int, hertz: float, level: float) -> None:
    bank = ToneBank(1, rate)
    bank.start(0, cadence((hertz,), (), level))
    pcm = played(bank, 0, 50, rate // 50)
    assert audio.level(pcm) == pytest.approx(level, abs=0.02)
    found, found_level = audio.find_tone(pcm, rate)
    assert found == pytest.approx(hertz, abs=0.1)
    assert found_level == pytest.approx(level, abs=0.02)
    assert audio.sinad(pcm, hertz, rate) > (70 if level > -20 else 40)


def test_two_frequencies_each_at_its_level() -> None:
    bank = ToneBank(1)
    bank.start(0, cadence((350.0, 440.0), (), -16.0))
    pcm = played(bank, 0, 50)
    assert audio.tone_level(pcm, 350, 8000) == pytest.approx(-16, abs=0.05)
    assert audio.tone_level(pcm, 440, 8000) == pytest.approx(-16, abs=0.05)
    assert audio.level(pcm) == pytest.approx(-13, abs=0.05)


def test_cadence_on_the_sample_and_turns() -> None:
    bank = ToneBank(1)
    bank.start(0, cadence((425.0,), (35, 25)), turns=2)
    pcm = played(bank, 0, 8)
    loud = np.abs(pcm) > 0
    for begin, end in ((0, 280), (480, 760)):
        assert loud[begin + 1 : end].mean() > 0.95
    for begin, end in ((280, 480), (760, len(pcm))):
        assert not loud[begin:end].any()
    assert not bank.playing(ROW)[0]


def test_what_is_stopped_is_silent_and_what_repeats_goes_on() -> None:
    bank = ToneBank(2)
    bank.start(0, cadence((425.0,), (20, 20)), turns=0)
    bank.start(1, cadence((425.0,), ()))
    assert all(played(bank, 0, 2).any() for _ in range(100))
    assert bank.playing(np.arange(2)).all()
    bank.stop(0)
    assert not played(bank, 0, 4).any()
    bank.reset(np.array([1]))
    assert not bank.playing(np.arange(2)).any()


def test_a_batch_and_any_frame_length_give_the_same_samples() -> None:
    programmes = [
        cadence((425.0,), (35, 25)),
        cadence((350.0, 440.0), ()),
        dial("159", 50, 45),
        cadence((1400.0,), (20,)),
    ]
    bank, alone, odd = ToneBank(4), ToneBank(4), ToneBank(4)
    for row, programme in enumerate(programmes):
        for one in (bank, alone, odd):
            one.start(row, programme, turns=0)
    together = np.concatenate(
        [(bank.process(np.arange(4), out), out)[1] for out in np.zeros((32, 4, 160), np.int16)], axis=1
    )
    for row in range(4):
        assert (together[row] == played(alone, row, 32)).all()
        assert (together[row] == played(odd, row, 160, 32)).all()


def test_two_loud_tones_are_clipped_and_do_not_wrap() -> None:
    bank = ToneBank(1)
    bank.start(0, cadence((1000.0, 1010.0), (), 3.0))
    pcm = played(bank, 0, 50).astype(int)
    times = 2 * np.pi * np.arange(8000) / 8000
    wanted = audio.amplitude(3.0) * (np.sin(1000 * times) + np.sin(1010 * times))
    assert np.abs(pcm - np.clip(wanted, -32768, 32767)).max() <= 16
    assert pcm.max() == 32767


@pytest.mark.parametrize("samples", [1, 137, 280, 479, 480, 5000, 48_000_123])
@pytest.mark.parametrize("turns", [0, 3])
def test_what_is_skipped_is_as_if_it_had_been_played(samples: int, turns: int) -> None:
    programme = cadence((350.0, 440.0, 480.0, 620.0), (35, 25), -20.0)
    whole, skipped = ToneBank(1), ToneBank(1)
    for bank in (whole, skipped):
        bank.start(0, programme, turns)
    rounds = samples // 480 * 480 if turns == 0 else 0
    played(whole, 0, 1, min(samples - rounds, 5000)) if samples - rounds else None
    skipped.skip(0, samples)
    assert (played(whole, 0, 5) == played(skipped, 0, 5)).all()


def test_a_digits_high_tone_may_be_louder() -> None:
    bank = ToneBank(1)
    bank.start(0, dial("7", 1000, twist=2.0))
    pcm = played(bank, 0, 50)
    assert audio.tone_level(pcm, 852, 8000) == pytest.approx(-9, abs=0.1)
    assert audio.tone_level(pcm, 1209, 8000) == pytest.approx(-7, abs=0.1)


def test_digits_are_dialled_and_heard() -> None:
    bank = ToneBank(1)
    bank.start(0, dial(DIGITS, 70, 50))
    pcm = played(bank, 0, 110)
    assert "".join(one.digit for one in heard([pcm])[0]) == DIGITS
    assert not bank.playing(ROW)[0]
    assert frequencies("5") == (770.0, 1336.0)
    assert frequencies("D") == (941.0, 1633.0)


@pytest.mark.parametrize(
    "programme",
    [
        (),
        (Segment((425.0,), 0),),
        (Segment((1.0, 2.0, 3.0, 4.0, 5.0), 20),),
        (Segment((4000.0,), 20),),
        (Segment((0.0,), 20),),
    ],
)
def test_programmes_that_cannot_be_are_refused(programme: tuple[Segment, ...]) -> None:
    with pytest.raises(ValueError, match=r"time|samples"):
        ToneBank(1).start(0, programme)
    with pytest.raises(ValueError, match="digit"):
        frequencies("E")
