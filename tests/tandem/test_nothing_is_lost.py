"""R18: whatever is killed, every accepted message is sent or reported failed, by the carrier's own journal.

Small here; `make promises` runs it over 10,000 messages with a kill every 5 seconds.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.load import Load, outcome_of
from tests.support.node import Node, node
from tests.support.postgres import Postgres
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.several import put_routes, several

pytestmark = [pytest.mark.soak, pytest.mark.promise("R18")]

MESSAGES = scale(250, 10_000)
MOVED = scale(150, 10_000)
RATE = 250.0
"""Messages a second: ten thousand take 40 seconds and more, so that eight kills come in between."""
SECONDS_BETWEEN = scale(0.5, 5.0)
LEAST_KILLS, MOST_KILLS = scale((2, 2), (5, 20))
AGAIN_EVERY = 3
"""Of so many kills of the gateway one is followed by another while it starts."""
START_SECONDS = 1.5
VICTIMS = scale(["gateway+supervisor"], ["gateway", "supervisor"])
"""Who is killed, in turn."""
WINDOW = 100
"""Unanswered submit_sm on the one link: no kill can make more duplicates."""

BACK_SECONDS = 2.0


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The settings of an empty database, on each kind of server."""
    if request.param == "sqlite":
        yield []
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield [f"database={server.url(name)}"]
    server.drop(name)


@pytest.mark.parametrize("victims", VICTIMS)
async def test_what_was_accepted_is_sent_whatever_is_killed(
    tmp_path: Path, database: list[str], victims: str, promise: Report
) -> None:
    kills, dice = 0, random.Random(18)
    with node(tmp_path / "var", "log.level=warning", "http.rate=1000000", *database) as running:
        seconds = _seconds_until_back(running)
        load = Load(running, MESSAGES, RATE)
        next_victim = itertools.cycle(victims.split("+"))
        async with load.running() as sending:
            while not (await asyncio.wait([sending], timeout=SECONDS_BETWEEN))[0] and kills < MOST_KILLS:
                victim = next(next_victim)
                await asyncio.to_thread(running.wait_ready)
                await asyncio.to_thread(_kill, running, victim)
                kills += 1
                if (
                    victim == "gateway" and kills % AGAIN_EVERY == 0
                ):  # and once more at some moment of its start
                    await asyncio.sleep(dice.uniform(0, START_SECONDS))
                    await asyncio.to_thread(_kill, running, victim)
                    kills += 1
            await sending
        await asyncio.to_thread(running.wait_ready)
        outcome = await asyncio.to_thread(outcome_of, load)
    promise(
        accepted=outcome.accepted,
        kills=kills,
        lost=outcome.lost,
        duplicates=outcome.duplicates,
        unmarked=outcome.unmarked,
        **outcome.states,
        back_after_seconds=seconds,
    )
    assert kills >= LEAST_KILLS, "all was sent before enough was killed: more messages are needed"
    assert outcome.accepted == MESSAGES
    assert outcome.lost == 0
    assert outcome.duplicates <= kills * WINDOW
    assert outcome.unmarked == 0, "something went out twice unmarked"
    assert outcome.foreign == 0, "something went out that was never accepted"
    assert seconds < BACK_SECONDS


async def test_what_moves_to_another_carrier_is_sent_whatever_is_killed(
    tmp_path: Path, promise: Report
) -> None:
    """Every message is refused by its first carrier, and killed gateways leave many between the two."""
    settings = ("log.level=warning", "http.rate=1000000", "sms.attempts=1")
    kills = 0
    with several(tmp_path / "var", "broken", "simulated", settings=settings) as running:
        put_routes(running, {"target": "broken"}, {"target": "simulated", "priority": 1})
        load = Load(running, MOVED, RATE)
        async with load.running() as sending:
            while not (await asyncio.wait([sending], timeout=SECONDS_BETWEEN))[0] and kills < MOST_KILLS:
                await asyncio.to_thread(running.wait_ready)
                await asyncio.to_thread(_kill, running, "gateway")
                kills += 1
            await sending
        await asyncio.to_thread(running.wait_ready)
        outcome = await asyncio.to_thread(outcome_of, load)
    promise(
        accepted=outcome.accepted,
        kills=kills,
        lost=outcome.lost,
        duplicates=outcome.duplicates,
        unmarked=outcome.unmarked,
        **outcome.states,
    )
    assert kills >= 1
    assert outcome.accepted == MOVED
    assert (outcome.lost, outcome.unmarked, outcome.foreign) == (0, 0, 0)
    assert outcome.states["failed"] == 0
    assert outcome.duplicates <= kills * WINDOW


def _kill(running: Node, victim: str) -> None:
    if victim == "gateway":
        until = time.monotonic() + 60
        while "gateway" not in running.children():  # it is between two lives
            assert running.process is not None
            assert running.process.poll() is None, f"the supervisor ended:\n{running.output[-5000:]}"
            assert time.monotonic() < until, f"no gateway is started:\n{running.output[-5000:]}"
            time.sleep(0.01)
        running.kill("gateway")
        return
    # Start the next at once, while the old one's children still stop, as a service manager may.
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    running.start()


def _seconds_until_back(running: Node) -> float:
    """Return how long a killed gateway is away, but for the time in which others had the machine's cores."""
    old = running.children()["gateway"]
    begun = time.monotonic()
    running.kill("gateway")
    while not (running.health().get("ready") and running.children().get("gateway") != old):
        assert time.monotonic() - begun < 30
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    _, waited_for_a_core, _ = Path(f"/proc/{running.children()['gateway']}/schedstat").read_text().split()
    return seconds - int(waited_for_a_core) / 1e9
