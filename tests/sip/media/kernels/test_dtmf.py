"""DTMF detection against the limits of ITU-T Q.24, and beside spandsp's on the same signals.

There are no recordings of talk here as Mitel's and Bellcore's tapes hold them: talk-off is measured on what
is made like speech and like music.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest

from sip.media.kernels.dtmf import DtmfDetector
from tests.support.audio import noise, speech, tone
from tests.support.dtmf import DIGITS, Key, heard, music, pressed, spandsp_hears

pytestmark = pytest.mark.unit

REPEATED = 6


def share(key: Key, repeated: int = REPEATED) -> float:
    """Return the share of digits that are heard, of each digit `repeated` times; none may be another one."""
    signals = [pressed(digit * repeated, key, seed) for seed, digit in enumerate(DIGITS)]
    told = heard(signals)
    for digit, got in zip(DIGITS, told, strict=True):
        assert {one.digit for one in got} <= {digit}
        assert len(got) <= repeated
    return sum(len(got) for got in told) / (repeated * len(DIGITS))


@pytest.mark.parametrize("snr", [None, 15.0])
@pytest.mark.parametrize(
    "key",
    [
        Key(40, 40),
        Key(65, 40),
        Key(500, 100),
        Key(40, 40, 0, 0),
        Key(40, 40, -25, -25),
        Key(40, 40, -30, -30),
        Key(40, 40, -14, -10),
        Key(40, 40, -10, -18),
        Key(40, 40, off=0.015),
        Key(40, 40, off=-0.015),
        Key(40, 40, -14, -10, 0.015),
        Key(40, 40, -10, -18, -0.015),
    ],
)
def test_what_must_be_heard_is_heard(key: Key, snr: float | None) -> None:
    assert share(replace(key, snr=snr)) >= (1.0 if snr is None else 0.98)


@pytest.mark.parametrize("snr", [None, 15.0])
@pytest.mark.parametrize(
    "key",
    [
        Key(20, 60),
        Key(23, 60),
        Key(100, 60, off=0.035),
        Key(100, 60, off=-0.035),
        Key(100, 60, off=0.06),
        Key(100, 60, -17, -10),
        Key(100, 60, -10, -21),
        Key(100, 60, -40, -40),
        Key(100, 60, -55, -55),
    ],
)
def test_what_must_not_be_heard_is_not(key: Key, snr: float | None) -> None:
    assert share(replace(key, snr=snr), 3) <= (0.0 if snr is None else 0.02)


def test_a_digit_that_is_interrupted_for_ten_milliseconds_is_one() -> None:
    assert share(Key(100, 60, broken=(50, 60))) == 1.0


@pytest.mark.parametrize("ms", [40, 70, 100, 333])
def test_length_and_beginning_are_told(ms: int) -> None:
    whole = pressed("5", Key(ms, 0, snr=30), seed=3)
    detector, rows = DtmfDetector(1), np.arange(1)
    begin = int(np.random.default_rng(3).integers(400, 560)) / 8
    for at in range(0, len(whole), 160):
        for digit in detector.process(rows, whole[None, at : at + 160]):
            assert digit.ms == pytest.approx(ms, abs=12)
            assert (at + 160) / 8 - digit.ago_ms == pytest.approx(begin, abs=12)
            return
    raise AssertionError("not heard")


def test_a_batch_says_what_streams_say_alone_and_slots_are_apart() -> None:
    signals = [pressed(DIGITS[n:] + DIGITS[:n], Key(45, 45, snr=18), n) for n in range(8)]
    together = heard(signals)
    for signal, told in zip(signals, together, strict=True):
        assert [one._replace(row=0) for one in told] == heard([signal])[0]
    detector = DtmfDetector(8)
    some = np.array([5, 2])
    got = []
    for at in range(0, min(map(len, signals)), 160):
        got += detector.process(some, np.stack([signals[5][at : at + 160], signals[2][at : at + 160]]))
    for row in (5, 2):
        assert "".join(one.digit for one in got if one.row == row) == "".join(
            one.digit for one in together[row]
        )


def test_hearing_and_reset() -> None:
    detector, rows = DtmfDetector(2), np.arange(2)
    signal = pressed("5", Key(200, 0))[None, :]
    for at in range(0, 1440, 160):
        detector.process(rows, np.concatenate([signal[:, at : at + 160], signal[:, at : at + 160] * 0]))
    assert detector.hearing(rows).tolist() == [True, False]
    detector.reset(rows)
    assert detector.hearing(rows).tolist() == [False, False]
    assert all(not detector.process(rows, np.zeros((2, 160), np.int16)) for _ in range(10))


def test_single_tones_noise_and_dial_tone_are_no_digits() -> None:
    signals = [tone(hertz, -8, 8000, 8000) for hertz in (697, 941, 1209, 1633, 440, 1000)]
    signals += [noise(-10, 16_000, seed) for seed in range(4)]
    signals += [tone(350, -13, 8000, 8000) + tone(440, -13, 8000, 8000)]
    assert heard(signals) == [[]] * len(signals)


def test_beside_spandsp_in_one_table() -> None:
    keys = {
        "40 ms": Key(40, 40),
        "33 ms": Key(33, 40),
        "23 ms": Key(23, 60),
        "-25 dBm0": Key(40, 40, -25, -25),
        "high +4 dB": Key(50, 50, -14, -10),
        "low +8 dB": Key(50, 50, -10, -18),
        "+1.5 %": Key(50, 50, off=0.015),
        "+3.5 %": Key(100, 60, off=0.035),
        "noise -15 dB": Key(50, 50, snr=15),
        "noise -10 dB": Key(50, 50, snr=10),
    }
    sys.stdout.write(f"{'heard, %':16}{'ours':>8}{'spandsp':>9}\n")
    for name, key in keys.items():
        ours = share(key, 4)
        right = 0
        for seed, digit in enumerate(DIGITS):
            right += min(spandsp_hears(pressed(digit * 4, key, seed)).count(digit), 4)
        theirs = right / (4 * len(DIGITS))
        sys.stdout.write(f"{name:16}{ours:8.1%}{theirs:9.1%}\n")
        if name in ("23 ms", "+3.5 %"):
            assert ours <= theirs
        elif name != "33 ms":  # either is right: Q.24 leaves it open
            assert ours >= theirs - 0.01


def test_talk_and_music_are_digits_less_often_than_for_spandsp() -> None:
    talk = [speech(8000 * 30, level_dbm0=-14, seed=seed) for seed in range(12)]
    played = [music(8000 * 20, seed) for seed in range(4)]
    ours = [sum(map(len, heard(signals))) for signals in (talk, played)]
    theirs = [sum(len(spandsp_hears(signal)) for signal in signals) for signals in (talk, played)]
    sys.stdout.write(f"digits in 6 minutes like speech: {ours[0]}, spandsp {theirs[0]}; ")
    sys.stdout.write(f"in 80 s like music: {ours[1]}, spandsp {theirs[1]}\n")
    assert ours[0] <= theirs[0]
    assert ours[1] <= theirs[1]
