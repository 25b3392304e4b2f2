"""Calls that come, from a raw peer through a real worker and a real engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from sip.legs.legs import SipLegs
from sip.media.protocol import Survey, Surveyed
from telephony.calling.ports import Answered, Ended, Held, Offered, Played, Pressed, Silent, Sound
from tests.support.legs import Heard, Node, Talker, carrier, node, spared
from tests.support.media import level_of, talk, ulaw_samples, ulaw_tone

pytestmark = pytest.mark.wire

Gateway = tuple[SipLegs, Heard]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("legs")) as running:
        yield running


@pytest.fixture
async def gateway(running: Node) -> AsyncIterator[Gateway]:
    async with running.gateway({"carrier": carrier()}, media_seconds=0.3) as gateway:
        yield gateway


async def up(running: Node, gateway: Gateway, caller: Talker, call_id: str, body: bytes | None = None) -> str:
    """Take a call and answer it; return its leg."""
    legs, heard = gateway
    caller.invite(call_id, running.port(), body)
    leg = (await heard.expect(Offered)).leg
    await legs.answer(leg)
    await caller.answered(running.port())
    await heard.expect(Answered)
    return leg


async def over(gateway: Gateway, caller: Talker, leg: str) -> Ended:
    """Hang up; return what is told of the end."""
    legs, heard = gateway
    await legs.hang_up(leg)
    await caller.bye()
    return await heard.expect(Ended, leg)


async def test_a_call_that_came_hears_its_echo(running: Node, gateway: Gateway, caller: Talker) -> None:
    legs, heard = gateway
    caller.invite("echo", running.port())
    offered = await heard.expect(Offered)
    assert (offered.carrier, offered.trunk) == ("carrier", "voice")
    assert (offered.number, offered.caller) == ("+493012345", "+442071234567")
    await legs.ring(offered.leg)
    assert (await caller.response()).status == 180
    await legs.answer(offered.leg)
    await caller.answered(running.port())
    assert (await heard.expect(Answered)).codec == "PCMU"
    await legs.echo(offered.leg)
    await asyncio.to_thread(talk, [caller.sound], [ulaw_tone(700.0)], 25)
    assert level_of(ulaw_samples(caller.sound.heard[-10:]), 700.0) > -13.0
    ended = await over(gateway, caller, offered.leg)
    assert (ended.quality.received, ended.quality.codec) == (25, "PCMU")
    assert (ended.cause.sip, ended.cause.q850, ended.lost) == (200, 16, False)


async def test_a_caller_that_hangs_up_says_why(running: Node, gateway: Gateway, caller: Talker) -> None:
    _, heard = gateway
    caller.invite("bye", running.port())
    offered = await heard.expect(Offered)
    await gateway[0].answer(offered.leg)
    answer = await caller.answered(running.port())
    await heard.expect(Answered)
    bye = caller.sip.in_dialog("BYE", answer, 2, extra=[("Reason", 'Q.850;cause=31;text="Normal"')])
    caller.sip.send(bye, running.port())
    ended = await heard.expect(Ended)
    assert (ended.cause.sip, ended.cause.q850, ended.cause.by_peer) == (200, 31, True)


async def test_a_call_is_refused_with_a_status_and_its_cause(
    running: Node, gateway: Gateway, caller: Talker
) -> None:
    legs, heard = gateway
    caller.invite("refused", running.port())
    leg = (await heard.expect(Offered)).leg
    await legs.hang_up(leg, 404, 1)
    refusal = await caller.response()
    assert (refusal.status, refusal.headers.get("Reason")) == (
        404,
        'Q.850;cause=1;text="Unallocated number"',
    )
    assert (await heard.expect(Ended)).cause.sip == 404


async def test_a_caller_that_gives_up_is_told(running: Node, gateway: Gateway, caller: Talker) -> None:
    _, heard = gateway
    invite = caller.invite("gives-up", running.port())
    await heard.expect(Offered)
    cancel = caller.sip.make("CANCEL", "gives-up")
    cancel.headers.set("Via", invite.headers.get("Via") or "")
    caller.sip.send(cancel, running.port())
    assert {(await caller.response(over=199)).status, (await caller.response(over=199)).status} == {200, 487}
    assert (await heard.expect(Ended)).cause.by_peer


async def test_ringback_is_heard_before_the_answer(running: Node, gateway: Gateway, caller: Talker) -> None:
    legs, heard = gateway
    caller.invite("early", running.port())
    leg = (await heard.expect(Offered)).leg
    await legs.ring(leg, early=True)
    early = await caller.response()
    assert early.status == 183
    caller.hears(early.body)
    await legs.play(leg, "ringback", Sound.RINGBACK, repeat=0)
    assert level_of(ulaw_samples(await asyncio.to_thread(caller.sound.wait, 20)), 425.0) > -18.0
    await legs.stop(leg, "ringback")
    assert await heard.expect(Played) == Played(leg, "ringback", "stopped")
    await legs.answer(leg)
    await caller.answered(running.port())
    await heard.expect(Answered)
    await over(gateway, caller, leg)


async def test_hold_music_is_music(running: Node, gateway: Gateway, caller: Talker) -> None:
    leg = await up(running, gateway, caller, "music")
    await gateway[0].play(leg, "m", Sound.MUSIC)
    assert level_of(ulaw_samples(await asyncio.to_thread(caller.sound.wait, 15)), 261.6) > -30.0
    await over(gateway, caller, leg)
    assert (await gateway[1].expect(Played)).reason == "leg-gone"


async def test_a_prompt_that_cannot_be_had_is_told(running: Node, gateway: Gateway, caller: Talker) -> None:
    leg = await up(running, gateway, caller, "prompt")
    await gateway[0].play(leg, "p", "greeting")
    assert (await gateway[1].expect(Played)).reason.startswith("failed: ")
    await over(gateway, caller, leg)


async def test_a_peer_that_holds_is_told_and_not_missed(
    running: Node, gateway: Gateway, caller: Talker
) -> None:
    _, heard = gateway
    caller.invite("holds", running.port())
    leg = (await heard.expect(Offered)).leg
    await gateway[0].answer(leg)
    answer = await caller.answered(running.port())
    await heard.expect(Answered)
    for number, (line, on) in enumerate((("a=sendonly", True), ("a=sendrecv", False)), 2):
        body = caller.offer(line, version=number)
        caller.sip.send(caller.sip.in_dialog("INVITE", answer, number, body), running.port())
        again = await caller.response()
        caller.sip.send(caller.sip.in_dialog("ACK", again, number), running.port())
        assert await heard.expect(Held) == Held(leg, on)
    assert (await heard.expect(Silent)).leg == leg  # as soon as it counts again (R15)
    await over(gateway, caller, leg)


async def test_we_hold_a_peer_and_go_on(running: Node, gateway: Gateway, caller: Talker) -> None:
    legs, _ = gateway
    leg = await up(running, gateway, caller, "we-hold")
    for on, line in ((True, b"a=sendonly"), (False, b"a=sendrecv")):
        await legs.hold(leg, on=on)
        offer = await caller.request("INVITE")
        assert line in offer.body
        caller.sip.say(offer, 200, "OK", body=caller.offer("a=recvonly" if on else "a=sendrecv"))
        await caller.request("ACK")
    await over(gateway, caller, leg)


async def test_digits_by_info_are_told(running: Node, gateway: Gateway, caller: Talker) -> None:
    _, heard = gateway
    caller.invite("info", running.port())
    leg = (await heard.expect(Offered)).leg
    await gateway[0].answer(leg)
    answer = await caller.answered(running.port())
    await heard.expect(Answered)
    relay = [("Content-Type", "application/dtmf-relay")]
    info = caller.sip.in_dialog("INFO", answer, 2, b"Signal=5\r\nDuration=160\r\n", relay)
    caller.sip.send(info, running.port())
    assert (await caller.response()).status == 200
    assert await heard.expect(Pressed) == Pressed(leg, "5", "info")
    await over(gateway, caller, leg)


async def test_digits_by_rfc_4733_are_told(running: Node, gateway: Gateway, caller: Talker) -> None:
    leg = await up(running, gateway, caller, "events")
    for duration, ends in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
        event = bytes((7, ends | 10)) + duration.to_bytes(2, "big")
        caller.sound.send(event, ticks=0, payload_type=101, marker=duration == 160)
    assert await gateway[1].expect(Pressed) == Pressed(leg, "7", "rfc4733")
    await over(gateway, caller, leg)


async def test_digits_in_the_audio_are_told_when_they_come_no_other_way(
    running: Node, gateway: Gateway, caller: Talker
) -> None:
    leg = await up(running, gateway, caller, "inband", caller.offer(codecs="0"))
    await gateway[0].echo(leg)
    await gateway[0].press(leg, "3")  # back it comes, as tones, for the peer takes no events
    digits = asyncio.create_task(gateway[1].expect(Pressed))
    heard = await asyncio.to_thread(caller.sound.wait, 5)
    for packet in heard:
        caller.sound.send(packet[12:])
    while not digits.done():
        heard.clear()
        for packet in await asyncio.to_thread(caller.sound.wait, 1):
            caller.sound.send(packet[12:])
        await asyncio.sleep(0)
    assert await digits == Pressed(leg, "3", "inband")
    await over(gateway, caller, leg)


async def test_a_late_offer_is_heard_too(running: Node, gateway: Gateway, caller: Talker) -> None:
    legs, heard = gateway
    caller.invite("late", running.port(), b"")
    leg = (await heard.expect(Offered)).leg
    await legs.answer(leg)
    answer = await caller.response(over=199)
    caller.hears(answer.body)
    caller.sip.send(caller.sip.in_dialog("ACK", answer, 1, caller.offer()), running.port())
    await heard.expect(Answered)
    await legs.play(leg, "busy", Sound.BUSY, repeat=0)
    assert level_of(ulaw_samples(await asyncio.to_thread(caller.sound.wait, 15)), 425.0) > -18.0
    await over(gateway, caller, leg)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((b"IP4", b"IP6"), "IPv6 is not supported"),
        ((b"RTP/AVP", b"RTP/SAVP"), "encrypted audio only with signalling by TLS"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    running: Node, gateway: Gateway, caller: Talker, change: tuple[bytes, bytes], why: str
) -> None:
    body = caller.offer().replace(*change)
    if b"IP6" in body:
        body = body.replace(b"127.0.0.1", b"2001:db8::1")
    else:
        body += b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40 + b"\r\n"
    caller.invite(f"refused-{len(why)}", running.port(), body)
    refusal = await caller.response()
    assert refusal.status == 488
    assert why in (refusal.headers.get("Warning") or "")
    assert gateway[0].refusals()["unusable"] == 1


async def test_calls_of_no_trunk_are_refused(running: Node, caller: Talker) -> None:
    async with running.gateway({"carrier": carrier(addresses=("192.0.2.0/24",))}) as (legs, heard):
        caller.invite("stranger", running.port())
        assert (await caller.response()).status == 403
        assert heard.events == []
        assert legs.trouble() == []


async def test_a_node_that_drains_takes_no_call_and_keeps_those_it_has(
    running: Node, gateway: Gateway, caller: Talker
) -> None:
    legs, _ = gateway
    leg = await up(running, gateway, caller, "kept")
    legs.drain()
    await legs.hold(leg)  # what it was told before has been heard then
    caller.sip.say(await caller.request("INVITE"), 200, "OK", body=caller.offer("a=recvonly"))
    await caller.request("ACK")
    caller.invite("drains", running.port())
    assert (await caller.response()).status == 503
    legs.drain(on=False)
    await over(gateway, caller, leg)


async def test_call_after_call_leaves_nothing_behind(running: Node, gateway: Gateway, caller: Talker) -> None:
    legs, heard = gateway
    for number in range(30):
        leg = await up(running, gateway, caller, f"one-of-many-{number}")
        await legs.echo(leg)
        await over(gateway, caller, leg)
    assert heard.events == []
    await spared(legs)
    with contextlib.closing(running.engine.asker("gateway")) as asker:
        found = asker.ask(Survey())
        assert isinstance(found, Surveyed)
        assert (len(found.legs), found.bridges) == (legs.spares(), 0)
        assert [leg.leg for leg in found.legs if not leg.leg.startswith("in-")] == []


async def test_four_calls_at_once_are_taken(running: Node, gateway: Gateway) -> None:
    legs, heard = gateway
    callers = [Talker() for _ in range(4)]
    try:
        for number, caller in enumerate(callers):
            caller.invite(f"at-once-{number}", running.port())
        names = [(await heard.expect(Offered)).leg for _ in callers]
        assert len(set(names)) == 4
        assert legs.room().calls == 4
        for leg in names:
            await legs.hang_up(leg, 486, 17)
        for caller in callers:
            assert (await caller.response()).status == 486
        for leg in names:
            assert (await heard.expect(Ended, leg)).cause.q850 == 17
    finally:
        for caller in callers:
            caller.close()
