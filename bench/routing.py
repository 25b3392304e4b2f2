"""Routes, many: how long a table takes to make, what it takes up, and how long a decision takes.

    python -m bench routing [--prefixes 1000000] [--routes 5000] [--patterns 1000] [--lookups 100000]

Every table is made in a process of its own, from rules as they come from the store. `resident` is what the
process takes up with rules and table, above what it took up before; `kept` when the rules are gone, which is
how a gateway runs. A decision is the whole of `decide`: candidates, weights, digits as carriers want them.
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from telephony.kernel.e164 import E164
from telephony.routing.decide import Question, decide
from telephony.routing.dialled import read
from telephony.routing.formats import USUAL
from telephony.routing.rules import Kind, Route, RouteSet
from telephony.routing.table import compile_table

CARRIERS: Final = tuple(f"carrier-{number}" for number in range(5))
PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    what: str
    compile_seconds: float
    resident: int
    kept: int
    p50: float
    p99: float
    most: float
    """Seconds."""
    found: float
    """Share of the look-ups that some route takes."""


def deck(prefixes: int, routes: int, chance: random.Random) -> tuple[RouteSet, list[E164]]:
    """Return rate decks, and numbers: every prefix is one carrier's, each second one another's as well."""
    known: set[int] = set()
    while len(known) < prefixes:
        known.add(chance.randrange(10 ** chance.randrange(5, 9), 10**9))
    shares: list[list[str]] = [[] for _ in range(routes)]
    for place, prefix in enumerate(known):
        route = chance.randrange(routes)
        shares[route].append(str(prefix))
        if place % 2:
            shares[(route + 1) % routes].append(str(prefix))
    made = (
        Route(
            id=f"route-{place}",
            kind=Kind.VOICE,
            target=CARRIERS[place % len(CARRIERS)],
            prefixes=tuple(share),
            cost=chance.randrange(1_000, 500_000),
            weight=chance.randrange(1, 10),
        )
        for place, share in enumerate(shares)
    )
    some = chance.sample(sorted(known), min(len(known), 20_000))
    numbers = [E164(f"+{prefix}{chance.randrange(1000, 9999)}") for prefix in some]
    return RouteSet(routes=tuple(made)), numbers


def patterns(count: int, chance: random.Random) -> tuple[RouteSet, list[E164]]:
    """Return routes by pattern, as users write them, and numbers."""
    made = []
    for place in range(count):
        country, first, second = (chance.randrange(10, 100) for _ in range(3))
        made.append(
            Route(
                id=f"route-{place}",
                kind=Kind.VOICE,
                target=CARRIERS[place % len(CARRIERS)],
                pattern=rf"^\+{country}({first}|{second})\d{{5,9}}$",
                priority=place,
            )
        )
    numbers = [E164(f"+{chance.randrange(10**9, 10**13)}") for _ in range(20_000)]
    return RouteSet(routes=tuple(made)), numbers


def resident() -> int:
    """Return the bytes of memory that this process takes up now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def measure(what: str, make: Callable[[], tuple[RouteSet, list[E164]]], lookups: int) -> Result:
    """Make a table and ask it."""
    carriers = dict.fromkeys(CARRIERS, USUAL)
    before = resident()
    rules, numbers = make()
    gc.collect()
    started = time.perf_counter()
    table = compile_table(rules, carriers)
    seconds = time.perf_counter() - started
    most = resident() - before
    del rules
    gc.collect()
    kept = resident() - before
    times, found = [], 0
    for place in range(lookups):
        number = numbers[place % len(numbers)]
        question = Question(Kind.VOICE, number, "+14255550123", 0, place.to_bytes(16, "big"))
        began = time.perf_counter()
        decision = decide(table, question)
        times.append(time.perf_counter() - began)
        found += bool(decision.hops)
    times.sort()
    return Result(
        what,
        seconds,
        most,
        kept,
        times[len(times) // 2],
        times[int(len(times) * 0.99)],
        times[-1],
        found / lookups,
    )


def measure_reading(count: int) -> tuple[float, float]:
    """Return the median seconds of reading a spelling for the first time, and again."""
    spellings = [f"00 49 (0)30 / {place:07d}" for place in range(min(count, 5000))]
    result = []
    for _ in range(2):
        times = []
        for spelling in spellings:
            began = time.perf_counter()
            read(spelling)
            times.append(time.perf_counter() - began)
        result.append(sorted(times)[len(times) // 2])
    return result[0], result[1]


def run_case(case: str, asked: argparse.Namespace) -> Result:
    """Measure one case, in this process."""
    chance = random.Random(1)
    if case == "patterns":
        name = f"{asked.patterns:,} patterns"
        return measure(name, lambda: patterns(asked.patterns, chance), asked.lookups)
    routes = asked.routes if case == "deck" else 100_000
    name = f"{asked.prefixes / 1e6:g} million prefixes, {routes:,} routes"
    return measure(name, lambda: deck(asked.prefixes, routes, chance), asked.lookups)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prefixes", type=int, default=1_000_000)
    parser.add_argument("--routes", type=int, default=5_000)
    parser.add_argument("--patterns", type=int, default=1_000)
    parser.add_argument("--lookups", type=int, default=100_000)
    parser.add_argument("--case", choices=("deck", "many", "patterns"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.case:
        print(json.dumps(asdict(run_case(asked.case, asked))))
        return
    table = Table(
        "table",
        "compile, s",
        "resident, MB",
        "kept, MB",
        "decision p50, µs",
        "p99, µs",
        "most, µs",
        "found",
        title="routing",
    )
    for case in ("deck", "many", "patterns"):
        done = subprocess.run(
            [sys.executable, "-m", "bench", "routing", *arguments, "--case", case],
            check=True,
            capture_output=True,
            text=True,
        )
        result = Result(**json.loads(done.stdout.splitlines()[-1]))
        table.add_row(
            result.what,
            f"{result.compile_seconds:.1f}",
            f"{result.resident / 1e6:,.0f}",
            f"{result.kept / 1e6:,.0f}",
            f"{result.p50 * 1e6:.1f}",
            f"{result.p99 * 1e6:.1f}",
            f"{result.most * 1e6:,.0f}",
            f"{result.found:.0%}",
        )
    Console(width=120).print(table)
    first, again = measure_reading(asked.lookups)
    print(f"reading a spelling: {first * 1e6:.0f} µs the first time, {again * 1e6:.1f} µs again (medians)")


if __name__ == "__main__":
    main(sys.argv[1:])
