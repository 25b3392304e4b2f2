"""Legs whose audio is in two engines, and who hear each other all the same."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sip.media.client.engines import Engines
from telephony.calling.ports import Answered, Ended, Offered
from tests.support.legs import Node, Talker, carrier, node
from tests.support.media import engine as media_engine
from tests.support.media import level_of, talk, ulaw_samples, ulaw_tone

pytestmark = pytest.mark.wire


class Turns(Engines):
    """Places calls on the engines in turn."""

    turn = 0

    def place(self, call: str, legs: int = 2) -> str:
        """See `Engines.place`."""
        super().place(call, legs)
        self.turn += 1
        engine = f"engine-{self.turn % 2}"
        self.found(call, engine)
        return engine


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder: Path = tmp_path_factory.mktemp("legs")
    with media_engine(ports="15000-15999") as second, node(folder, outs=0) as running:
        running.more["engine-1"] = second.control
        yield running


async def test_legs_of_two_engines_hear_each_other(running: Node, caller: Talker, callee: Talker) -> None:
    async with running.gateway({"carrier": carrier()}, engines=Turns) as (legs, heard):
        names = []
        for talker in (caller, callee):
            talker.invite(f"tied-{len(names)}", running.port())
            leg = (await heard.expect(Offered)).leg
            names.append(leg)
            await legs.answer(leg)
            await talker.answered(running.port())
            await heard.expect(Answered)
        assert caller.sound.target[1] // 1000 != callee.sound.target[1] // 1000  # two engines indeed
        await legs.join((names[0], names[1]), "b")
        both = [caller.sound, callee.sound]
        await asyncio.to_thread(talk, both, [ulaw_tone(500.0), ulaw_tone(900.0)], 25)
        assert level_of(ulaw_samples(caller.sound.heard[-8:]), 900.0) > -13.0
        assert level_of(ulaw_samples(callee.sound.heard[-8:]), 500.0) > -13.0
        for leg, talker in zip(names, (caller, callee), strict=True):
            await legs.hang_up(leg)
            await talker.bye()
            await heard.expect(Ended, leg)
        assert not legs.bridges()
