"""Rate sheets, large: how fast a file goes in, and how long a look-up takes.

    python -m bench rates [--lines 200000] [--lookups 200000]

The file has a line a prefix, with prices, increments, dates and names. It goes in as the gateway puts it in,
by requests of 5,000 lines, without HTTP, on SQLite with synchronous=FULL; then the book reads it. A look-up
is of a random number, at a time within the sheet's dates.
"""

import argparse
import asyncio
import logging
import os
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Final

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from tandem.schema import metadata
from telephony.kernel.clock import SystemClock
from telephony.kernel.store import Store
from telephony.usage.book import Book
from telephony.usage.rating import Kind
from telephony.usage.settings import LimitSettings
from telephony.usage.sheet_verbs import SheetVerbs

REQUEST: Final = 5_000
COLUMNS: Final = ("prefix", "kind", "price", "increments", "from", "destination")


def lines_of(count: int) -> list[str]:
    """Return lines of different prefixes of two to nine digits."""
    chance = random.Random(5)
    prefixes: set[str] = set()
    while len(prefixes) < count:
        prefixes.add(str(chance.randrange(10 ** chance.choice((2, 4, 6, 7, 8, 9)))).lstrip("0") or "1")
    kinds = (("60/60", "Mobile"), ("30/6", "Special"), ("1/1", "Fixed"))
    return [
        f"{prefix},voice,0.0{chance.randrange(1000):03d},{steps},2026-01-01,{name} {prefix[:3]}"
        for prefix, (steps, name) in zip(sorted(prefixes), kinds * (count // 3 + 1), strict=False)
    ]


async def measure(folder: str, count: int, lookups: int) -> tuple[float, float, float, float]:
    """Return seconds to take the lines in, seconds to put them in force, µs a look-up, CPU seconds of all."""
    store = Store(f"sqlite:///{Path(folder) / 'bench.db'}")
    metadata.create_all(store.engine)
    store.start()
    clock = SystemClock()
    book = Book(store, LimitSettings())
    verbs = SheetVerbs(store=store, clock=clock, book=book, knows=lambda _: True, carriers=lambda _: True)
    lines = lines_of(count)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    draft = await verbs.begin("bench", "USD")
    for first in range(0, count, REQUEST):
        kept, rejected = await verbs.add(
            "bench",
            draft,
            currency="USD",
            lines=lines[first : first + REQUEST],
            first=first + 2,
            columns=COLUMNS,
            delimiter=",",
            defaults={},
        )
        assert kept == min(REQUEST, count - first)
        assert not rejected
    taken = time.perf_counter()
    await verbs.activate("bench", draft, strict=True)
    ended = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF)
    sheet = book.sheet("bench")
    assert sheet is not None
    chance = random.Random(6)
    numbers = [f"+{chance.randrange(10**10, 10**12)}" for _ in range(lookups)]
    now = clock.now()
    started = time.perf_counter()
    for number in numbers:
        sheet.find(Kind.VOICE, number, now)
    looked = (time.perf_counter() - started) / lookups * 1e6
    await asyncio.to_thread(store.stop)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken - began, ended - taken, looked, cpu


def main(arguments: list[str]) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench rates")
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--lookups", type=int, default=200_000)
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TANDEM_BENCH_FOLDER")) as folder:
        taken, activated, looked, cpu = uvloop.run(measure(folder, asked.lines, asked.lookups))
    table = Table("lines", "taken in, s", "in force after, s", "lines/s", "CPU µs/line", "look-up µs")
    table.add_row(
        f"{asked.lines:,}",
        f"{taken:.2f}",
        f"{activated:.2f}",
        f"{asked.lines / (taken + activated):,.0f}",
        f"{cpu / asked.lines * 1e6:.1f}",
        f"{looked:.2f}",
    )
    Console().print(table)
