"""`tandem rates`: what resources are charged by, and what carriers charge."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.resources import find
from telephony.kernel.csv_lines import BadLine, read_lines, text_of
from telephony.kernel.errors import InvalidRequest
from telephony.usage.csv_rates import header_of

LINES: Final = 5_000
"""Lines a request."""

BYTES: Final = 1_000_000
"""Characters a request, below what the gateway takes."""

SHOWN: Final = 20
"""Rejected lines that are printed; `--report` has all."""

app = typer.Typer(no_args_is_help=True, help="Rate sheets: import, show, and say who is charged by which.")

Sheet = Annotated[str, typer.Argument(metavar="SHEET", help="Its name.")]
Rejection = tuple[int, str]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file with a header.")],
    sheet: Annotated[
        str, typer.Option("--sheet", help="The sheet that it replaces as a whole, or a new one.")
    ],
    currency: Annotated[str, typer.Option(help="Of its prices: ISO 4217.")] = "USD",
    kind: Annotated[
        str | None, typer.Option(help="voice or sms: of lines that do not say; prices a minute or a segment.")
    ] = None,
    increments: Annotated[
        str | None, typer.Option(help="Such as 60/60 or 30/6: of lines that do not say; else 1/1.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="A column that is not read.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take nothing when one line cannot be taken.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the rejected lines there, as line and reason.")
    ] = None,
    data: Data = None,
) -> None:
    """Replace a rate sheet by a file. Lines that are not taken are reported; the rest is in force at once."""
    given = {"kind": kind, "increments": increments}
    defaults = {name: value for name, value in given.items() if value is not None}
    with told(), file.open("rb") as opened:
        client = Client.of(folder(data))
        lines = read_lines(opened)
        delimiter, columns = _header(lines, ignore or [])
        common = {"columns": columns, "delimiter": delimiter, "defaults": defaults, "currency": currency}
        place = f"/admin/rate-sheets/{quote(sheet, safe='')}/drafts"
        draft = f"{place}/{client.admin('POST', place, {'currency': currency})['draft']}"
        try:
            with _progress() as progress:
                task = progress.add_task("bytes", total=file.stat().st_size)
                kept, rejected = 0, list[Rejection]()
                for first, batch, bad in _batches(lines):
                    rejected += bad
                    body = {**common, "firstLine": first, "lines": batch}
                    answer = client.admin("POST", f"{draft}:add", body)
                    kept += answer["kept"]
                    rejected += [(one["line"], one["reason"]) for one in answer["rejected"]]
                    progress.update(task, completed=opened.tell())
            in_force = False
            if kept and not (strict and rejected):
                done = client.admin("POST", f"{draft}:activate", {"strict": strict})
                kept, in_force = done["lines"], done["inForce"]
                rejected += [(one["line"], one["reason"]) for one in done["rejected"]]
        except BaseException:
            client.admin("DELETE", draft)
            raise
        if not in_force:
            client.admin("DELETE", draft)
    rejected.sort()
    _tell(sheet, kept if in_force else 0, rejected, report)
    if rejected or not in_force:
        raise typer.Exit(1)


@app.command("list")
def list_(data: Data = None) -> None:
    """List the rate sheets, and who is charged by which."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/rate-sheets")["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("sheet", "currency", "version", "lines", "since", "used by"):
        table.add_column(column, overflow="fold")
    for one in found:
        users = ", ".join(one["usedBy"])
        table.add_row(
            one["name"], one["currency"], str(one["version"]), str(one["lines"]), one["updated"][:19], users
        )
    Console().print(table)


@app.command("show")
def show(
    sheet: Sheet,
    number: Annotated[str | None, typer.Option(help="Only the rate of this number now, in E.164.")] = None,
    kind: Annotated[str, typer.Option(help="voice or sms, with --number.")] = "sms",
    prefix: Annotated[str, typer.Option(help="Only of prefixes that begin so.")] = "",
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    data: Data = None,
) -> None:
    """Show a sheet's rates."""
    path = f"/admin/rate-sheets/{quote(sheet, safe='')}"
    with told():
        client = Client.of(folder(data))
        if number is not None:
            found = [client.admin("GET", f"{path}:find?{urlencode({'number': number, 'kind': kind})}")]
        else:
            found = client.admin("GET", f"{path}?{urlencode({'prefix': prefix, 'top': top})}")["value"]
    table = Table(box=None, pad_edge=False)
    for column in (
        "prefix",
        "kind",
        "price",
        "set-up",
        "minimum",
        "increments",
        "from",
        "until",
        "destination",
    ):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(
            one["prefix"],
            one["kind"],
            one["price"],
            one["setup"],
            one["minimum"],
            one["increments"] if one["kind"] == "voice" else "",
            one.get("validFrom", ""),
            one.get("validUntil", "")[:19],
            one.get("destination", ""),
        )
    Console().print(table)


@app.command("export")
def export(
    sheet: Sheet,
    file: Annotated[Path, typer.Argument(help="The file to write; it is replaced.")],
    data: Data = None,
) -> None:
    """Write a sheet as a CSV file, which `import` takes again."""
    with told():
        found = Client.of(folder(data)).download(f"/admin/rate-sheets/{quote(sheet, safe='')}:export")
    try:
        file.write_bytes(found)
    except OSError as error:
        fail(f"{file}: {error.strerror}", 1)


@app.command("delete")
def delete(sheet: Sheet, data: Data = None) -> None:
    """Delete a sheet that nobody uses."""
    with told():
        Client.of(folder(data)).admin("DELETE", f"/admin/rate-sheets/{quote(sheet, safe='')}")


Resource = Annotated[
    str | None,
    typer.Option("--resource", help="A resource that pays by it: id or name; all: each without its own."),
]
Carrier = Annotated[str | None, typer.Option("--carrier", help="A carrier that charges by it.")]


@app.command("use")
def use(sheet: Sheet, resource: Resource = None, carrier: Carrier = None, data: Data = None) -> None:
    """Charge a resource, or a carrier's traffic, by a sheet from now on."""
    with told():
        client = Client.of(folder(data))
        body = _whom(client, resource, carrier)
        client.admin("POST", f"/admin/rate-sheets/{quote(sheet, safe='')}:use", body)


@app.command("unuse")
def unuse(resource: Resource = None, carrier: Carrier = None, data: Data = None) -> None:
    """Charge a resource, or a carrier's traffic, by no sheet any more."""
    with told():
        client = Client.of(folder(data))
        client.admin("POST", "/admin/rate-sheets:unuse", _whom(client, resource, carrier))


def _whom(client: Client, resource: str | None, carrier: str | None) -> dict[str, Any]:
    if (resource is None) == (carrier is None):
        fail("expected --resource or --carrier")
    if carrier is not None:
        return {"carrier": carrier}
    assert resource is not None
    return {"resource": "*" if resource in ("all", "*") else find(client, resource)["id"]}


def _header(lines: Iterator[tuple[int, bytes]], ignore: list[str]) -> tuple[str, tuple[str, ...]]:
    try:
        _, raw = next(lines, (1, b""))
        return header_of(text_of(raw), ignore)
    except BadLine as error:
        raise InvalidRequest(f"The first line cannot be read: {error}.") from None


def _batches(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, list[str], list[Rejection]]]:
    """Return requests: the number of the first line, the lines, and those that are rejected here.

    A line that is rejected here stands empty among the others, so that their numbers stay right.
    """
    first, batch, bad, size = 0, list[str](), list[Rejection](), 0
    for place, raw in lines:
        text = ""
        try:
            text = text_of(raw)
        except BadLine as error:
            bad.append((place, str(error)))
        if batch and (len(batch) >= LINES or size + len(text) > BYTES):
            yield first, batch, bad
            batch, bad, size = [], [], 0
        if not batch:
            first = place
        batch.append(text)
        size += len(text)
    if batch:
        yield first, batch, bad


def _progress() -> Progress:
    return Progress(
        TextColumn("importing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("bytes"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _tell(sheet: str, kept: int, rejected: list[Rejection], report: Path | None) -> None:
    what = f"{kept} rates are in force in {sheet}" if kept else f"{sheet} was not changed"
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
