"""Broken RTP and RTCP on every kind of leg, beside a call that must not notice. By hand.

Contract: what comes is counted or heard; nothing is raised; the neighbours' samples go through as they are.
The same through the real process, and for the control socket: test_control.py.
"""

import os
import random
import struct

import pytest
from pylibsrtp import Error, Policy, Session

from sip.media import protocol as say
from sip.media.rtp import rtcp
from tests.support.media import PCMA, PCMU, header
from tests.support.media_by_hand import by_hand
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = pytest.mark.unit

G722 = say.Format(say.Codec.G722, 9, rate=16000)
L16 = say.Format(say.Codec.L16, 96, rate=16000)
KINDS = (0, 8, 9, 96, 101, 13, 127)
A_TURN = 3
"""Packets to a leg each 20 ms: below what counts as a flood."""


def packet(dice: random.Random, sequence: int) -> bytes:
    """Return RTP that is more or less right."""
    first = dice.choice([0x80, 0x80, 0x80, 0x90, 0xA0, 0xB0, 0x8F, dice.randrange(256)])
    number = sequence if dice.random() < 0.8 else dice.randrange(1 << 16)
    stamp = sequence * 160 if dice.random() < 0.8 else dice.randrange(1 << 32)
    ssrc = 7 if dice.random() < 0.9 else dice.randrange(1 << 32)
    kind = dice.choice(KINDS) | dice.choice([0, 0, 0, 0x80])
    head = struct.pack(">BBHII", first, kind, number & 0xFFFF, stamp & 0xFFFF_FFFF, ssrc)
    whole = bytearray(head + dice.randbytes(dice.choice([0, 1, 4, 80, 160, 160, 640, 1400])))
    for _ in range(dice.choice([0, 0, 1, 3])):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole[: dice.randrange(len(whole) + 1)] if dice.random() < 0.2 else whole)


def report(dice: random.Random) -> bytes:
    """Return RTCP that is more or less right."""
    block = rtcp.Block(dice.randrange(1 << 32), 3, 5, 100, 80, 1, 2)
    whole = bytearray(rtcp.build(rtcp.Report(7, None, (block,)), "peer"))
    for _ in range(dice.choice([0, 1, 4])):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole[: dice.randrange(len(whole) + 1)] if dice.random() < 0.3 else whole)


def sealed(dice: random.Random, seal: Session, plain: bytes) -> bytes:
    """Return a packet encrypted, encrypted and broken, or as it is."""
    if dice.random() < 0.3 or not 12 <= len(plain) < 1300:
        return plain
    try:
        secret = seal.protect(plain)
    except Error:  # the library sends nothing that is out of its order, or no RTP
        return plain
    return secret if dice.random() < 0.5 else secret[:-1]


@pytest.mark.promise("Media input")
def test_nothing_that_comes_is_raised_or_heard_by_neighbours(promise: Report) -> None:
    dice = random.Random(11)
    turns = scale(120, 20_000)
    keys = say.Srtp("AES_CM_128_HMAC_SHA1_80", os.urandom(30), os.urandom(30))
    seal = Session(Policy(keys.receive, Policy.SSRC_ANY_OUTBOUND, 0, Policy.SRTP_PROFILE_AES128_CM_SHA1_80))
    with by_hand(max_legs=16) as one:
        speaker, listener = one.leg("a", bridge="b"), one.leg("c", PCMU, bridge="b")
        every = (PCMU, PCMA, G722, L16)
        more = {"telephone_event": 101, "comfort_noise": 13, "latch": say.Latch.ANY}
        attacked = [
            one.leg("relayed", *every, bridge="x", **more),
            one.leg("other", *every, bridge="x", **more),
            one.leg("played", *every, bridge="y", **more),
            one.leg("locked", *every, bridge="y", srtp=keys, **more),
            one.leg("alone", *every, **more),
        ]
        one.do(say.Detect("played", dtmf=True, speech=True))
        one.do(say.Play("t", say.Tone((440.0,)), leg="alone", repeat=0))
        sent = [dice.randbytes(160) for _ in range(turns)]
        count = 0

        def send(number: int) -> None:
            nonlocal count
            speaker.send(sent[number])
            for leg in attacked:
                place = leg.address.host, leg.address.port
                for ahead in range(A_TURN):
                    broken = packet(dice, A_TURN * number + ahead)
                    if leg is attacked[3]:
                        broken = sealed(dice, seal, broken)
                    one.wire.put(leg.target, broken, place, dice.randrange(40_000))
                one.wire.put(leg.target + 1, report(dice), (place[0], place[1] + 1))
                count += A_TURN + 1

        one.run(turns / 50 + 0.1, lambda number: send(number) if number < turns else None)
        heard = [whole[12:] for whole in listener.heard]
        assert heard == sent, "the neighbours' samples"
        assert len({header(whole)[4] for whole in listener.heard}) == 1
        counts = [one.quality(name) for name in ("relayed", "other", "played", "locked", "alone")]
        assert all(each.malformed > 0 and each.received > 0 for each in counts)
        assert one.quality("a").lost == 0
        refused = sum(each.malformed + each.foreign + each.flooded for each in counts)
        promise(packets=count, refused=refused, crashes=0, neighbours_frames_changed=0)
