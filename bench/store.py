"""What the group-committing writer costs: jobs a second and CPU a job, on SQLite and PostgreSQL.

    python -m bench.store [--jobs 20000] [--busy] [--postgresql URL]

Each job inserts one timeline row. `one by one`: a caller that waits for each commit. `plain`: many callers at
once, each job in its own SAVEPOINT. `together`: the same as batch jobs. `3,000 a second`: batch jobs at that
rate, however long each takes: what a node at work sees. `--busy` keeps the event loop at work all the time,
as under full load. Without `--postgresql` the tests' own server is started, where it is installed.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from telephony.kernel.ids import InteractionId, NodeId, ResourceId, new_id
from telephony.kernel.store import Store, metadata
from telephony.kernel.store.schema import timeline
from telephony.kernel.store.timeline import Entry, append_many
from tests.support import postgres

RESOURCE: Final = ResourceId(b"r" * 16)
NODE: Final = NodeId(b"n" * 16)
CALLERS: Final = 200
STEADY: Final = 3000
STEADY_SECONDS: Final = 3.0
TICK_SECONDS: Final = 0.001
SLICE_SECONDS: Final = 0.0005
"""How long one turn of a busy event loop works."""


@dataclass(slots=True)
class Plain:
    """One row."""

    entry: Entry

    def __call__(self, tx: Connection) -> None:
        append_many(tx, (self.entry,))


@dataclass(slots=True)
class Together(Plain):
    """One row; many in one statement."""

    order: ClassVar[int] = 0

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[None]:
        append_many(tx, [job.entry for job in jobs])
        return [None] * len(jobs)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    database: str
    how: str
    jobs: int
    seconds: float
    cpu: float
    groups: int


def entry() -> Entry:
    """Return a line as the accepting of a message writes it."""
    now = time.time_ns() // 1000
    data = {"segments": 1, "alphabet": "gsm"}
    return Entry(RESOURCE, InteractionId(new_id(now)), now, NODE, "http", "message.accepted", data)


async def keep_busy() -> None:
    """Give the event loop something to do at every turn."""
    while True:
        until = time.perf_counter() + SLICE_SECONDS
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure(store: Store, kind: type[Plain], jobs: int, callers: int) -> tuple[float, float, int]:
    """Return the seconds, the CPU seconds of the process, and the groups it took."""
    entries = iter([entry() for _ in range(jobs)])
    before, groups, started = resource.getrusage(resource.RUSAGE_SELF), store.groups, time.perf_counter()

    async def call() -> None:
        for each in entries:
            await store.write(kind(each))

    await asyncio.gather(*(call() for _ in range(callers)))
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, cpu, store.groups - groups


async def measure_steady(store: Store, rate: int, seconds: float) -> tuple[float, float, int]:
    """Like `measure`, for batch jobs that come at a rate."""
    entries = [entry() for _ in range(round(rate * seconds))]
    writes: list[asyncio.Task[None]] = []
    before, groups, started = resource.getrusage(resource.RUSAGE_SELF), store.groups, time.perf_counter()
    while len(writes) < len(entries):
        due = min(len(entries), int((time.perf_counter() - started) * rate) + 1)
        writes += [asyncio.create_task(store.write(Together(each))) for each in entries[len(writes) : due]]
        await asyncio.sleep(TICK_SECONDS)
    await asyncio.gather(*writes)
    elapsed = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return elapsed, cpu, store.groups - groups


async def run(url: str, name: str, jobs: int, *, busy: bool) -> list[Result]:
    """Measure one database."""
    store = Store(url)
    metadata.create_all(store.engine, tables=[timeline])
    store.start()
    work = asyncio.create_task(keep_busy()) if busy else None
    results = []
    for how, kind, count, callers in (
        ("one by one", Plain, jobs // 20, 1),
        ("plain", Plain, jobs, CALLERS),
        ("together", Together, jobs, CALLERS),
    ):
        await measure(store, kind, 500, callers)  # statements prepared, pages warm
        results.append(Result(name, how, count, *await measure(store, kind, count, callers)))
    if work is not None:
        work.cancel()
    else:
        steady = await measure_steady(store, STEADY, STEADY_SECONDS)
        results.append(Result(name, f"{STEADY:,} a second", round(STEADY * STEADY_SECONDS), *steady))
    await asyncio.to_thread(store.stop)
    return results


@contextlib.contextmanager
def databases(url: str | None) -> Iterator[list[tuple[str, str]]]:
    """Return the name and URL of each database that can be measured here."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("TANDEM_BENCH_FOLDER")))
        found = [("SQLite, FULL", f"sqlite:///{folder}/bench.db")]
        if url is not None:
            found.append(("PostgreSQL", url))
        else:
            try:
                server = stack.enter_context(postgres.running(fsync="on"))
            except (RuntimeError, KeyError) as error:
                Console().print(f"no PostgreSQL: {error}")
            else:
                found.append(("PostgreSQL", server.url(server.create())))
        yield found


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--busy", action="store_true", help="keep the event loop at work all the time")
    parser.add_argument("--postgresql", metavar="URL", help="SQLAlchemy's URL of an empty database")
    asked = parser.parse_args(arguments)
    table = Table("database", "jobs", "jobs/s", "CPU µs/job", "jobs/group", title="store")
    with databases(asked.postgresql) as found:
        for name, url in found:
            for result in uvloop.run(run(url, name, arguments.jobs, busy=asked.busy)):
                table.add_row(
                    result.database,
                    result.how,
                    f"{result.jobs / result.seconds:,.0f}",
                    "" if asked.busy else f"{result.cpu / result.jobs * 1e6:.1f}",
                    f"{result.jobs / max(1, result.groups):.0f}",
                )
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
