"""Several gateways on one PostgreSQL: what a dead one left is sent by another, and a frozen one lets go."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from carriers.simulated.main import serve
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from telephony.kernel.clock import SECOND
from telephony.kernel.secret import Secret
from telephony.kernel.store.leases import LEASE_SECONDS, RENEW_SECONDS, SETTLED, database_now, keep_lease
from telephony.kernel.store.schema import interactions, nodes, timeline
from tests.support import stores
from tests.support.inside import inside
from tests.support.node import free_ports
from tests.support.postgres import Postgres
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = [pytest.mark.wire, pytest.mark.promise("R18")]

MESSAGES = 20
EVERY = scale(0.05, RENEW_SECONDS)
"""How often a node looks after its own lease and the others'."""
LEFT = scale(0.0, LEASE_SECONDS)
"""Seconds for which the dead node's lease still runs."""


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("tandem.joining.keep_lease", partial(keep_lease, every=EVERY))
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@asynccontextmanager
async def carrier(port: int) -> AsyncIterator[None]:
    """Run the simulated carrier in this process."""
    account = SimulatedAccount(password=Secret("tandem"))
    settings = SimulatedSettings(port=port, accounts={"tandem": account})
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(settings, ready=lambda _: ready.set(), stop=stop))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await task


Query = Callable[[Connection], int]


def delivered(tx: Connection) -> int:
    """Return how many messages are delivered and nobody's work any more."""
    over = select(func.count()).where(interactions.c.state == "delivered", interactions.c.node.is_(None))
    return int(tx.execute(over).scalar_one())


def marked(tx: Connection) -> int:
    """Return how many messages say that they may have been sent twice."""
    again = select(func.count(timeline.c.interaction.distinct())).where(timeline.c.kind == "part.sent-again")
    return int(tx.execute(again).scalar_one())


def half_about_to_be_sent(tx: Connection) -> int:
    """Leave every other message as a gateway leaves it that dies between its claim and the answer."""
    ids = tx.execute(select(interactions.c.id).order_by(interactions.c.id)).scalars().all()
    claimed = update(interactions).where(interactions.c.id.in_(ids[::2])).values(state="submitting")
    return tx.execute(claimed).rowcount


def lease_runs(seconds: float) -> Query:
    """Return the job that lets every node's lease end in so many seconds."""

    def run(tx: Connection) -> int:
        return tx.execute(
            update(nodes).values(lease_until=database_now(tx) + round(seconds * SECOND))
        ).rowcount

    return run


def taken_for_dead(tx: Connection) -> int:
    """Settle every node, as another that takes its work over does."""
    return tx.execute(update(nodes).values(lease_until=SETTLED)).rowcount


async def test_what_a_dead_gateway_left_is_sent_by_another(
    database: str, tmp_path: Path, promise: Report
) -> None:
    body = {"smsRecipients": [{"to": "+12065551000"}] * MESSAGES, "message": "left behind"}
    one, heirs = tmp_path / "one", tmp_path / "heir"
    async with inside(one, database=database) as home:  # its carrier is not there: nothing is sent
        raw = json.dumps({"from": home.one.number, **body}).encode()
        assert (await home.sign_and_ask("POST", "/sms?api-version=2021-03-07", raw)).status == 202
    heirs.mkdir()
    shutil.copy(one / "master-key", heirs)  # with its mode
    (port,) = free_ports(1)
    with stores.started(database) as store:
        assert await store.write(half_about_to_be_sent) == MESSAGES // 2
        await store.write(lease_runs(3600))
        async with carrier(port), inside(heirs, database=database, simulated__port=str(port)):
            assert await store.read(delivered) == 0, "the other still lives"
            await store.write(lease_runs(LEFT))
            began = time.monotonic()
            async with asyncio.timeout(60):
                while await store.read(delivered) < MESSAGES:
                    await asyncio.sleep(0.01)
            seconds = time.monotonic() - began
        again = await store.read(marked)
    promise(taken_over=MESSAGES, lost=0, marked=again, delivered_after_seconds=seconds)
    assert again == MESSAGES // 2, "what the dead one was about to send, and nothing else, is in doubt"


async def test_a_gateway_that_was_taken_for_dead_stops(database: str, tmp_path: Path) -> None:
    lost = asyncio.Event()
    async with inside(tmp_path / "one", lost=lost.set, database=database) as home:
        await home.gateway.store.write(taken_for_dead)
        async with asyncio.timeout(10):
            await lost.wait()
