"""The control socket: answers in time, limits, a slow peer, a gateway that comes back, garbage."""

import os
import random
import socket
import time
from collections.abc import Callable

import msgspec
import pytest

from sip.media import framing
from sip.media import protocol as say
from tests.support.media import PCMU, Asker, RtpPeer, Running, engine, media, talk, ulaw_tone
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = pytest.mark.wire

Peers = Callable[..., RtpPeer]


def refused(reply: say.Reply) -> say.Refusal:
    assert isinstance(reply, say.Refused), reply
    assert reply.text
    return reply.reason


def test_what_is_gone_or_not_there_is_refused_by_name(asker: Asker) -> None:
    commands: list[tuple[say.Command, say.Refusal]] = [
        (say.CloseLeg("x"), say.Refusal.UNKNOWN_LEG),
        (say.Change("x", say.Media()), say.Refusal.UNKNOWN_LEG),
        (say.Join("x", "y"), say.Refusal.UNKNOWN_LEG),
        (say.Leave("x"), say.Refusal.UNKNOWN_LEG),
        (say.Detect("x"), say.Refusal.UNKNOWN_LEG),
        (say.Quality("x"), say.Refusal.UNKNOWN_LEG),
        (say.SendDigits("p", "x", "1"), say.Refusal.UNKNOWN_LEG),
        (say.CloseBridge("x"), say.Refusal.UNKNOWN_BRIDGE),
        (say.DropClip("x"), say.Refusal.UNKNOWN_CLIP),
        (say.Play("p", say.Tone((440.0,)), leg="x"), say.Refusal.UNKNOWN_LEG),
        (say.Play("p", say.Tone((440.0,)), bridge="x"), say.Refusal.UNKNOWN_BRIDGE),
        (say.Play("p", say.Tone((440.0,))), say.Refusal.MALFORMED),
        (say.Tap("p", "/nowhere", 8000, leg="x"), say.Refusal.UNKNOWN_LEG),
        (say.PutClip("c", 8000, 10), say.Refusal.MALFORMED),
        (say.OpenPcm("x", "/nowhere", 11025), say.Refusal.UNSUPPORTED),
        (
            say.OpenRtp("x", say.Media(formats=(say.Format(say.Codec.L16, 96, 44100),))),
            say.Refusal.UNSUPPORTED,
        ),
        (say.OpenRtp("x", say.Media(remote=say.Address("host.invalid", 9))), say.Refusal.UNSUPPORTED),
        (say.OpenRtp("x", say.Media(srtp=say.Srtp("NULL", b"", b""))), say.Refusal.UNSUPPORTED),
    ]
    for command, reason in commands:
        assert refused(asker.ask(command)) is reason, command
    asker.do(say.Stop("x"))
    asker.do(say.Untap("x"))


def test_a_request_that_is_sent_twice_has_one_effect(asker: Asker) -> None:
    first = asker.opened(say.OpenRtp("a", say.Media(formats=(PCMU,))))
    assert asker.opened(say.OpenRtp("a", say.Media(formats=(PCMU,)))) == first
    other = asker.ask(say.OpenRtp("a", say.Media()))
    assert refused(other) is say.Refusal.CONFLICT
    asker.do(say.CloseLeg("a"))
    assert refused(asker.ask(say.CloseLeg("a"))) is say.Refusal.UNKNOWN_LEG


def test_memory_that_could_change_is_no_clip(asker: Asker) -> None:
    descriptor = os.memfd_create("clip", os.MFD_ALLOW_SEALING)
    os.write(descriptor, bytes(1000))
    assert refused(asker.ask(say.PutClip("c", 8000, 500), (descriptor,))) is say.Refusal.UNSUPPORTED
    os.close(descriptor)


def test_a_gateway_that_comes_back_finds_its_legs_and_hears_what_it_missed(
    running: Running, peer: Peers, request: pytest.FixtureRequest
) -> None:
    owner = request.node.name[:60]
    before, one = running.asker(owner), peer(0)
    local = before.opened(say.OpenRtp("a", media(one))).local
    assert local is not None
    one.target = (local.host, local.port)
    before.close()
    talk([one], [ulaw_tone(440)], 3)
    after = running.asker(owner)
    page = after.ask(say.Survey())
    assert isinstance(page, say.Surveyed)
    assert [(leg.leg, leg.local, leg.codec) for leg in page.legs] == [("a", local, "PCMU")]
    assert after.event(say.FirstRtp).leg == "a"
    stranger = running.asker("somebody-else")
    assert refused(stranger.ask(say.CloseLeg("a"))) is say.Refusal.UNKNOWN_LEG
    after.do(say.CloseLeg("a"))
    after.close()
    stranger.close()


def test_a_peer_that_does_not_read_is_cut_off_and_others_are_answered(running: Running, asker: Asker) -> None:
    stuck = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stuck.connect(str(running.control))
    stuck.setblocking(False)
    stuck.send(framing.encode(say.Request(1, say.Hello("stuck"))))
    ask = b"".join(framing.encode(say.Request(number, say.AskLoad())) for number in range(100))
    slowest = 0.0
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            stuck.send(ask)
        except BlockingIOError:
            pass
        except OSError:
            break
        began = time.monotonic()
        asker.load()
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.1
    stuck.close()


def test_the_first_request_is_hello_and_of_this_protocol(running: Running) -> None:
    mute = Asker(running.control, owner="")
    assert refused(mute.ask(say.AskLoad())) is say.Refusal.MALFORMED
    assert refused(mute.ask(say.Hello("x", protocol=99))) is say.Refusal.VERSION
    mute.close()


def test_an_engine_that_drains_or_is_full_says_so_and_a_closed_port_rests() -> None:
    with engine("--max-legs", "3", ports="36000-36003") as small:
        asker = small.asker()
        ports = []
        for name in "ab":
            local = asker.opened(say.OpenRtp(name, say.Media(formats=(PCMU,)))).local
            assert local is not None
            ports.append(local.port)
        assert refused(asker.ask(say.OpenRtp("c", say.Media()))) is say.Refusal.FULL
        asker.do(say.CloseLeg("a"))
        assert refused(asker.ask(say.OpenRtp("c", say.Media()))) is say.Refusal.FULL, "its port rests (R13)"
        asker.opened(say.OpenPcm("p", "/nowhere", 8000))
        asker.opened(say.OpenRtp("s", say.Media(remote=say.Address("127.0.0.1", 9)), shared=True))
        assert refused(asker.ask(say.OpenPcm("q", "/nowhere", 8000))) is say.Refusal.FULL
        assert not asker.load().accepts
        asker.do(say.CloseLeg("p"))
        asker.do(say.Drain())
        assert refused(asker.ask(say.OpenPcm("q", "/nowhere", 8000))) is say.Refusal.DRAINING
        assert asker.load().draining
        asker.close()


COMMANDS: list[say.Command] = [
    say.OpenRtp("a", say.Media(remote=say.Address("127.0.0.1", 9), formats=(PCMU,))),
    say.OpenPcm("p", "/nowhere", 8000),
    say.Change("a", say.Media(formats=(PCMU,))),
    say.OpenBridge("b"),
    say.Join("a", "b"),
    say.Join("p", "b", gain=3.0),
    say.Play("t", say.Tone((440.0, 480.0), cadence=(100, 100)), leg="a"),
    say.Play("u", say.Stream(16000), bridge="b"),
    say.SendDigits("d", "a", "123"),
    say.Tap("x", "/nowhere", 16000, bridge="b"),
    say.Detect("a", dtmf=True, speech=True),
    say.Quality("a"),
    say.Survey(),
    say.Leave("p"),
    say.Stop("t"),
    say.Untap("x"),
    say.CloseLeg("p"),
    say.CloseBridge("b"),
    say.PutClip("c", 8000, 100),
]


@pytest.mark.promise("Media input")
def test_mutated_requests_are_answered_or_end_their_connection(running: Running, promise: Report) -> None:
    """Contract: each request gets one answer, or the connection ends; the engine goes on."""
    dice = random.Random(4)
    count = scale(800, 30_000)
    answered = cut = 0
    one = running.asker("fuzz")
    one.socket.settimeout(10)
    for number in range(count):
        request = say.Request(10_000 + number, dice.choice(COMMANDS))
        frame = bytearray(framing.encode(request))
        if dice.random() < 0.7:
            for _ in range(dice.randrange(1, 4)):
                frame[dice.randrange(4, len(frame))] = dice.randrange(256)
        if dice.random() < 0.02:
            frame[:4] = dice.randbytes(4)
        try:
            one.socket.sendall(frame)
            one.socket.sendall(framing.encode(say.Request(1, say.AskLoad())))
            one.answers.clear()
            while 1 not in one.answers:
                one.socket.settimeout(0.5)
                one.read()
            answered += 1
        except (OSError, msgspec.MsgspecError):
            one.close()
            one = running.asker("fuzz")
            cut += 1
        one.events.clear()
    page = one.ask(say.Survey())
    assert isinstance(page, say.Surveyed)
    for leg in page.legs:
        one.ask(say.CloseLeg(leg.leg))
    one.close()
    assert answered > count // 2
    promise(requests=count, answered=answered, connections_cut=cut, crashes=0)


@pytest.mark.promise("Media input")
def test_mutated_packets_leave_the_others_alone(asker: Asker, peer: Peers, promise: Report) -> None:
    """Contract: what comes by RTP or RTCP is counted or heard; the engine and its other legs go on."""
    dice = random.Random(7)
    one, other, broken = peer(0), peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    for name, who in (("a", one), ("c", other)):
        local = asker.opened(say.OpenRtp(name, media(who))).local
        assert local is not None
        who.target = (local.host, local.port)
        asker.do(say.Join(name, "b"))
    l16 = say.Format(say.Codec.L16, 96, rate=16000)
    more = media(broken, PCMU, l16, telephone_event=101, comfort_noise=13)
    local = asker.opened(say.OpenRtp("x", more)).local
    assert local is not None
    broken.target = (local.host, local.port)
    asker.do(say.Detect("x", dtmf=True, speech=True))
    tone = ulaw_tone(440)
    report = b"\x81\xc9\x00\x07" + bytes(28)
    sent = 0

    def garbage(_: int) -> list[bytes]:
        nonlocal sent
        for _ in range(4):
            kind = dice.choice([0, 96, 101, 13])
            packet = bytearray(bytes([0x80, kind]) + dice.randbytes(10) + tone(sent)[: dice.randrange(161)])
            for _ in range(dice.randrange(4)):
                packet[dice.randrange(len(packet))] = dice.randrange(256)
            broken.socket.sendto(packet[: dice.randrange(len(packet) + 1)], broken.target)
            wrong = bytearray(report)
            wrong[dice.randrange(len(wrong))] = dice.randrange(256)
            broken.rtcp.sendto(
                wrong[: dice.randrange(len(wrong) + 1)], (broken.target[0], broken.target[1] + 1)
            )
            sent += 2
        return []

    turns = scale(50, 1250)
    talk([one, other, broken], [tone, ulaw_tone(1000), garbage], turns)
    assert asker.quality("a").lost == 0
    assert asker.quality("a").received == turns
    statistics = asker.quality("x")
    assert statistics.malformed > 0
    promise(packets=sent, malformed=statistics.malformed, crashes=0, lost_of_others=0)
