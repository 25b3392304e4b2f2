"""`tandem replay`: what a draft of routes and rates would have changed."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.client import Client
from tandem.cli.imports import header
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.resources import find
from tandem.cli.routing import read_set, units
from tandem.cli.show import clock_time, day_time, plain, print_table
from telephony.kernel.csv_lines import BadLine, read_lines, text_of
from telephony.kernel.errors import InvalidRequest, RemoteError
from telephony.usage.csv_rates import header_of

SECONDS: Final = 600.0
"""How long a replay may take: 200,000 calls and texts take a quarter of a minute and more."""

OPERATOR: Final = "routes.toml"
RESOURCES: Final = "resources"
RATES: Final = "rates"

EFFECTS: Final = {
    "same": "go as before",
    "moved": "go elsewhere first",
    "route": "go to the same place by another route or rule",
    "rest": "go to the same place first; what comes behind, or how it is written, differs",
    "refused": "are refused, and were not",
    "allowed": "are not refused any more",
}

BASES: Final = {"route": "by the route", "sheet": "by the carrier's sheet", "price": "to resources"}


def replay(
    draft: Annotated[
        Path,
        typer.Option(
            "--draft",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A folder with routes.toml, resources/ID.toml or rates/SHEET.csv; what is not there stays.",
        ),
    ],
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="ISO 8601 with a zone; else yesterday (UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The first moment after it; else a day later.")
    ] = None,
    resource: Annotated[str | None, typer.Option(help="Only this resource's: id or name.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only sms or voice.")] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Changes with an example.")] = 5,
    currency: Annotated[str | None, typer.Option(help="Of sheets that are not there yet: ISO 4217.")] = None,
    rates_kind: Annotated[
        str | None, typer.Option("--rates-kind", help="voice or sms: of lines of rates that do not say.")
    ] = None,
    increments: Annotated[
        str | None, typer.Option(help="Such as 60/60: of lines of rates that do not say.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="A column of rates not to read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of the answer, as JSON.")] = False,
    data: Data = None,
) -> None:
    """Run yesterday's calls and texts through a draft, and show what would change. Nothing does."""
    given = {"kind": rates_kind, "increments": increments}
    defaults = {name: value for name, value in given.items() if value is not None}
    with told():
        body: dict[str, Any] = {
            "draft": _draft(draft, currency, defaults, ignore or []),
            "examples": examples,
        }
        client = Client.of(folder(data))
        who = None if resource is None else find(client, resource)["id"]
        asked = {"from": since, "to": until, "resource": who, "kind": kind}
        body |= {name: value for name, value in asked.items() if value is not None}
        try:
            found = client.admin("POST", "/admin/replay", body, seconds=SECONDS)
        except RemoteError as error:
            raise type(error)(_with_files(error.message, draft)) from None
    if as_json:
        print(json.dumps(found, indent=2))
        return
    _print(found)


def _draft(place: Path, currency: str | None, defaults: dict[str, str], ignore: list[str]) -> dict[str, Any]:
    """Return what a folder says, as the API takes it. Leaves the process when a file cannot be read."""
    found: dict[str, Any] = {}
    if (place / OPERATOR).exists():
        found["operator"] = read_set(place / OPERATOR)
    sets = {file.stem: read_set(file) for file in sorted((place / RESOURCES).glob("*.toml"))}
    sheets = {
        file.stem: _sheet(file, currency, defaults, ignore) for file in sorted((place / RATES).glob("*.csv"))
    }
    if not (found or sets or sheets):
        parts = f"{OPERATOR}, {RESOURCES}/ID.toml or {RATES}/SHEET.csv"
        fail(f"{place}: there is no draft in it: expected {parts}", 1)
    return found | {"resources": sets, "rates": sheets}


def _sheet(file: Path, currency: str | None, defaults: dict[str, str], ignore: list[str]) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            lines = read_lines(opened)
            delimiter, columns = header(lines, lambda text: header_of(text, ignore))
            texts = []
            for number, raw in lines:
                try:
                    texts.append(text_of(raw))
                except BadLine as error:
                    fail(f"{file}: line {number}: {error}", 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}", 1)
    except InvalidRequest as error:
        fail(f"{file}: {error.message}", 1)
    sheet = {"columns": columns, "delimiter": delimiter, "lines": texts, "defaults": defaults}
    return sheet if currency is None else sheet | {"currency": currency}


def _with_files(message: str, place: Path) -> str:
    """Return a message of the API with the files that its places are in."""
    head, sign, text = message.partition(": ")
    text = text.removeprefix("draft.")
    for part, file in (("operator", OPERATOR), *_files(place)):
        for joint in (": ", "."):
            if text.startswith(part + joint):
                return f"{place / file}: {text[len(part + joint) :]}"
    return head + sign + text


def _files(place: Path) -> list[tuple[str, str]]:
    return [
        (f"{part}.{file.stem}", f"{part}/{file.name}")
        for part, pattern in ((RESOURCES, "*.toml"), (RATES, "*.csv"))
        for file in (place / part).glob(pattern)
    ]


def _print(found: dict[str, Any]) -> None:
    print(f"{found['looked']} calls and texts from {day_time(found['from'])} to {day_time(found['to'])}")
    if not found["complete"]:
        print("There are more than one replay takes: ask for less at once with --from, --to or --resource.")
    for warning in found["warnings"]:
        print(f"{warning['what']}: {plain(warning['text'])}")
    for sheet in found["unusedSheets"]:
        print(f"rates of {plain(sheet)}: nobody is charged by them here (tandem rates use)")
    for effect, count in found["effects"].items():
        print(f"{count:>8} {EFFECTS[effect]}")
    if found["changes"]:
        print()
        table = Table("count", "", "", "before", "after", box=None, pad_edge=False)
        table.columns[0].justify = "right"
        for one in found["changes"]:
            table.add_row(
                str(one["count"]), one["kind"], one["direction"], _way(one["before"]), _way(one["after"])
            )
        print_table(table)
    if found["more"]:
        print(f"and {found['more']} in other ways")
    if found["costs"]:
        print()
        _print_costs(found["costs"])
    if found["unmeasured"]:
        print(f"without {found['unmeasured']} whose length nobody knows")
    for one in found["examples"]:
        _print_example(one)


def _print_costs(costs: list[dict[str, Any]]) -> None:
    table = Table("carrier", "cost", "", "before", "after", "difference", box=None, pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    for one in costs:
        before, after = one["before"]["micros"], one["after"]["micros"]
        sign = "-" if after < before else "+"
        table.add_row(
            plain(one["carrier"]),
            BASES[one["basis"]],
            one["currency"],
            units(before),
            units(after),
            f"{sign}{units(abs(after - before))}" if after != before else "",
        )
    print_table(table)


def _print_example(one: dict[str, Any]) -> None:
    print()
    print(f"{one['kind']} {one['direction']} {one['id']} of {clock_time(one['at'])}")
    print(f"  {plain(one['from'])} → {plain(one['to'])}")
    for name in ("before", "after"):
        print(f"  {name}: {_way(one[name])}")
        told = one[f"{name}Reasons"]
        for each in told["tried"]:
            mark = "taken" if each["taken"] else "not"
            print(f"    {plain(each['rule'])} ({mark}): {plain(each['why'])}")
        if told.get("more"):
            print(f"    and {told['more']} more")


def _way(way: dict[str, str]) -> Text:
    if way.get("refusal"):
        return plain(f"refused: {way['refusal']}")
    return plain(f"{way.get('target', '')} by {way.get('route', '')}")
