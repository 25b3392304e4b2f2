"""What an engine says when it has too much to do, what it drops, and what it tells of quality and silence.
By hand: minutes pass in a moment."""

import errno
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sip.media import pcm
from sip.media import protocol as say
from sip.media.rtp import rtcp
from tests.support.media import level_of, sine, ulaw_tone
from tests.support.media_by_hand import PEERS, ByHand, by_hand
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = pytest.mark.unit

TONE, OTHER = ulaw_tone(440), ulaw_tone(1000)


@pytest.fixture
def one() -> Iterator[ByHand]:
    with by_hand(max_legs=8) as made:
        yield made


def refusal(one: ByHand, command: say.Command) -> say.Refused:
    reply = one.ask(command)
    assert isinstance(reply, say.Refused), reply
    return reply


# --- load ---------------------------------------------------------------------------------------------------


def test_an_engine_that_is_busy_refuses_more_before_it_is_late(one: ByHand) -> None:
    speaker = one.leg("a", bridge="b")
    listener = one.leg("c", bridge="b")
    one.busy_seconds = 0.0045  # of 5 ms
    one.run(2.0, lambda number: speaker.send(TONE(number)))
    load = one.load()
    assert (load.accepts, load.late_ticks) == (False, 0), "nothing was late yet"
    assert load.busy == pytest.approx(0.9, abs=0.01)
    for command in (say.OpenRtp("x"), say.OpenPcm("y", "/nowhere", 8000)):
        wrong = refusal(one, command)
        assert wrong.reason is say.Refusal.FULL
        assert "90%" in wrong.text
    one.do(say.Change("a", say.Media(speaker.address, (say.Format(say.Codec.PCMU, 0),))))
    assert level_of(listener.samples(10), 440) == pytest.approx(-10, abs=0.5), "calls that run go on"
    one.busy_seconds = 0.001
    one.run(2.0)
    assert one.load().accepts
    one.leg("x")


def test_a_tick_that_was_nearly_late_stops_new_legs_for_some_seconds(one: ByHand) -> None:
    one.busy_seconds, one.late_seconds = 0.003, 0.016
    one.run(1.1)
    one.late_seconds = 0.0
    assert not one.load().accepts
    assert "16 ms" in refusal(one, say.OpenRtp("x")).text
    assert one.load().late_ticks == 0
    one.run(6.0)
    assert one.load().accepts
    one.late_seconds = 0.021
    one.run(1.1)
    assert one.load().late_ticks == pytest.approx(220, abs=25)


def test_all_legs_in_use_are_said_to_be(one: ByHand) -> None:
    for number in range(8):
        one.leg(f"leg{number}")
    assert not one.load().accepts
    assert refusal(one, say.OpenRtp("x")).text == "all 8 legs are in use"
    one.do(say.CloseLeg("leg3"))
    one.leg("x")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (errno.EMFILE, "EMFILE"),
        (errno.EACCES, "EACCES"),
    ],
)
def test_what_the_system_says_against_a_port_is_told(one: ByHand, code: int, words: str) -> None:
    one.wire.refuses = OSError(code, os.strerror(code))
    wrong = refusal(one, say.OpenRtp("x"))
    assert wrong.reason is say.Refusal.FULL
    assert words in wrong.text
    assert os.strerror(code) in wrong.text
    assert one.engine.legs.count == 0
    one.wire.refuses = None
    one.leg("x")


def test_ports_of_other_programs_are_passed_over_and_said_in_the_end() -> None:
    with by_hand(max_legs=8, low=30_000, high=30_003) as one:
        one.wire.refuses = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        assert refusal(one, say.OpenRtp("x")).text == "every port of 30000-30003 is in use or rests"
        assert one.load().ports_free == 0


@pytest.mark.promise("R13")
def test_a_late_packet_of_an_old_call_reaches_no_new_one_for_thirty_seconds(promise: Report) -> None:
    with by_hand(max_legs=8, low=30_000, high=30_001) as one:
        first = one.leg("a")
        one.do(say.CloseLeg("a"))
        refused = 0
        while isinstance(one.ask(say.OpenRtp("b")), say.Refused):
            first.send(TONE(0))
            one.run(0.5)
            refused += 1
        assert refused == 60
        assert one.quality("b").received == 0
        promise(rested_seconds=refused / 2, packets_of_the_old_call_heard=0)


# --- age ----------------------------------------------------------------------------------------------------


def test_what_waited_too_long_is_shed_and_what_is_fresh_is_heard(one: ByHand) -> None:
    speaker, listener = one.leg("a", bridge="b"), one.leg("c", bridge="b")
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    one.wire.asleep = 120_000  # the kernel holds packets that nobody reads
    before = len(listener.heard)
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    assert len(listener.heard) == before
    assert one.load().shed == pytest.approx(19, abs=1)
    one.wire.asleep = 60_000
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    shed = one.load().shed
    assert shed <= 25
    assert len(listener.heard) - before >= 25, "late, but not too late"
    one.wire.asleep = 0
    one.run(0.5, lambda number: speaker.send(TONE(number)))
    assert one.load().shed == shed
    assert one.quality("a").lost == pytest.approx(shed, abs=1), "what was shed is a loss to be seen"


def test_a_flood_is_cut_at_what_no_codec_needs(one: ByHand) -> None:
    flooded, speaker = one.leg("f", bridge="x"), one.leg("a", bridge="b")
    one.leg("g", bridge="x")
    listener = one.leg("c", bridge="b")

    def flood(number: int) -> None:
        for _ in range(50):
            flooded.send(OTHER(number))
        speaker.send(TONE(number))

    one.run(2.0, flood)
    assert one.quality("f").flooded == pytest.approx(5000 - 2 * 250, abs=260)
    assert one.quality("f").received <= 3 * 250
    assert (one.quality("a").lost, one.quality("a").received) == (0, 100)
    assert level_of(listener.samples(10), 440) == pytest.approx(-10, abs=0.5)


# --- silence (R15) ------------------------------------------------------------------------------------------


@pytest.mark.promise("R15")
def test_a_minute_without_anything_is_told_once_unless_held(one: ByHand, promise: Report) -> None:
    directions = {
        "talks": say.Direction.SENDRECV,
        "early": say.Direction.RECVONLY,
        "held": say.Direction.SENDONLY,
        "inactive": say.Direction.INACTIVE,
        "dtx": say.Direction.SENDRECV,
        "reports": say.Direction.SENDRECV,
        "listens": say.Direction.RECVONLY,
    }
    limit = scale(12.0, 60.0)
    peers = {
        name: one.leg(name, direction=direction, comfort_noise=13, timeout=limit)
        for name, direction in directions.items()
    }
    alive = rtcp.build(rtcp.Report(77, None, ()), "peer")

    def some(number: int) -> None:
        if number == 0:
            peers["talks"].send(TONE(0))
        if number % round(limit * 15) == 0:
            peers["dtx"].send(bytes([60]), payload_type=13)
        if number % 250 == 0:
            peers["reports"].report(alive)
            peers["listens"].report(alive)

    one.run(limit - 0.5, some)
    assert not one.told(say.MediaTimeout)
    one.run(limit + 0.5, lambda number: some(number + 1))
    told = {event.leg: event.seconds for event in one.told(say.MediaTimeout)}
    assert sorted(event.leg for event in one.told(say.MediaTimeout)) == ["early", "talks"], "each once"
    assert all(limit <= seconds <= limit + 1.1 for seconds in told.values())
    peers["talks"].send(TONE(0))
    one.run(limit + 1.1)
    assert [event.leg for event in one.told(say.MediaTimeout)].count("talks") == 2, "again after it came back"
    promise(legs=len(peers), told=2, told_after_seconds=max(told.values()), alive_and_told=0)


@pytest.mark.promise("R12")
def test_rtcp_of_strangers_keeps_no_call_alive(one: ByHand) -> None:
    leg = one.leg("a", timeout=5.0)
    alive = rtcp.build(rtcp.Report(77, None, ()), "peer")
    one.run(6.0, lambda _: one.wire.put(leg.target + 1, alive, ("203.0.113.9", 9)))
    assert len(one.told(say.MediaTimeout)) == 1
    assert one.quality("a").foreign == 300


@pytest.mark.promise("R12")
@pytest.mark.parametrize("latch", list(say.Latch))
def test_no_sample_of_a_stranger_is_in_a_recording(one: ByHand, latch: say.Latch, promise: Report) -> None:
    """Strangers guess ports and numbers: their packets carry a sample that nobody else has."""
    recorder = one.program("recorder")
    speaker = one.leg("a", bridge="b", latch=latch)
    one.leg("c", bridge="b")
    one.do(say.Tap("t", recorder.path, 8000, leg="a"))
    told = b"\x80" * 160  # µ-law's loudest: a tone of -10 dBm0 is far from it
    strangers = [("203.0.113.9", 4000), ("203.0.113.9", speaker.address.port), (PEERS, 7), (PEERS, 9)]

    def both(number: int) -> None:
        speaker.send(TONE(number))
        if number >= 5:
            speaker.sequence -= 1
            speaker.timestamp -= 160
            ours = speaker.sequence, speaker.timestamp
            for ahead, source in enumerate(strangers):
                speaker.sequence, speaker.timestamp = ours[0] + ahead, ours[1] + 160 * ahead
                speaker.send(told, source=source)
            speaker.sequence, speaker.timestamp = ours[0] + 1, ours[1] + 160

    one.run(4.0, both)
    recorder.read()
    recorded = recorder.samples()
    assert np.abs(recorded.astype(int)).max() < 12_000
    assert level_of(recorded[1600:], 440) == pytest.approx(-10, abs=0.3)
    statistics = one.quality("a")
    assert (statistics.received, statistics.foreign) == (200, 195 * 4)
    promise(injected=0, refused=statistics.foreign)


# --- quality ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("play_out", [False, True])
def test_quality_that_becomes_poor_and_good_again_is_told_once_each(one: ByHand, play_out: bool) -> None:
    speaker = one.leg("a", bridge="b")
    one.leg("c", bridge="b")
    if play_out:
        one.do(say.Detect("a", speech=True))
    random = np.random.default_rng(5)

    def lossy(share: float) -> Callable[[int], None]:
        return lambda number: speaker.send(TONE(number), lost=bool(random.random() < share))

    one.run(10.0, lossy(0.0))
    assert not one.told(say.QualityChanged)
    one.run(20.0, lossy(0.25))
    (poor,) = one.told(say.QualityChanged)
    assert poor.poor
    assert poor.statistics.leg == "a"
    assert (poor.statistics.concealed > 0) is play_out
    assert poor.statistics.lost > 0
    one.run(20.0, lossy(0.0))
    assert [event.poor for event in one.told(say.QualityChanged)] == [True, False]


def test_digits_and_speech_are_heard_on_a_leg_of_pcm_too(one: ByHand) -> None:
    bot = one.program("bot")
    opened = one.ask(say.OpenPcm("bot", bot.path, 16_000))
    assert isinstance(opened, say.Opened)
    one.do(say.Detect("bot", dtmf=True, speech=True, silence_ms=300))
    low, high = sine(770, 16_000, -9), sine(1336, 16_000, -9)

    def five(number: int) -> None:
        sound = low(number) + high(number) if number < 10 else np.zeros(320, np.int16)
        bot.send(opened.stream, sound.astype(np.int16), 16_000)

    one.run(1.0, five)
    (digit,) = one.told(say.Digit)
    assert (digit.leg, digit.digit, digit.inband) == ("bot", "5", True)
    assert [event.leg for event in one.told(say.Speech)] == ["bot"]
    assert [event.leg for event in one.told(say.Silence)] == ["bot"]


@pytest.mark.parametrize("rate", [*pcm.RATES])
@pytest.mark.parametrize("other", [*pcm.RATES])
def test_legs_of_pcm_of_any_two_rates_hear_each_other(one: ByHand, rate: int, other: int) -> None:
    ends, streams = {}, {}
    one.do(say.OpenBridge("b"))
    for name, hertz in (("x", rate), ("y", other)):
        ends[name] = one.program(name)
        opened = one.ask(say.OpenPcm(name, ends[name].path, hertz))
        assert isinstance(opened, say.Opened)
        streams[name] = opened.stream
        one.do(say.Join(name, "b"))
    says, answers = sine(700, rate), sine(1900, other)
    one.run(
        0.8,
        lambda number: (
            ends["x"].send(streams["x"], says(number), rate),
            ends["y"].send(streams["y"], answers(number), other),
        ),
    )
    for name, hertz, wanted in (("x", rate, 1900), ("y", other, 700)):
        ends[name].read()
        heard = ends[name].samples(15)
        assert level_of(heard, wanted, hertz) == pytest.approx(-10, abs=0.3)
        assert level_of(heard, 2600 - wanted, hertz) < -60
