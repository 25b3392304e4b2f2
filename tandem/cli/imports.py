"""What every import of a CSV file has in common: its header, lines read as text, progress, and the report."""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from telephony.kernel.csv_lines import BadLine, text_of
from telephony.kernel.errors import InvalidRequest

SHOWN: Final = 20
"""Rejected lines that are printed; `--report` has all."""

Rejection = tuple[int, str]
"""A line's number, and why it is not taken."""

Header = tuple[str, tuple[str, ...]]
"""The delimiter, and the columns."""

Batch = tuple[int, list[str], list[Rejection]]
"""A request: the number of the first line, the lines, and those that are rejected here."""


def header(lines: Iterator[tuple[int, bytes]], read: Callable[[str], Header]) -> Header:
    """Return what the first line says. Raises InvalidRequest, as `read` does."""
    try:
        _, raw = next(lines, (1, b""))
        return read(text_of(raw))
    except BadLine as error:
        raise InvalidRequest(f"The first line cannot be read: {error}.") from None


def batches(
    lines: Iterator[tuple[int, bytes]], *, most_lines: int, most: int, weigh: Callable[[str], int]
) -> Iterator[Batch]:
    """Return requests of at most so many lines, which together weigh at most `most`.

    A line that is rejected here stands empty among the others, so that their numbers stay right.
    """
    first, batch, bad, weight = 0, list[str](), list[Rejection](), 0
    for place, raw in lines:
        text = ""
        try:
            text = text_of(raw)
        except BadLine as error:
            bad.append((place, str(error)))
        more = weigh(text)
        if batch and (len(batch) >= most_lines or weight + more > most):
            yield first, batch, bad
            batch, bad, weight = [], [], 0
        if not batch:
            first = place
        batch.append(text)
        weight += more
    if batch:
        yield first, batch, bad


def progress_bar() -> Progress:
    """Return what shows how far an import is, on standard error."""
    return Progress(
        TextColumn("importing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("bytes"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def tell(what: str, rejected: list[Rejection], report: Path | None) -> None:
    """Say what came of an import, and which lines were not taken: all of them in the report, if one is
    wanted."""
    rejected.sort()
    print(f"{what}; {len(rejected)} lines were rejected")
    if report is not None:
        with report.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("line", "reason"))
            writer.writerows(rejected)
    for line, reason in rejected[:SHOWN]:
        print(f"line {line}: {reason}", file=sys.stderr)
    if len(rejected) > SHOWN:
        more = f"the rest is in {report}" if report else "--report FILE writes all"
        print(f"… and {len(rejected) - SHOWN} more; {more}", file=sys.stderr)
