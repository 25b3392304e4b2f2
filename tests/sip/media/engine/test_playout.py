"""Bridges that are played out: conferences, sounds, taps, legs of PCM, digits; through the real process."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sip.media import clips, pcm
from sip.media import protocol as say
from sip.media.kernels import g711
from sip.media.kernels.g722 import G722Codec
from tests.support.media import (
    PCMU,
    Asker,
    PcmPeer,
    RtpPeer,
    Running,
    join,
    level_of,
    media,
    payloads,
    sine,
    talk,
    ulaw_samples,
    ulaw_tone,
)

pytestmark = pytest.mark.wire

Peers = Callable[..., RtpPeer]


def test_ten_hear_the_nine_others_and_not_themselves(asker: Asker, peer: Peers) -> None:
    tones = [300 + 100 * number for number in range(10)]
    peers = [peer(0) for _ in tones]
    asker.do(say.OpenBridge("b"))
    for number, one in enumerate(peers):
        join(asker, "b", f"leg{number}", one, media(one), talks=number != 9, listens=number != 8)
    talk(peers, [ulaw_tone(hertz, level=-22) for hertz in tones], 52)
    for number, one in enumerate(peers):
        heard = ulaw_samples(one.heard[-40:])
        levels = [level_of(heard, hertz) for hertz in tones]
        if number == 8:
            assert max(levels) < -60, "who does not listen hears nothing"
            continue
        for other, level in enumerate(levels):
            if other in (number, 9):
                assert level < -45, f"{number} hears {other}"
            else:
                assert level == pytest.approx(-22, abs=4.0), f"{number} does not hear {other}"


def test_a_tone_is_played_to_a_leg_and_a_clip_to_a_bridge(asker: Asker, peer: Peers) -> None:
    one, other = peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    join(asker, "b", "c", other, media(other))
    samples = np.concatenate([sine(1500, 16000)(number) for number in range(20)])
    descriptor = clips.make_clip("clip", samples.tobytes())
    asker.do(say.PutClip("hello", 16000, len(samples)), (descriptor,))
    asker.do(say.Play("t", say.Tone((425.0,), -13.0), leg="a", repeat=0))
    asker.do(say.Play("p", say.Clip("hello"), bridge="b"))
    finished = asker.event(say.PlayFinished)
    assert (finished.play, finished.reason, finished.ms) == ("p", "end", 400)
    one.listen()
    other.listen()
    assert level_of(ulaw_samples(one.heard[-10:]), 425) == pytest.approx(-13, abs=0.5)
    assert level_of(ulaw_samples(one.heard[-10:]), 1500) < -45, "the tone is heard instead of the bridge"
    loudest = max(level_of(ulaw_samples(other.heard[at : at + 8]), 1500) for at in range(len(other.heard)))
    assert loudest == pytest.approx(-10, abs=0.5)
    asker.do(say.Stop("t"))
    assert asker.event(say.PlayFinished).reason == "stopped"
    os.close(descriptor)


def test_a_stream_is_played_and_what_a_leg_says_and_hears_is_tapped(
    asker: Asker, peer: Peers, tmp_path: Path
) -> None:
    one = peer(0)
    sink, source = PcmPeer(tmp_path / "sink"), PcmPeer(tmp_path / "source")
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    said = asker.ask(say.Tap("said", sink.path, 8000, leg="a"))
    heard = asker.ask(say.Tap("heard", sink.path, 16000, leg="a", heard=True))
    started = asker.ask(say.Play("s", say.Stream(16000), leg="a"))
    assert isinstance(said, say.Started)
    assert isinstance(heard, say.Started)
    assert isinstance(started, say.Started)
    make = sine(700, 16000)
    for number in range(30):
        flags = pcm.LAST if number == 29 else 0
        source.send(asker.welcome.pcm, started.stream, make(number), 16000, flags)
    talk([one], [ulaw_tone(440)], 45)
    finished = asker.event(say.PlayFinished)
    assert (finished.reason, finished.ms) == ("stream-ended", 600)
    sink.wait(80)
    assert level_of(sink.samples(10, said.stream)[: 160 * 20], 440) == pytest.approx(-10, abs=0.5)
    tapped = sink.samples(0, heard.stream)
    assert max(
        level_of(tapped[at : at + 3200], 700, 16000) for at in range(0, len(tapped) - 3200, 320)
    ) == pytest.approx(-10, abs=0.5)
    frames = [frame for frame in sink.frames if frame.stream == said.stream]
    assert [frame.time for frame in frames] == [
        frames[0].time + 160 * number for number in range(len(frames))
    ]
    asker.do(say.Untap("said"))
    while not any(frame.flags & pcm.LAST for frame in sink.frames):
        sink.wait(len(sink.frames) + 1)
    sink.close()
    source.close()


def test_a_leg_of_pcm_talks_with_one_of_rtp(asker: Asker, peer: Peers, tmp_path: Path) -> None:
    one, bot = peer(0), PcmPeer(tmp_path / "bot")
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    opened = asker.opened(say.OpenPcm("bot", bot.path, 24000))
    asker.do(say.Join("bot", "b"))
    make = sine(900, 24000)
    for number in range(40):
        bot.send(asker.welcome.pcm, opened.stream, make(number), 24000)
    talk([one], [ulaw_tone(440)], 50)
    bot.wait(45)
    assert level_of(bot.samples(25), 440, 24000) == pytest.approx(-10, abs=0.7)
    assert max(
        level_of(ulaw_samples(one.heard[at : at + 10]), 900) for at in range(len(one.heard))
    ) == pytest.approx(-10, abs=0.7)
    asker.do(say.CloseLeg("bot"))
    bot.close()


def test_wideband_legs_hear_each_other_through_both_ways(asker: Asker, peer: Peers) -> None:
    wide, linear = peer(9), peer(96)
    g722 = say.Format(say.Codec.G722, 9, rate=16000)
    l16 = say.Format(say.Codec.L16, 96, rate=16000)
    coder, make = G722Codec(), sine(3000, 16000)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "g", wide, media(wide, g722))
    join(asker, "b", "l", linear, media(linear, l16))

    def g722_frame(number: int) -> bytes:
        return coder.encode(make(number))

    def l16_frame(number: int) -> bytes:
        return sine(5000, 16000)(number).astype(">i2").tobytes()

    def check() -> None:
        heard = np.frombuffer(payloads(linear.heard[-20:]), ">i2").astype(np.int16)
        assert level_of(heard, 3000, 16000) == pytest.approx(-10, abs=1.0)
        back = np.concatenate([G722Codec().decode(payloads(wide.heard[-30:]))])[3200:]
        assert level_of(back, 5000, 16000) == pytest.approx(-10, abs=1.5)

    talk([wide, linear], [g722_frame, l16_frame], 36, ticks=[160, 320])
    check()
    asker.do(say.Join("g", "b", gain=0.1))  # no longer plain: played out from here
    talk([wide, linear], [g722_frame, l16_frame], 36, ticks=[160, 320])
    check()


def test_digits_go_both_ways_by_events_and_as_tones(asker: Asker, peer: Peers) -> None:
    one = peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one, telephone_event=101))
    asker.do(say.Detect("a", dtmf=True))
    asker.do(say.SendDigits("d", "a", "12#"))
    talk([one], [ulaw_tone(440)], 40)
    assert asker.event(say.PlayFinished).reason == "end"
    events = [packet for packet in one.heard if packet[1] & 0x7F == 101]
    assert [event[12] for event in events if event[1] & 0x80] == [1, 2, 11]
    assert sum(bool(event[13] & 0x80) for event in events) == 9, "each end is sent three times"
    stamp = one.timestamp
    for duration, end in ((400, 0), (800, 0), (800, 1), (800, 1), (800, 1)):
        one.timestamp = stamp
        one.send(
            bytes([5, end << 7 | 10, duration >> 8, duration & 255]), payload_type=101, marker=duration == 400
        )
    digit = asker.event(say.Digit)
    assert (digit.leg, digit.digit, digit.ms, digit.inband) == ("a", "5", 100, False)
    one.timestamp = stamp + 2000
    low, high = sine(770, level=-9), sine(1336, level=-9)

    def five(number: int) -> bytes:
        return g711.ulaw_encode_bytes((low(number) + high(number)).astype(np.int16).tobytes())

    talk([one], [five], 6)
    talk([one], [lambda _: b"\xff" * 160], 12)
    digit = asker.event(say.Digit)
    assert (digit.digit, digit.inband) == ("5", True)
    assert digit.ms == pytest.approx(120, abs=25)


def test_inband_digits_are_heard_by_a_peer_that_takes_no_events(asker: Asker, peer: Peers) -> None:
    one, other = peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    join(asker, "b", "c", other, media(other))
    asker.do(say.SendDigits("d", "a", "7", tone_ms=200))
    asker.event(say.PlayFinished)
    one.listen()
    heard = ulaw_samples(one.heard)
    loudest = [
        max(level_of(heard[at : at + 800], hertz) for at in range(0, len(heard) - 800, 160))
        for hertz in (852, 1209)
    ]
    assert loudest == pytest.approx([-9, -7], abs=1.0)


def test_speech_and_silence_are_told(asker: Asker, peer: Peers) -> None:
    one = peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    asker.do(say.Detect("a", speech=True, silence_ms=200))
    quiet, loud = (lambda _: b"\xff" * 160), ulaw_tone(500)
    talk([one], [quiet], 15)
    talk([one], [loud], 15)
    talk([one], [quiet], 20)
    assert asker.event(say.Speech).leg == "a"
    assert asker.event(say.Silence).leg == "a"


def test_a_held_leg_is_sent_nothing_and_hears_nobody(asker: Asker, peer: Peers) -> None:
    one, other = peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    join(asker, "b", "c", other, media(other))
    talk([one, other], [ulaw_tone(440), ulaw_tone(1000)], 10)
    asker.do(say.Change("a", media(one, direction=say.Direction.INACTIVE)))
    one.listen()
    before = len(one.heard)
    talk([one, other], [ulaw_tone(440), ulaw_tone(1000)], 15)
    assert len(one.heard) == before
    assert level_of(ulaw_samples(other.heard[-8:]), 440) < -50
    asker.do(say.Change("a", media(one)))
    talk([one, other], [ulaw_tone(440), ulaw_tone(1000)], 15)
    assert level_of(ulaw_samples(one.heard[-8:]), 1000) == pytest.approx(-10, abs=0.7)


@pytest.mark.parametrize("ptime", [30])
def test_packets_of_other_lengths_are_taken_and_sent(asker: Asker, peer: Peers, ptime: int) -> None:
    one, other = peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one, say.Format(say.Codec.PCMU, 0, ptime=ptime)))
    join(asker, "b", "c", other, media(other))
    size = 8 * ptime
    stored = b"".join(ulaw_tone(440)(number) for number in range(60))
    tone = ulaw_tone(1000)

    def odd(number: int) -> list[bytes]:
        begin, end = number * 160 // size, (number + 1) * 160 // size
        return [stored[turn * size : (turn + 1) * size] for turn in range(begin, end)]

    talk([one, other], [odd, tone], 36, ticks=[size, 160])
    assert {len(packet) - 12 for packet in one.heard[-5:]} == {size}
    assert level_of(ulaw_samples(other.heard[-15:]), 440) == pytest.approx(-10, abs=1.0)
    assert level_of(ulaw_samples(one.heard)[-160 * 12 :], 1000) == pytest.approx(-10, abs=1.0)


def test_a_leg_alone_is_sent_silence_so_that_its_peer_may_latch(
    asker: Asker, peer: Peers, running: Running
) -> None:
    assert running.pid
    one = peer(0)
    asker.opened(say.OpenRtp("a", media(one)))
    assert {packet[12:] for packet in one.wait(5)} == {b"\xff" * 160}
    asker.do(say.Change("a", media(one, PCMU, comfort_noise=13)))
    while one.wait(len(one.heard) + 1)[-1][1] & 0x7F != 13:
        pass
    assert len(one.heard[-1]) == 13
