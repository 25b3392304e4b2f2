"""`tandem rates`: what resources are charged by, and what carriers charge."""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.imports import Rejection, batches, header, progress_bar, tell
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.resources import find
from tandem.cli.show import clock_time, plain, print_table
from telephony.kernel.csv_lines import read_lines
from telephony.usage.csv_rates import header_of

LINES: Final = 5_000
"""Lines a request."""

BYTES: Final = 1_000_000
"""Characters a request, below what the gateway takes."""

app = typer.Typer(no_args_is_help=True, help="Rate sheets: import, show, and say who is charged by which.")

Sheet = Annotated[str, typer.Argument(metavar="SHEET", help="Its name.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file with a header.")],
    sheet: Annotated[
        str, typer.Option("--sheet", help="The sheet that it replaces as a whole, or a new one.")
    ],
    currency: Annotated[str, typer.Option(help="Of its prices: ISO 4217.")] = "USD",
    kind: Annotated[
        str | None, typer.Option(help="voice, sms or sms-in: of lines that do not say. A minute, a segment.")
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
        delimiter, columns = header(lines, lambda text: header_of(text, ignore or []))
        common = {"columns": columns, "delimiter": delimiter, "defaults": defaults, "currency": currency}
        place = f"/admin/rate-sheets/{quote(sheet, safe='')}/drafts"
        draft = f"{place}/{client.admin('POST', place, {'currency': currency})['draft']}"
        try:
            with progress_bar() as progress:
                task = progress.add_task("bytes", total=file.stat().st_size)
                kept, rejected = 0, list[Rejection]()
                for first, batch, bad in batches(lines, most_lines=LINES, most=BYTES, weigh=len):
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
        except BaseException:  # also when the user breaks it off: half a sheet is not left behind
            client.admin("DELETE", draft)
            raise
        if not in_force:
            client.admin("DELETE", draft)
    what = f"{kept} rates are in force in {sheet}" if kept and in_force else f"{sheet} was not changed"
    tell(what, rejected, report)
    if rejected or not in_force:
        raise typer.Exit(1)


@app.command("list")
def list_(data: Data = None) -> None:
    """List the rate sheets, and who is charged by which."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/rate-sheets")["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("sheet", "currency", "version", "lines", "since", "used by"):
        table.add_column(column)
    for one in found:
        users = ", ".join(one["usedBy"])
        table.add_row(
            plain(one["name"]),
            one["currency"],
            str(one["version"]),
            str(one["lines"]),
            clock_time(one["updated"]),
            plain(users),
        )
    print_table(table)


@app.command("show")
def show(
    sheet: Sheet,
    number: Annotated[str | None, typer.Option(help="Only the rate of this number now, in E.164.")] = None,
    kind: Annotated[str, typer.Option(help="voice, sms or sms-in, with --number.")] = "sms",
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
        table.add_column(column)
    for one in found:
        table.add_row(
            one["prefix"],
            one["kind"],
            one["price"],
            one["setup"],
            one["minimum"],
            one["increments"] if one["kind"] == "voice" else "",
            clock_time(one["validFrom"]) if "validFrom" in one else "",
            clock_time(one["validUntil"]) if "validUntil" in one else "",
            plain(one.get("destination", "")),
        )
    print_table(table)


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
