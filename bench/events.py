"""CPU a webhook: an event is committed, POSTed, answered, and its outcome committed; one POST an event.

    python -m bench events [--events 20000] [--rounds 3] [--profile] [--blocks]

The real store on SQLite (synchronous=FULL), the real deliverer and client, and an endpoint in a process of
its own that says 200, over plain HTTP on the loopback. `a job` is how many events one job of another plane
publishes, as a receipt does for one message or a batch of them; `flood`: all at once, so that most wait in
the store and are read back. CPU is of this process: the event loop's thread, and all threads (the store's
too); what the same jobs cost when nobody subscribed is taken off. The lag is how late a timer of the loop
was, which includes waiting for a processor; `longest` is the most CPU that the loop's thread used from one
tick of 2 ms to the next, which does not. Of the rounds the one that took the least CPU is shown: others on
the machine only ever add.
`--blocks` prints where the loop was when it did not turn for 10 ms.
"""

import argparse
import asyncio
import cProfile
import gc
import math
import pstats
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from bench.sink import Sink, sink
from sms.events import DeliveryAttempt, DeliveryReport, delivery_report_event
from tandem.schema import metadata
from telephony.events.deliverer import Deliverer
from telephony.events.settings import EventSettings
from telephony.events.store import Delivery, Matching, Publication, Wanted, publish_many
from telephony.events.subscriptions import SubscriptionDirectory
from telephony.events.verbs import NewSubscription, SubscriptionVerbs
from telephony.kernel.clock import SystemClock, to_iso
from telephony.kernel.http.outbound import GuardedClient
from telephony.kernel.http.outbound_addresses import OutboundSettings
from telephony.kernel.ids import InteractionId, NodeId, ResourceId, new_id, to_text
from telephony.kernel.store import Store

RESOURCE: Final = ResourceId(b"r" * 16)
NODE: Final = NodeId(b"n" * 16)
CALLERS: Final = 32
IN_FLIGHT: Final = 400
"""Events that are published and not delivered yet, unless it is a flood."""

WARM: Final = 2000
TICK_SECONDS: Final = 0.002
BLOCKED_SECONDS: Final = 0.01


class Sealer:
    """Seals nothing."""

    def seal(self, plain: bytes, _context: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes, _context: bytes) -> bytes:
        return sealed


class Tenants:
    """Knows everybody."""

    def knows(self, _resource: ResourceId) -> bool:
        return True


class Nobody:
    """No subscriptions."""

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Wanted]:
        return ()


@dataclass(slots=True)
class Publish:
    """Job: publish events, as a receipt's does."""

    publications: list[Publication]
    subscriptions: Matching
    now: int

    order: ClassVar[int] = 0

    def __call__(self, tx: Connection) -> list[Delivery]:
        return publish_many(tx, self.publications, subscriptions=self.subscriptions, node=NODE, now=self.now)

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[list[Delivery]]:
        every = [each for job in jobs for each in job.publications]
        made = publish_many(tx, every, subscriptions=jobs[0].subscriptions, node=NODE, now=jobs[0].now)
        return [made, *([] for _ in jobs[1:])]


@dataclass(slots=True)
class Lag:
    """How late a timer of the loop was, and where the loop was when it was stuck."""

    late: list[float]
    where: "Counter[str]"
    worked: float = 0.0
    """The most CPU that the loop's thread used between two ticks."""
    turned: float = math.inf
    over: bool = False

    async def tick(self) -> None:
        while True:
            self.turned, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.worked = max(self.worked, time.thread_time() - used)
            self.late.append(time.monotonic() - self.turned - TICK_SECONDS)

    def watch(self, thread: int) -> None:
        """Look from another thread."""
        while not self.over:
            time.sleep(TICK_SECONDS)
            if time.monotonic() - self.turned > BLOCKED_SECONDS:
                frames = traceback.extract_stack(sys._current_frames()[thread])[-4:]  # noqa: SLF001
                self.where[" < ".join(f"{each.name}:{each.lineno}" for each in reversed(frames))] += 1

    def quantile(self, share: float) -> float:
        """Return milliseconds."""
        return sorted(self.late)[min(len(self.late) - 1, math.ceil(share * len(self.late)))] * 1e3


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run took, in seconds; `lag` in milliseconds."""

    events: int
    wall: float
    loop: float
    whole: float
    lag_p99: float = 0.0
    longest: float = 0.0


def publications(count: int, clock: SystemClock) -> list[Publication]:
    """Return delivery reports of `count` messages."""
    made = []
    for _ in range(count):
        now = clock.now()
        identifier = InteractionId(new_id(now))
        at = to_iso(now)
        report = DeliveryReport(
            message_id=f"Outgoing_{to_text(identifier)}",
            from_="+12065550199",
            to="+12065550100",
            delivery_status="Delivered",
            delivery_status_details="DELIVRD",
            delivery_attempts=(DeliveryAttempt(at, 1, 0),),
            received_timestamp=at,
        )
        made.append(Publication(RESOURCE, identifier, [delivery_report_event(now, report)]))
    return made


class Bench:
    """One store, one deliverer, one endpoint."""

    def __init__(self, url: str, endpoint: Sink) -> None:
        self.clock = SystemClock()
        self.store = Store(url)
        metadata.create_all(self.store.engine)
        self.endpoint = endpoint
        self.settings = EventSettings()

    async def start(self) -> None:
        self.store.start()
        self.client = GuardedClient(OutboundSettings(allow=("127.0.0.0/8",)))
        self.directory = SubscriptionDirectory(self.store, Sealer())
        await self.directory.refresh()
        self.deliverer = Deliverer(
            store=self.store,
            client=self.client,
            directory=self.directory,
            clock=self.clock,
            node=NODE,
            settings=self.settings,
        )
        verbs = SubscriptionVerbs(
            store=self.store,
            sealer=Sealer(),
            client=self.client,
            directory=self.directory,
            tenants=Tenants(),
            deliverer=self.deliverer,
            clock=self.clock,
            node=NODE,
            settings=self.settings,
        )
        new = {"name": "bench", "url": f"http://127.0.0.1:{self.endpoint.port}/hook", "schema": "cloudevents"}
        await verbs.add(RESOURCE, msgspec.convert(new, NewSubscription), origin="https://bench.example")
        await self.deliverer.start()

    async def stop(self) -> None:
        await self.deliverer.drain(1)
        await self.deliverer.stop()
        await self.client.close()
        await asyncio.to_thread(self.store.stop)

    async def run(
        self, events: int, a_job: int, *, flood: bool, wanted: bool, lag: Lag | None = None
    ) -> Figures:
        """Publish `events` and wait until each is delivered and that is written down."""
        ready = publications(events, self.clock)
        jobs = iter([ready[start : start + a_job] for start in range(0, events, a_job)])
        subscriptions: Matching = self.directory if wanted else Nobody()
        already = self.deliverer.delivered
        published = 0
        done = 0 if wanted else -events
        ticking = asyncio.create_task(lag.tick()) if lag else None

        async def call() -> None:
            nonlocal published
            for each in jobs:
                while not flood and wanted and published - (self.deliverer.delivered - already) > IN_FLIGHT:
                    await asyncio.sleep(0.001)
                published += len(each)
                made = await self.store.write(Publish(each, subscriptions, self.clock.now()))
                if made:
                    self.deliverer.enqueue(made)

        wall, whole, loop = time.perf_counter(), time.process_time(), time.thread_time()
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        while self.deliverer.delivered - already < events + done:
            await asyncio.sleep(0.005)
        await self.deliverer.idle()
        figures = (time.perf_counter() - wall, time.thread_time() - loop, time.process_time() - whole)
        if ticking is not None:
            ticking.cancel()
        return Figures(events, *figures, *((lag.quantile(0.99), lag.worked * 1e3) if lag else (0.0, 0.0)))


async def measure(url: str, endpoint: Sink, asked: argparse.Namespace, table: Table) -> None:
    """Measure one database, which grows."""
    bench = Bench(url, endpoint)
    await bench.start()
    try:
        await measure_all(bench, asked, table)
    finally:
        await bench.stop()


async def measure_all(bench: Bench, asked: argparse.Namespace, table: Table) -> None:
    """Measure every way."""
    await bench.run(WARM, 10, flood=False, wanted=True)
    for a_job, flood in ((1, False), (10, False), (100, False), (100, True)):
        rounds = [await measure_one(bench, asked, a_job, flood=flood) for _ in range(asked.rounds)]
        least = min(rounds, key=lambda each: each.whole)
        table.add_row(
            f"{a_job}{', flood' if flood else ''}",
            f"{least.events / least.wall:,.0f}",
            f"{least.loop / least.events * 1e6:.0f}",
            f"{least.whole / least.events * 1e6:.0f}",
            f"{least.lag_p99:.1f}",
            f"{least.longest:.1f}",
        )


async def measure_one(bench: Bench, asked: argparse.Namespace, a_job: int, *, flood: bool) -> Figures:
    """Measure one round; what the jobs cost by themselves is taken off."""
    nobody = await bench.run(asked.events, a_job, flood=flood, wanted=False)
    lag = Lag([], Counter())
    watcher = threading.Thread(target=lag.watch, args=(threading.get_ident(),))
    profiler = cProfile.Profile()
    if asked.blocks:
        watcher.start()
    if asked.profile:
        profiler.enable()
    got = await bench.run(asked.events, a_job, flood=flood, wanted=True, lag=lag)
    profiler.disable()
    lag.over = True
    if asked.profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
    if asked.blocks:
        watcher.join()
        for place, count in lag.where.most_common(8):
            print(f"{count:5} {place}")
    return Figures(
        got.events,
        got.wall,
        got.loop - nobody.loop,
        got.whole - nobody.whole,
        got.lag_p99,
        got.longest,
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="profile the loop's thread; it is slower then")
    parser.add_argument("--blocks", action="store_true", help="say where the loop was when it was stuck")
    asked = parser.parse_args(arguments)
    table = Table(
        "events a job", "events/s", "loop, µs", "CPU, µs", "lag p99, ms", "longest, CPU ms", title="webhooks"
    )
    gc.freeze()  # as the gateway does once it has imported
    with tempfile.TemporaryDirectory() as folder, sink() as endpoint:
        uvloop.run(measure(f"sqlite:///{Path(folder) / 'bench.db'}", endpoint, asked, table))
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
