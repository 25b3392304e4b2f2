"""What peers do with their streams in a call: silence, other sources, jumps, other codecs; and what they are
sent. By hand, so that every packet is where the test says."""

import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sip.media import pcm
from sip.media import protocol as say
from sip.media.kernels import energy, g711
from tests.support.media import PCMA, PCMU, alaw_tone, header, level_of, sine, ulaw_tone
from tests.support.media_by_hand import ByHand, Peer, by_hand

pytestmark = pytest.mark.unit

TONE, OTHER, QUIET = ulaw_tone(440), ulaw_tone(1000), b"\xff" * 160
L16 = say.Format(say.Codec.L16, 96, rate=16000)


@pytest.fixture
def one() -> Iterator[ByHand]:
    with by_hand(max_legs=16) as made:
        yield made


def played_out(one: ByHand, *names: str) -> None:
    """Let a call's legs be played out, as one is that is listened to."""
    for name in names:
        one.do(say.Detect(name, dtmf=True))


def pair(one: ByHand, *, play_out: bool, **media: object) -> tuple[Peer, Peer]:
    """Return the peers of a call, relayed or played out."""
    first, second = one.leg("a", bridge="b", **media), one.leg("c", bridge="b")
    if play_out:
        played_out(one, "a")
    return first, second


def gapless(packets: list[bytes]) -> None:
    """Assert that packets are one stream without a gap."""
    assert len({packet[8:12] for packet in packets}) == 1
    assert {(after - before) & 0xFFFF for before, after in pairwise(header(one)[2] for one in packets)} == {1}


@pytest.mark.parametrize("play_out", [False, True])
def test_comfort_noise_that_comes_is_heard_at_its_level(one: ByHand, play_out: bool) -> None:
    speaker, listener = pair(one, play_out=play_out, comfort_noise=13)
    one.run(0.6, lambda number: speaker.send(TONE(number)))
    speaker.timestamp += 160
    speaker.send(bytes([46]), payload_type=13)  # -46 dBov: -39.85 dBm0
    heard = len(listener.heard)
    one.run(1.0)
    if not play_out:
        assert [packet[1] & 0x7F for packet in listener.heard[heard:]] == [], (
            "it takes none, so it is left out"
        )
        return
    noise = listener.samples(heard + 15)
    assert energy.power(noise[None, :])[0] == pytest.approx(-39.85, abs=0.5)
    assert one.quality("a").concealed == 0
    speaker.timestamp += 160 * 49
    speaker.marker = True
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    assert level_of(listener.samples()[-1600:], 440) == pytest.approx(-10, abs=0.5)
    assert one.quality("a").lost == 0


def test_comfort_noise_is_relayed_to_a_peer_that_takes_it(one: ByHand) -> None:
    speaker = one.leg("a", bridge="b", comfort_noise=13)
    listener = one.leg("c", bridge="b", comfort_noise=19)
    one.run(0.2, lambda number: speaker.send(TONE(number)))
    speaker.send(bytes([60]), payload_type=13)
    one.run(0.02)
    assert (listener.heard[-1][1] & 0x7F, listener.heard[-1][12:]) == (19, bytes([60]))
    gapless(listener.heard)


def test_silence_is_sent_as_comfort_noise_and_a_talk_spurt_begins_with_a_marker(one: ByHand) -> None:
    speaker = one.leg("a", bridge="b")
    listener = one.leg("c", bridge="b", comfort_noise=13)
    played_out(one, "a")
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    one.run(2.0, lambda _: speaker.send(QUIET))
    quiet = listener.heard[-(sum(at > one.clock.at - 1_000_000 for at in listener.heard_at)) :]
    assert {header(packet)[0] for packet in quiet} == {13}
    assert 4 <= len(quiet) <= 6, "a packet each 200 ms"
    before = len(listener.heard)
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    spurt = [packet for packet in listener.heard[before:] if header(packet)[0] == 0]
    assert [header(packet)[1] for packet in spurt[:5]] == [True, False, False, False, False]
    assert header(spurt[0])[3] - header(listener.heard[10])[3] > 160 * 90, "time passes while nothing is sent"
    gapless(listener.heard)


@pytest.mark.parametrize("play_out", [False, True])
def test_a_source_that_begins_anew_is_heard_on_within_one_stream(one: ByHand, play_out: bool) -> None:
    speaker, listener = pair(one, play_out=play_out)
    one.run(1.0, lambda number: speaker.send(TONE(number)))
    speaker.ssrc, speaker.sequence, speaker.timestamp, speaker.marker = 77, 60_000, 4_000_000_000, True
    before = len(listener.heard)
    one.run(1.0, lambda number: speaker.send(OTHER(number)))
    gapless(listener.heard)
    fresh = listener.samples(before + 12)
    assert level_of(fresh, 1000) == pytest.approx(-10, abs=0.5)
    assert level_of(fresh, 440) < -45, "nothing of the old source is left"
    assert one.quality("a").lost == 0


@pytest.mark.parametrize("play_out", [False, True])
@pytest.mark.parametrize("jump", [-3_000_000, 8000 * 3600, 2**31 + 5])
def test_a_jump_of_timestamps_costs_a_moment_only(one: ByHand, play_out: bool, jump: int) -> None:
    speaker, listener = pair(one, play_out=play_out)
    one.run(1.0, lambda number: speaker.send(TONE(number)))
    speaker.timestamp += jump
    speaker.marker = True
    before = len(listener.heard)
    one.run(1.0, lambda number: speaker.send(OTHER(number)))
    gapless(listener.heard)
    assert len(listener.heard) - before == pytest.approx(50, abs=1)
    assert level_of(listener.samples(before + 15), 1000) == pytest.approx(-10, abs=0.5)
    if play_out:
        assert one.quality("a").concealed <= 5


@pytest.mark.parametrize("play_out", [False, True])
def test_a_codec_that_changes_in_a_call_is_heard_on(one: ByHand, play_out: bool) -> None:
    speaker = one.leg("a", PCMU, PCMA, L16, bridge="b")
    listener = one.leg("c", bridge="b")
    if play_out:
        played_out(one, "a")
    wide = sine(440, 16000)
    one.run(0.6, lambda number: speaker.send(TONE(number)))
    for kind, make, ticks in (
        (8, alaw_tone(440), 160),
        (96, lambda number: wide(number).astype(">i2").tobytes(), 320),
        (0, TONE, 160),
    ):
        before = len(listener.heard)
        one.run(1.0, lambda number: speaker.send(make(number), payload_type=kind, ticks=ticks))  # noqa: B023
        assert level_of(listener.samples(before + 15), 440) == pytest.approx(-10, abs=0.6), kind
    gapless(listener.heard)
    assert {header(packet)[0] for packet in listener.heard} == {0}
    assert one.quality("a").lost == 0
    assert one.quality("a").malformed == 0


@pytest.mark.parametrize("play_out", [False, True])
def test_a_new_negotiation_changes_payload_type_and_codec_of_what_is_sent(
    one: ByHand, play_out: bool
) -> None:
    speaker, listener = pair(one, play_out=play_out)
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    before = len(listener.heard)
    one.do(say.Change("c", say.Media(listener.address, (say.Format(say.Codec.PCMA, 108),))))
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    gapless(listener.heard)
    assert {header(packet)[0] for packet in listener.heard[before + 1 :]} == {108}
    speaker.send(QUIET, payload_type=111)
    one.run(0.02)
    assert one.quality("a").malformed == 1, "a payload type that nobody negotiated"


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
@pytest.mark.parametrize("asked", [20, 60])
def test_packets_of_ten_to_sixty_milliseconds_are_taken_and_sent_as_asked(
    one: ByHand, ptime: int, asked: int
) -> None:
    speaker = one.leg("a", bridge="b")
    listener = one.leg("c", say.Format(say.Codec.PCMU, 0, ptime=asked), bridge="b")
    stored = b"".join(TONE(number) for number in range(100))
    size = 8 * ptime

    def send(number: int) -> None:
        for turn in range(number * 160 // size, (number + 1) * 160 // size):
            speaker.send(stored[turn * size : (turn + 1) * size], ticks=size)

    one.run(1.8, send)
    assert {len(packet) - 12 for packet in listener.heard[10:]} == {8 * asked}
    gapless(listener.heard)
    assert level_of(listener.samples()[-6400:], 440) == pytest.approx(-10, abs=0.5)
    assert one.quality("a").concealed <= 1, "the change to play-out may cost one"


def test_talking_early_listening_only_and_mute(one: ByHand) -> None:
    """Before its answer the called one is heard and hears nothing; a supervisor hears and is not heard."""
    calling, called = one.leg("a", bridge="b", how={"talks": False}), one.leg("c", bridge="b")
    watching = one.leg("w", bridge="b", how={"talks": False})

    def talk(number: int) -> None:
        calling.send(TONE(number))
        called.send(OTHER(number))
        watching.send(ulaw_tone(2000)(number))

    one.run(1.0, talk)
    assert level_of(calling.samples(20), 1000) == pytest.approx(-10, abs=0.5)
    assert level_of(called.samples(20), 440) < -60
    one.do(say.Join("a", "b"))
    called.heard.clear()
    one.run(1.0, talk)
    assert level_of(called.samples(20), 440) == pytest.approx(-10, abs=0.5)
    assert level_of(called.samples(20), 2000) < -60
    for hertz in (440, 1000):
        assert level_of(watching.samples()[-6400:], hertz) == pytest.approx(-10, abs=0.5)
    one.do(say.Join("c", "b", talks=False))
    calling.heard.clear()
    one.run(1.0, talk)
    assert level_of(calling.samples(20), 1000) < -60, "muted"
    one.do(say.Join("a", "b", gain=-6.0))
    called.heard.clear()
    one.run(1.0, talk)
    assert level_of(called.samples(20), 440) == pytest.approx(-16, abs=0.5)


def test_a_held_leg_hears_music_without_end_and_nobody_hears_it(one: ByHand) -> None:
    held, other = one.leg("a", bridge="b"), one.leg("c", bridge="b")
    one.do(say.Change("a", say.Media(held.address, (PCMU,), direction=say.Direction.SENDONLY)))
    one.do(say.Play("music", say.Tone((600.0,), cadence=(300, 100)), leg="a", repeat=0))

    def talk(number: int) -> None:
        held.send(TONE(number))
        other.send(OTHER(number))

    one.run(3.0, talk)
    music = held.samples(20)
    on_and_off = [level_of(music[at : at + 320], 600) for at in range(0, len(music) - 320, 320)]
    assert max(on_and_off) == pytest.approx(-13, abs=0.5)
    assert min(on_and_off) < -60
    assert level_of(music, 1000) < -45, "music instead of the call"
    assert level_of(other.samples(20), 440) < -60, "who is held is not heard"
    assert not one.told(say.PlayFinished)
    one.do(say.Stop("music"))
    one.do(say.Change("a", say.Media(held.address, (PCMU,))))
    one.run(1.0, talk)
    assert level_of(held.samples()[-6400:], 1000) == pytest.approx(-10, abs=0.5)
    (finished,) = one.told(say.PlayFinished)
    assert (finished.reason, finished.ms) == ("stopped", 3000)


def test_ten_hear_the_nine_others_each_at_its_level_and_not_themselves(one: ByHand) -> None:
    tones = [300 + 100 * number for number in range(10)]
    makers = [ulaw_tone(hertz, level=-22) for hertz in tones]
    peers = [one.leg(f"leg{hertz}", bridge="b") for hertz in tones]
    one.run(2.0, lambda number: [peer.send(make(number)) for peer, make in zip(peers, makers, strict=True)])
    for number, peer in enumerate(peers):
        levels = [level_of(peer.samples(20), hertz) for hertz in tones]
        assert levels.pop(number) < -50
        assert levels == [pytest.approx(-22, abs=0.3)] * 9


def test_what_is_tapped_is_what_was_said_sample_for_sample(one: ByHand) -> None:
    recorder = one.program("recorder")
    speakers = [one.leg("a", bridge="b"), one.leg("c", bridge="b")]
    random = np.random.default_rng(3)
    sent = random.integers(0, 256, (2, 100, 160), np.uint8)
    streams = [one.ask(say.Tap(name, recorder.path, 8000, leg=name)) for name in "ac"]
    one.run(2.2, lambda n: [who.send(sent[at, n].tobytes()) for at, who in enumerate(speakers) if n < 100])
    recorder.read()
    begins = []
    for at, started in enumerate(streams):
        assert isinstance(started, say.Started)
        frames = [frame for frame in recorder.frames if frame.stream == started.stream]
        assert {after.time - before.time for before, after in pairwise(frames)} == {160}
        wanted = g711.ulaw_decode_bytes(sent[at].tobytes())
        found = b"".join(bytes(frame.samples) for frame in frames)
        assert wanted in found
        begins.append(frames[0].time + found.index(wanted) // 2)
    assert begins[0] == begins[1], "both began to talk at once"


def test_a_reader_that_stalls_costs_its_own_tap_only(one: ByHand, tmp_path: Path) -> None:
    reading = one.program("reading")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stalled:
        stalled.bind(str(tmp_path / "stalled"))
        speaker, listener = one.leg("a", bridge="b"), one.leg("c", bridge="b")
        one.do(say.Tap("read", reading.path, 8000, leg="a"))
        one.do(say.Tap("stuck", str(tmp_path / "stalled"), 8000, leg="a"))
        one.run(4.0, lambda number: speaker.send(TONE(number)))
        assert len(reading.frames) >= 199
        assert {event.tap for event in one.told(say.TapLost)} == {"stuck"}
        assert one.told(say.TapLost)[-1].dropped > 90
        assert len(listener.heard) >= 199
        assert level_of(listener.samples(10), 440) == pytest.approx(-10, abs=0.3)
        first = pcm.unpack(stalled.recv(pcm.MAX_DATAGRAM))
        assert first.sequence == 0, "what waits is the oldest that was not dropped"
    one.run(6.5)
    one.do(say.Untap("read"))
    assert one.told(say.TapLost)[-1].tap == "stuck"
    assert not one.engine.legs.names["test", "a"].taps, "a reader that is gone is given up"


def test_a_stream_that_stalls_is_silence_and_ends_in_the_end(one: ByHand) -> None:
    listener, other = one.leg("a"), one.leg("c")
    started = one.ask(say.Play("bot", say.Stream(8000), leg="a"))
    assert isinstance(started, say.Started)
    one.do(say.Play("tone", say.Tone((600.0,)), leg="c", repeat=0))
    make, source = sine(700), one.program("bot")
    one.run(1.0, lambda number: source.send(started.stream, make(number), 8000))
    assert level_of(listener.samples(10), 700) == pytest.approx(-10, abs=0.3)
    heard = len(listener.heard)
    one.run(28.0)
    assert not listener.samples(heard + 10).any()
    assert not one.told(say.PlayFinished)
    one.run(4.0)
    (finished,) = one.told(say.PlayFinished)
    assert (finished.play, finished.reason) == ("bot", "stream-starved")
    assert level_of(other.samples(10), 600) == pytest.approx(-13, abs=0.3)


def test_samples_pass_a_relayed_call_as_they_are(one: ByHand) -> None:
    speaker, listener = pair(one, play_out=False)
    random = np.random.default_rng(1)
    sent = [random.integers(0, 256, 160, np.uint8).tobytes() for _ in range(50)]
    one.run(1.0, lambda number: speaker.send(sent[number]))
    assert [packet[12:] for packet in listener.heard if header(packet)[2]][-50:] == sent
