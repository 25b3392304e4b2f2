"""Packets from elsewhere, broken ones, silence: through the real process (R12, R14, R15)."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pylibsrtp import Policy, Session

from sip.media import protocol as say
from sip.media.rtp import rtcp
from tests.support.media import (
    PCMU,
    Asker,
    PcmPeer,
    RtpPeer,
    join,
    level_of,
    media,
    talk,
    ulaw_samples,
    ulaw_tone,
)
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = pytest.mark.wire

Peers = Callable[..., RtpPeer]


@pytest.mark.promise("R12")
@pytest.mark.parametrize("latch", list(say.Latch))
def test_a_stranger_is_not_heard_in_a_recording(
    asker: Asker, peer: Peers, tmp_path: Path, latch: say.Latch, promise: Report
) -> None:
    one, stranger = peer(0), peer(0, ssrc=0x1234)
    other, recorder = peer(0), PcmPeer(tmp_path / "recorder")
    asker.do(say.OpenBridge("b"))
    opened = join(asker, "b", "a", one, media(one, latch=latch))
    join(asker, "b", "c", other, media(other))
    assert opened.local is not None
    stranger.target = (opened.local.host, opened.local.port)
    asker.do(say.Tap("t", recorder.path, 8000, leg="a"))
    if latch is say.Latch.NEVER:  # nothing needs to be learnt: a stranger may as well come first
        for number in range(5):
            stranger.send(ulaw_tone(1000)(number))
    talk([one], [ulaw_tone(440)], 5)
    stranger.sequence, stranger.timestamp = one.sequence, one.timestamp
    talk([one, stranger], [ulaw_tone(440), ulaw_tone(1000, level=0)], 40)
    recorder.wait(40)
    recorded = recorder.samples(5)
    injected = max(level_of(recorded[at : at + 800], 1000) for at in range(0, len(recorded) - 800, 400))
    assert injected < -45
    assert level_of(recorded[1600:4800], 440) > -16  # -10, and a frame or two concealed on a busy machine
    statistics = asker.quality("a")
    assert statistics.received == 45
    assert statistics.foreign == 40 + 5 * (latch is say.Latch.NEVER)
    assert statistics.remote == one.address
    recorder.close()
    promise(injected=0, dropped=statistics.foreign)


@pytest.mark.promise("R12")
def test_the_first_packet_decides_only_among_the_addresses_that_were_signalled(
    asker: Asker, peer: Peers
) -> None:
    stranger, moved = peer(0, host="127.0.0.9"), peer(0, ssrc=7)
    asker.do(say.OpenBridge("b"))
    negotiated = say.Media(remote=say.Address("127.0.0.1", 9), formats=(PCMU,), signalling="127.0.0.1")
    opened = join(asker, "b", "a", stranger, negotiated)
    assert opened.local is not None
    moved.target = stranger.target
    talk([stranger], [ulaw_tone(1000)], 5)
    assert asker.quality("a").foreign == 5
    moved.send(b"garbage", payload_type=77)
    talk([moved], [ulaw_tone(440)], 5)
    first = asker.event(say.FirstRtp)
    assert first.remote == moved.address
    statistics = asker.quality("a")
    assert (statistics.received, statistics.remote, statistics.malformed) == (5, moved.address, 1)


KEYS = os.urandom(30), os.urandom(30)


@pytest.mark.promise("R14")
def test_broken_srtp_packets_do_not_end_a_call(asker: Asker, peer: Peers, promise: Report) -> None:
    one, other = peer(0), peer(0)
    suite = "AES_CM_128_HMAC_SHA1_80"
    keys = say.Srtp(suite, send=KEYS[0], receive=KEYS[1])
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one, srtp=keys))
    join(asker, "b", "c", other, media(other))
    seal = Session(Policy(KEYS[1], Policy.SSRC_ANY_OUTBOUND, 0, Policy.SRTP_PROFILE_AES128_CM_SHA1_80))
    unseal = Session(Policy(KEYS[0], Policy.SSRC_ANY_INBOUND, 0, Policy.SRTP_PROFILE_AES128_CM_SHA1_80))
    tone, broken = ulaw_tone(440), scale(80, 1000)

    def sealed(number: int, payload: bytes) -> bytes:
        return seal.protect(struct.pack(">BBHII", 0x80, 0, number, number * 160, 99) + payload)

    def turn(number: int, *, damage: int = 0) -> None:
        packet = sealed(number, tone(number))
        for index in range(damage):
            wrong = bytearray(packet)
            wrong[12 + index % (len(packet) - 12)] ^= 0x55
            one.socket.sendto(bytes(wrong), one.target)
        one.socket.sendto(packet, one.target)
        talk([other], [ulaw_tone(1000)], 1)

    for number in range(10):
        turn(number)
    for number in range(10, 10 + broken // 4):
        turn(number, damage=4)
    statistics = asker.quality("a")
    assert statistics.malformed + statistics.flooded == pytest.approx(broken, abs=broken // 3)
    one.listen()
    plain = [unseal.unprotect(packet) for packet in one.heard[-20:]]
    heard = ulaw_samples(plain)
    assert level_of(heard, 1000) == pytest.approx(-10, abs=1.5)
    other.listen()
    assert level_of(ulaw_samples(other.heard[-8:]), 440) > -14
    promise(broken=broken, refused=statistics.malformed)


@pytest.mark.promise("R15")
def test_a_silent_leg_is_told_once_unless_it_is_held(asker: Asker, peer: Peers) -> None:
    names = {}
    for name, direction in (
        ("talks", say.Direction.SENDRECV),
        ("early", say.Direction.RECVONLY),
        ("held", say.Direction.SENDONLY),
        ("inactive", say.Direction.INACTIVE),
        ("reports", say.Direction.SENDRECV),
    ):
        names[name] = peer(0)
        opened = asker.opened(say.OpenRtp(name, media(names[name], direction=direction, timeout=1.0)))
        assert opened.local is not None
        names[name].target = (opened.local.host, opened.local.port)
    report = struct.pack(">BBHI", 0x80, 201, 1, 99)
    host, port = names["reports"].target
    for _ in range(7):
        names["reports"].rtcp.sendto(report, (host, port + 1))
        talk([names["inactive"]], [lambda _: b"\xff" * 160], 15)
    asker.quality("talks")
    events = [event for event in asker.events if isinstance(event, say.MediaTimeout)]
    assert sorted(event.leg for event in events) == ["early", "talks"]
    talk([names["talks"]], [ulaw_tone(440)], 3)
    assert asker.event(say.MediaTimeout, lambda event: event.leg == "talks").seconds >= 1.0


def test_a_peer_that_begins_anew_goes_on_being_heard(asker: Asker, peer: Peers) -> None:
    one, other = peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    join(asker, "b", "c", other, media(other))
    talk([one], [ulaw_tone(440)], 10)
    one.ssrc, one.sequence, one.timestamp = 77, 60000, 4_000_000_000
    talk([one], [ulaw_tone(440)], 10)
    other.listen()
    heard = other.heard[-9:]
    assert len({packet[8:12] for packet in heard}) == 1, "our own SSRC stays"
    numbers = [int.from_bytes(packet[2:4], "big") for packet in other.heard]
    assert np.all(np.diff(np.unwrap(np.array(numbers[-18:], float), period=65536)) == 1)
    assert asker.quality("a").lost == 0


def test_a_flood_on_one_port_costs_its_own_leg_only(asker: Asker, peer: Peers) -> None:
    one, other, flooded = peer(0), peer(0), peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    join(asker, "b", "c", other, media(other))
    opened = asker.opened(say.OpenRtp("f", media(flooded)))
    assert opened.local is not None
    flooded.target = (opened.local.host, opened.local.port)

    def flood(number: int) -> list[bytes]:
        return [bytes(160)] * 40

    talk([one, other, flooded], [ulaw_tone(440), ulaw_tone(1000), flood], 40)
    assert level_of(ulaw_samples(other.heard[-20:]), 440) == pytest.approx(-10, abs=1.5)
    assert asker.quality("f").flooded > 200
    assert asker.quality("a").lost == 0


def test_reports_go_both_ways_with_loss_and_round_trip(asker: Asker, peer: Peers) -> None:
    one = peer(0)
    asker.do(say.OpenBridge("b"))
    join(asker, "b", "a", one, media(one))
    begun = one.sequence
    tone = ulaw_tone(440)

    def lossy(number: int) -> list[bytes]:
        if number % 10 == 5:
            one.sequence += 1
            one.timestamp += 160
            return []
        return [tone(number)]

    talk([one], [lossy], 55)
    assert begun != one.sequence
    one.rtcp.settimeout(10)
    while True:
        talk([one], [tone], 5)
        compound = rtcp.parse(one.rtcp.recv(2000))
        (report,) = compound.reports
        if report.blocks:
            break
    assert report.sender is not None
    (block,) = report.blocks
    assert block.lost == asker.quality("a").lost
    assert block.lost in (5, 6)
    answer = rtcp.Report(
        one.ssrc, None, (rtcp.Block(report.ssrc, 0, 3, 100, 80, rtcp.middle(report.sender.ntp), 0),)
    )
    host, port = one.target
    one.rtcp.sendto(rtcp.build(answer, "peer"), (host, port + 1))
    one.rtcp.sendto(b"\x80\xc9\x00\x09garbage", (host, port + 1))
    while (statistics := asker.quality("a")).remote_lost is None or not statistics.malformed:
        pass
    assert statistics.remote_lost == 3
    assert statistics.remote_jitter_ms == 10.0
    assert statistics.round_trip_ms is not None
    assert 0 <= statistics.round_trip_ms < 1000
    assert statistics.mos is not None
