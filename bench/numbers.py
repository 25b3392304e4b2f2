"""The inventory of numbers, large: how fast a file goes in, and how long a search takes.

    python -m bench numbers [--sqlite 1000000] [--postgresql 5000000] [--searches 2000]

The file has a line a number, in four hundred area codes, with every column that tells numbers apart. It is
read as `tandem numbers import` reads it and goes in as the gateway puts it in, without HTTP. A search wants
a hundred numbers of one area code that text and call, holds them, and is cancelled. PostgreSQL is the tests'
own server, with fsync.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from tandem.schema import metadata
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.numbers.csv_supply import CsvSupply
from telephony.numbers.intake import take_in
from telephony.numbers.kinds import EVERYTHING, Assignment, NumberType
from telephony.numbers.lines import header_of, read_lines, text_of
from telephony.numbers.search import SearchNumbers, Wanted
from telephony.numbers.settings import NumberSettings
from telephony.numbers.trade import CancelSearch
from tests.support import postgres

AREAS: Final = 400
QUANTITY: Final = 100
CARRIER: Final = "bench"
RESOURCE: Final = ResourceId(b"r" * 16)
SETTINGS: Final = NumberSettings()
HEADER: Final = "number,country,type,assignment,calling,sms,carrier,cost,currency,area_code,locality,division"
CAN: Final = ("inbound+outbound,inbound+outbound", "inbound,none", "none,inbound+outbound")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    database: str
    numbers: int
    import_seconds: float
    import_cpu: float
    searches: Sequence[float]
    """Seconds of each, sorted."""

    def percentile(self, share: float) -> float:
        """Return milliseconds."""
        return self.searches[min(len(self.searches) - 1, int(len(self.searches) * share))] * 1000


def write_file(path: Path, count: int) -> None:
    """Write a file of so many numbers."""
    each = -(-count // AREAS)
    with path.open("w") as file:
        file.write(HEADER + "\n")
        left = count
        for area in range(AREAS):
            code = 200 + area
            for place in range(min(each, left)):
                # Lots as carriers have them: capabilities and prices go by blocks of a thousand.
                can, cost = CAN[place // 1000 % 3], f"{1 + place // 3000 % 3}.00"
                number = f"+1{code}{2_000_000 + place}"
                file.write(
                    f"{number},US,geographic,application,{can},{CARRIER},{cost},USD,{code},Town {code},ST\n"
                )
            left -= min(each, left)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Return the file's lines behind the header."""
    with path.open("rb") as file:
        lines = read_lines(file)
        next(lines)
        for place, raw in lines:
            yield place, text_of(raw)


async def measure(url: str, name: str, count: int, searches: int, path: Path) -> Result:
    """Measure one database."""
    store = Store(url)
    metadata.create_all(store.engine)
    store.start()
    delimiter, columns = header_of(HEADER)
    supply = CsvSupply(lines_of(path), columns, carriers={CARRIER}, delimiter=delimiter)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    intake = await take_in(store, supply)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert (intake.kept, len(intake.rejected)) == (count, 0), intake
    times = []
    chance = random.Random(1)
    for round_ in range(searches + 20):
        wanted = Wanted(
            "US",
            NumberType.GEOGRAPHIC,
            Assignment.APPLICATION,
            EVERYTHING,
            str(200 + chance.randrange(AREAS)),
            QUANTITY,
        )
        began = time.perf_counter()
        done = await store.write(SearchNumbers(RESOURCE, wanted, SETTINGS))
        if round_ >= 20:  # statements prepared, pages warm
            times.append(time.perf_counter() - began)
        await store.write(CancelSearch(RESOURCE, done.id))
    await asyncio.to_thread(store.stop)
    return Result(name, count, seconds, cpu, sorted(times))


@contextlib.contextmanager
def databases(folder: str, sqlite: int, postgresql: int) -> Iterator[list[tuple[str, str, int]]]:
    """Return name, URL and size of each database that is asked for and can be measured here."""
    with contextlib.ExitStack() as stack:
        found = []
        if sqlite:
            found.append(("SQLite, FULL", f"sqlite:///{folder}/bench.db", sqlite))
        if postgresql:
            try:
                server = stack.enter_context(
                    postgres.running(fsync="on", shared_buffers="256MB", max_wal_size="4GB")
                )
            except (RuntimeError, KeyError) as error:
                Console().print(f"no PostgreSQL: {error}")
            else:
                found.append(("PostgreSQL", server.url(server.create()), postgresql))
        yield found


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sqlite", type=int, default=1_000_000, metavar="NUMBERS")
    parser.add_argument("--postgresql", type=int, default=5_000_000, metavar="NUMBERS")
    parser.add_argument("--searches", type=int, default=2_000)
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    table = Table(
        "database",
        "numbers",
        "lines/s",
        "CPU µs/line",
        "search p50, ms",
        "p99, ms",
        "most, ms",
        title="numbers",
    )
    folder = os.environ.get("TANDEM_BENCH_FOLDER")
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        databases(place, asked.sqlite, asked.postgresql) as found,
    ):
        for name, url, count in found:
            path = Path(place) / "numbers.csv"
            write_file(path, count)
            result = uvloop.run(measure(url, name, count, asked.searches, path))
            table.add_row(
                result.database,
                f"{result.numbers:,}",
                f"{result.numbers / result.import_seconds:,.0f}",
                f"{result.import_cpu / result.numbers * 1e6:.1f}",
                f"{result.percentile(0.5):.1f}",
                f"{result.percentile(0.99):.1f}",
                f"{result.searches[-1] * 1000:.1f}",
            )
    Console().print(table)
