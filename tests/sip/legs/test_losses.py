"""What is left when a process dies: a worker, the engine, the gateway."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sip.legs.legs import SipLegs
from telephony.calling.ports import Answered, Ended, Offered, Pressed, Rang, Resumed
from telephony.calling.states import LegState
from tests.support.legs import SECONDS, Heard, Node, Talker, carrier, dialled, node, spared
from tests.support.media import level_of, talk, ulaw_samples, ulaw_tone

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("legs")) as running:
        yield running


async def up(running: Node, legs: SipLegs, heard: Heard, caller: Talker, call_id: str) -> str:
    """Take a call and answer it; return its leg."""
    caller.invite(call_id, running.port())
    leg = (await heard.expect(Offered)).leg
    await legs.answer(leg)
    await caller.answered(running.port())
    await heard.expect(Answered, leg)
    return leg


async def hang_up(legs: SipLegs, heard: Heard, leg: str, peer: Talker) -> Ended:
    await legs.hang_up(leg)
    await peer.bye()
    return await heard.expect(Ended, leg)


async def test_the_calls_of_a_worker_that_dies_are_lost_and_no_others(
    running: Node, caller: Talker, callee: Talker
) -> None:
    async with running.gateway({"carrier": carrier(port=callee.sip.port)}) as (legs, heard):
        first = await up(running, legs, heard, caller, "worker-dies")
        await legs.dial(dialled("stays", beside=first))
        await callee.answer()
        await heard.expect(Answered, "stays")
        await legs.join((first, "stays"), "b")
        begin = time.monotonic()
        os.kill(legs.fleet.pid(0), signal.SIGKILL)
        ended = await heard.expect(Ended)
        assert time.monotonic() - begin < 2.0  # R11
        assert (ended.leg, ended.lost, ended.cause.q850) == (first, True, 41)
        await spared(legs)
        assert time.monotonic() - begin < 4.0
        again = await up(running, legs, heard, caller, "after-it-died")
        await legs.join((again, "stays"), "c")
        await asyncio.to_thread(talk, [caller.sound], [ulaw_tone(600.0)], 15)
        callee.sound.listen()
        assert level_of(ulaw_samples(callee.sound.heard[-8:]), 600.0) > -13.0
        await hang_up(legs, heard, again, caller)
        assert not (await hang_up(legs, heard, "stays", callee)).lost


async def test_a_gateway_that_starts_again_goes_on_with_its_calls(
    running: Node, caller: Talker, callee: Talker
) -> None:
    trunk = {"carrier": carrier(port=callee.sip.port)}
    async with running.gateway(trunk) as (legs, heard):
        first = await up(running, legs, heard, caller, "goes-on")
        await legs.dial(dialled("out"))
        await callee.answer()
        await heard.expect(Answered, "out")
        await legs.join((first, "out"), "b")
    async with running.gateway(trunk, ready=False) as (legs, heard):
        told = {each.leg: each for each in (await heard.expect(Resumed), await heard.expect(Resumed))}
        assert told[first] == Resumed(first, LegState.UP, "PCMU")
        assert told["out"] == Resumed("out", LegState.UP, "PCMU")
        both = [caller.sound, callee.sound]
        await asyncio.to_thread(talk, both, [ulaw_tone(500.0), ulaw_tone(900.0)], 15)
        assert level_of(ulaw_samples(caller.sound.heard[-6:]), 900.0) > -13.0
        await legs.press("out", "9")
        for duration, ends in ((160, 0), (320, 0x80), (320, 0x80), (320, 0x80)):
            event = bytes((4, ends | 10)) + duration.to_bytes(2, "big")
            caller.sound.send(event, ticks=0, payload_type=101, marker=duration == 160)
        assert await heard.expect(Pressed) == Pressed(first, "4", "rfc4733")
        await hang_up(legs, heard, first, caller)
        ended = await hang_up(legs, heard, "out", callee)
        assert ended.quality.received >= 15


async def test_a_call_that_rang_while_the_gateway_was_away_goes_on(running: Node, callee: Talker) -> None:
    trunk = {"carrier": carrier(port=callee.sip.port)}
    async with running.gateway(trunk) as (legs, heard):
        await legs.dial(dialled("rang"))
        invite = await callee.request("INVITE")
        callee.sip.say(invite, 180, "Ringing")
        await heard.expect(Rang)
    async with running.gateway(trunk, ready=False) as (legs, heard):
        assert await heard.expect(Resumed) == Resumed("rang", LegState.RINGING, "")
        callee.sip.say(invite, 200, "OK", body=callee.offer())
        await callee.request("ACK")
        assert await heard.expect(Answered) == Answered("rang", "PCMU")
        await hang_up(legs, heard, "rang", callee)


async def test_a_call_that_ended_while_the_gateway_was_away_is_told(running: Node, caller: Talker) -> None:
    async with running.gateway({"carrier": carrier()}) as (legs, heard):
        caller.invite("ends-meanwhile", running.port())
        leg = (await heard.expect(Offered)).leg
        await legs.answer(leg)
        answer = await caller.answered(running.port())
        await heard.expect(Answered)
    caller.sip.send(caller.sip.in_dialog("BYE", answer, 2), running.port())
    assert (await caller.response()).status == 200
    async with running.gateway({"carrier": carrier()}) as (legs, heard):
        ended = await heard.expect(Ended)
        assert (ended.leg, ended.lost, ended.cause.by_peer) == (leg, False, True)
        assert legs.room().calls == 0


async def test_calls_whose_engine_died_are_ended_and_the_next_ones_are_taken(
    tmp_path: Path, caller: Talker
) -> None:
    with node(tmp_path, outs=0) as running:
        async with running.gateway({"carrier": carrier()}) as (legs, heard):
            leg = await up(running, legs, heard, caller, "engine-dies")
            assert running.engine.process is not None
            begin = time.monotonic()
            running.engine.process.kill()
            bye = await caller.bye()
            assert "cause=41" in (bye.headers.get("Reason") or "")
            ended = await heard.expect(Ended, leg)
            assert ended.lost
            assert time.monotonic() - begin < 2.0
            running.engine.process.wait(SECONDS)
            running.engine.start()
            await spared(legs)
            again = await up(running, legs, heard, caller, "engine-is-back")
            await hang_up(legs, heard, again, caller)


async def test_a_call_whose_engine_died_with_the_gateway_is_ended(tmp_path: Path, caller: Talker) -> None:
    with node(tmp_path, outs=0) as running:
        async with running.gateway({"carrier": carrier()}) as (legs, heard):
            leg = await up(running, legs, heard, caller, "both-die")
        running.engine.stop()
        running.engine.start()
        async with running.gateway({"carrier": carrier()}, ready=False) as (legs, heard):
            ended = await heard.expect(Ended)
            assert (ended.leg, ended.lost) == (leg, True)
            await caller.bye()


async def test_a_worker_that_hangs_is_ended_and_replaced(running: Node, caller: Talker) -> None:
    impatient = Node(running.engine, running.settings, 1, 1, ping_seconds=0.05)
    async with impatient.gateway({"carrier": carrier()}) as (legs, heard):
        leg = await up(running, legs, heard, caller, "hangs")
        hung = legs.fleet.pid(0)
        os.kill(hung, signal.SIGSTOP)
        ended = await heard.expect(Ended)
        assert (ended.leg, ended.lost) == (leg, True)
        await spared(legs)
        assert legs.fleet.pid(0) != hung
