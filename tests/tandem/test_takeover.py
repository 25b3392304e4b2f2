"""R18 over two gateways on one PostgreSQL: one is killed under load, and the other goes on with its work.

Small here; `make promises` runs it over 10,000 messages, with the lease that a node has by default.
"""

import asyncio
import itertools
import os
import select
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carriers.simulated.account import address_of
from carriers.simulated.journal import Journal, read
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.smpp.pdu import SubmitSm
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from telephony.kernel.store.leases import LEASE_SECONDS, RENEWALS
from tests.support.esme import bound
from tests.support.load import Load, outcome_of
from tests.support.node import Node, free_ports
from tests.support.postgres import Postgres
from tests.support.promises import Report
from tests.support.receiver import Receiver
from tests.support.scale import scale

pytestmark = [pytest.mark.soak, pytest.mark.promise("R18")]

MESSAGES = scale(120, 10_000)
RATE = scale(80.0, 100.0)
KILLS = scale(1, 6)
LEASE = scale(1.0, LEASE_SECONDS)
BETWEEN = scale(0.5, 5.0)
"""Seconds of load on both before one is killed."""
WINDOW = 100
"""Unanswered submit_sm on the one link of a gateway: no kill can make more duplicates."""
SLACK_SECONDS = 5.0
"""What a busy machine may add to a take-over."""

HANDSET, LATER = "+12065551999", "+12065551998"
WORDS = "A text of three parts, of which the last comes to another gateway. " * 6
IN_A_MOMENT = "000000000003000R"
"""Three seconds from now, as SMPP spells it (§7.1.1.1)."""


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    name = postgres.create()
    yield name
    postgres.drop(name)


@asynccontextmanager
async def carrier(journal: Path) -> AsyncIterator[Smsc]:
    """Run a carrier that nobody kills, in this process."""
    written = Journal(journal)
    settings = SimulatedSettings(port=0, accounts={"tandem": SimulatedAccount(password=Secret("tandem"))})
    smsc = Smsc(settings, clock=SystemClock(), journal=written)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()
        written.close()


class Pair:
    """Two nodes on one database, at one carrier."""

    def __init__(self, folder: Path, url: str, smsc: Smsc, hook: Receiver, journal: Path) -> None:
        (self.smpp_port,) = free_ports(1)
        self.nodes = [
            Node(
                folder / name,
                "log.level=warning",
                "http.rate=1000000",
                f"database={url}",
                f"lease_seconds={LEASE}",
                "simulated.enabled=false",
                "carriers.simulated.simulated=true",
                "carriers.simulated.smpp.one.host=127.0.0.1",
                f"carriers.simulated.smpp.one.port={smsc.port}",
                "carriers.simulated.smpp.one.system_id=tandem",
                "carriers.simulated.smpp.one.password=tandem",
                f"carriers.simulated.smpp.one.window={WINDOW}",
                f'outbound.allow=["127.0.0.1:{hook.port}"]',
            )
            for name in ("one", "two")
        ]
        one, two = self.nodes
        one.command += ["--set", "smpp_server.enabled=true", "--set", f"smpp_server.port={self.smpp_port}"]
        for each in self.nodes:
            each.journal = journal
            each.command += ["--set", f'authorities=["{one.authority}", "{two.authority}"]']

    def stop(self) -> None:
        for each in self.nodes:
            if each.process is not None:
                each.stop()


def killed(node: Node) -> bytes:
    """End a node as a power cut does; return the id under which its gateway worked."""
    identifier = bytes.fromhex((node.data / "gateway.lock").read_text().split("\n")[1])
    gateway = node.children()["gateway"]
    descriptor = os.pidfd_open(gateway)
    assert node.process is not None
    node.process.kill()  # the supervisor first: it would start the gateway again
    os.kill(gateway, signal.SIGKILL)
    node.process.wait()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(10_000)
    os.close(descriptor)
    return identifier


class Rows:
    """What the database says."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._connection = postgres.connect(database)

    def close(self) -> None:
        self._connection.close()

    def count(self, query: str, *values: object) -> int:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def left_by(self, node: bytes) -> int:
        """Return how many rows are still a node's to work on."""
        query = "SELECT count(*) FROM {} WHERE node = %s"
        return sum(self.count(query.format(table), node) for table in ("interactions", "deliveries"))

    async def until(self, query: str, wanted: int, *values: object, seconds: float = 60.0) -> None:
        """Wait until a count is what it should be."""
        until = time.monotonic() + seconds
        while (found := self.count(query, *values)) != wanted:
            assert time.monotonic() < until, (query, found, wanted)
            await asyncio.sleep(0.02)


async def test_a_gateway_goes_on_with_the_work_of_one_that_was_killed(
    tmp_path: Path, postgres: Postgres, database: str, promise: Report
) -> None:
    journal = tmp_path / "journal"
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(Receiver())
        smsc = await stack.enter_async_context(carrier(journal))
        rows = Rows(postgres, database)
        stack.callback(rows.close)
        pair = Pair(tmp_path, postgres.url(database), smsc, hook, journal)
        stack.callback(pair.stop)
        one, two = pair.nodes
        await asyncio.to_thread(one.start)
        path = f"/admin/resources/{one.resource()}"
        await asyncio.to_thread(one.admin, f"{path}/subscriptions", "POST", {"name": "all", "url": hook.url})
        account = await asyncio.to_thread(
            one.admin, f"{path}/smppAccounts", "POST", {"systemId": "later", "addresses": ["127.0.0.1"]}
        )
        two.data.mkdir()
        shutil.copy(one.data / "master-key", two.data)
        half = _half_a_text(smsc, one.number)  # to the first alone: the second is not there yet
        await rows.until("SELECT count(*) FROM inbound_parts", 2)
        await asyncio.to_thread(two.start)
        async with bound(pair.smpp_port, "later", account["password"]) as esme:
            status, _ = await esme.submit(_scheduled(one.number))
            assert status == 0

        load = Load(one, 10**9, RATE, others=(two,), report=True)
        slowest, texts = 0.0, 0
        async with load.running() as sending:
            for number, (victim, survivor) in zip(range(KILLS), itertools.cycle([(one, two), (two, one)])):
                if number:
                    half = _half_a_text(smsc, one.number)
                await asyncio.wait([sending], timeout=BETWEEN)
                await asyncio.to_thread(victim.wait_ready)
                load.node = survivor
                dead = await asyncio.to_thread(killed, victim)
                began = time.monotonic()
                smsc._served["tandem"].queue(half)
                smsc._served["tandem"].pump_soon()
                while rows.left_by(dead):
                    assert time.monotonic() - began < 60
                    await asyncio.sleep(0.01)
                slowest = max(slowest, time.monotonic() - began)
                texts += 1
                if number + 1 < KILLS:
                    await asyncio.to_thread(victim.start)
            while len(load.accepted) < MESSAGES:
                await asyncio.wait([sending], timeout=0.1)
            load.count = 0
            await sending
        unsent = "SELECT count(*) FROM interactions WHERE direction = 'outbound' AND state <> 'delivered'"
        await rows.until(unsent, 0)
        outcome = await asyncio.to_thread(outcome_of, load)
        whole = "SELECT count(*) FROM interactions i JOIN bodies b ON b.interaction = i.id WHERE"
        await rows.until(f"{whole} direction = 'inbound' AND body = %s", texts, WORDS.encode())
        from_handset = "SELECT count(*) FROM interactions WHERE direction = 'inbound' AND peer = %s"
        assert rows.count(from_handset, HANDSET) == texts
        reports = await _reports(hook, set(load.accepted.values()))
        scheduled = sum(entry.kind == "submit" and entry.destination == LATER[1:] for entry in read(journal))
    promise(
        accepted=outcome.accepted,
        kills=KILLS,
        lost=outcome.lost,
        duplicates=outcome.duplicates,
        unmarked=outcome.unmarked,
        **outcome.states,
        reported_twice=sum(count - 1 for count in reports.values()),
        lease_seconds=LEASE,
        taken_over_after_seconds=slowest,
    )
    assert outcome.accepted >= MESSAGES
    assert outcome.lost == 0
    assert outcome.duplicates <= KILLS * WINDOW
    assert outcome.unmarked == 0, "something went out twice unmarked"
    assert set(outcome.states) == {"delivered"}, "a receipt found no message"
    assert scheduled >= 1
    assert slowest < LEASE + LEASE / RENEWALS + SLACK_SECONDS


def _half_a_text(smsc: Smsc, to: str) -> tuple[Any, ...]:
    """Send all but the last part of a text; return the last."""
    served = smsc._served["tandem"]
    *parts, last = served.account.from_handset(WORDS, address_of(HANDSET), address_of(to))
    served.queue(parts)
    served.pump_soon()
    return (last,)


def _scheduled(sender: str) -> SubmitSm:
    return SubmitSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=sender[1:],
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=LATER[1:],
        schedule_delivery_time=IN_A_MOMENT,
        short_message=b"later",
    )


async def _reports(hook: Receiver, wanted: set[str]) -> Counter[str]:
    """Wait for a delivery report of each message; return how many each had."""
    until = time.monotonic() + 60
    while True:
        told = [event["data"] for one in hook.notifications for event in one.json]
        found = Counter(data["messageId"] for data in told if data.get("deliveryStatus") == "Delivered")
        if wanted <= found.keys():
            return found
        assert time.monotonic() < until, f"{len(wanted - found.keys())} reports did not come"
        await asyncio.sleep(0.1)
