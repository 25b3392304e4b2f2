"""`tandem numbers`: the inventory, and the numbers of the resource in the data folder."""

import csv
import re
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from telephony.kernel.errors import InvalidRequest
from telephony.numbers.lines import BadLine, header_of, read_lines, text_of

VERSION: Final = "2025-06-01"

LINES: Final = 5_000
"""Lines a request."""

NUMBERS: Final = 100_000
"""Numbers a request; a line with a range may have ten thousand."""

AHEAD: Final = 1
"""Requests that are ready before the one on its way is answered."""

RANGE: Final = 10_000

_RANGE: Final = re.compile(r"[0-9]-\+?[0-9]")
"""What a range looks like; a line that only looks like one makes a request smaller."""

SHOWN: Final = 20
"""Rejected lines that are printed; `--report` has all."""

WIDTH: Final = 240
"""Characters of a line that goes to a file or another program."""

app = typer.Typer(no_args_is_help=True, help="Import, search, buy and release numbers.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="In E.164, or a short code.")]
Rejection = tuple[int, str]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file with a header.")],
    default: Annotated[
        list[str] | None,
        typer.Option("--default", metavar="COLUMN=VALUE", help="What an empty or missing column means."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the rejected lines there, as line and reason.")
    ] = None,
    data: Data = None,
) -> None:
    """Put a carrier's numbers into the inventory. Lines that are not taken are reported."""
    defaults = dict(_pair(each) for each in default or [])
    kept, rejected = 0, list[Rejection]()
    with told(), file.open("rb") as opened:
        client = Client.of(folder(data))
        lines = read_lines(opened)
        delimiter, columns = _header(lines)
        common = {"columns": columns, "delimiter": delimiter, "defaults": defaults}

        def send(first: int, batch: list[str]) -> Any:  # noqa: ANN401 - JSON
            return client.admin(
                "POST", "/admin/numbers:import", {**common, "firstLine": first, "lines": batch}
            )

        # One request is on its way while the next is read: in order, because of a number that is there twice
        # the last line counts.
        with _progress() as progress, ThreadPoolExecutor(1) as sender:
            task = progress.add_task("bytes", total=file.stat().st_size)
            sent: deque[Future[Any]] = deque()
            for first, batch, bad in chain(_batches(lines), repeat((0, [], []), AHEAD)):
                rejected += bad
                if batch:
                    sent.append(sender.submit(send, first, batch))
                if sent and (len(sent) > AHEAD or not batch):
                    answer = sent.popleft().result()
                    kept += answer["kept"]
                    rejected += [(one["line"], one["reason"]) for one in answer["rejected"]]
                progress.update(task, completed=opened.tell())
    rejected.sort()
    _tell(kept, rejected, report)
    if rejected:
        raise typer.Exit(1)


@app.command("list")
def list_(
    inventory: Annotated[
        bool, typer.Option("--inventory", help="All numbers that carriers gave us, whoever has them.")
    ] = False,
    state: Annotated[str | None, typer.Option(help="free, reserved, owned or released.")] = None,
    country: Annotated[str | None, typer.Option(help="Such as US.")] = None,
    carrier: Annotated[str | None, typer.Option(help="A name of the configuration.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Such as +1425.")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    data: Data = None,
) -> None:
    """List the resource's numbers, or the inventory's."""
    asked = {"state": state, "country": country, "carrier": carrier, "prefix": prefix}
    filters = {name: value for name, value in asked.items() if value is not None}
    with told():
        client = Client.of(folder(data))
        if inventory or filters:
            path = f"/admin/numbers?{urlencode({**filters, 'top': top})}"
            _print_inventory(client.admin("GET", path)["value"])
        else:
            found = client.acs("GET", f"/phoneNumbers?api-version={VERSION}&top={top}")["phoneNumbers"]
            _print_owned(found)


@app.command("search")
def search(
    country: Annotated[str, typer.Argument(help="Such as US.")],
    kind: Annotated[str, typer.Option("--type", help="geographic, tollFree, mobile or shortCode.")] = (
        "geographic"
    ),
    assignment: Annotated[str, typer.Option(help="application or person.")] = "application",
    area_code: Annotated[str | None, typer.Option(help="Such as 425.")] = None,
    sms: Annotated[str, typer.Option(help="none, inbound, outbound or inbound+outbound.")] = (
        "inbound+outbound"
    ),
    calling: Annotated[str, typer.Option(help="none, inbound, outbound or inbound+outbound.")] = "none",
    quantity: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    data: Data = None,
) -> None:
    """Find free numbers and hold them for 15 minutes; `tandem numbers buy ID` buys them."""
    body = {
        "phoneNumberType": kind,
        "assignmentType": assignment,
        "capabilities": {"calling": calling, "sms": sms},
        "quantity": quantity,
    }
    if area_code:
        body["areaCode"] = area_code
    with told():
        client = Client.of(folder(data))
        target = f"/availablePhoneNumbers/countries/{quote(country, safe='')}/:search?api-version={VERSION}"
        _, headers = client.acs_with_headers("POST", target, body)
        operation = client.acs("GET", headers["Operation-Location"])
        if operation["status"] != "succeeded":
            fail(operation["error"]["message"], 1)
        found = client.acs("GET", headers["Location"])
    for number in found["phoneNumbers"]:
        print(number)
    print(f"held until {found['searchExpiresBy']}, {_cost(found['cost'])} each; buy them with:")
    agree = " --agree-not-to-resell" if found["isAgreementToNotResellRequired"] else ""
    print(f"  tandem numbers buy {found['searchId']}{agree}")


@app.command("buy")
def buy(
    search_id: Annotated[str, typer.Argument(metavar="ID", help="Of a search.")],
    agree: Annotated[
        bool, typer.Option("--agree-not-to-resell", help="Some countries sell numbers only so.")
    ] = False,
    data: Data = None,
) -> None:
    """Buy what a search found."""
    with told():
        client = Client.of(folder(data))
        client.acs(
            "POST",
            f"/availablePhoneNumbers/:purchase?api-version={VERSION}",
            {"searchId": search_id, "agreeToNotResell": agree},
        )
        path = f"/availablePhoneNumbers/searchResults/{quote(search_id, safe='')}?api-version={VERSION}"
        found = client.acs("GET", path)
    for number in found["phoneNumbers"]:
        print(number)


@app.command("release")
def release(number: Number, data: Data = None) -> None:
    """Give a number up; it stops working at once."""
    with told():
        client = Client.of(folder(data))
        client.acs("DELETE", f"/phoneNumbers/{quote(number, safe='')}?api-version={VERSION}")


@app.command("show")
def show(number: Number, data: Data = None) -> None:
    """Show what the inventory knows of a number."""
    with told():
        found = Client.of(folder(data)).admin("GET", f"/admin/numbers/{quote(number, safe='')}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in found.items():
        table.add_row(name, _text(name, value))
    _console().print(table)


@app.command("withdraw")
def withdraw(number: Number, data: Data = None) -> None:
    """Take a number that is nobody's out of the inventory."""
    with told():
        Client.of(folder(data)).admin("DELETE", f"/admin/numbers/{quote(number, safe='')}")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        fail(f"--default {text}: expected COLUMN=VALUE, such as carrier=mine")
    return name.strip(), value.strip()


def _header(lines: Iterator[tuple[int, bytes]]) -> tuple[str, tuple[str, ...]]:
    try:
        _, raw = next(lines, (1, b""))
        return header_of(text_of(raw))
    except BadLine as error:
        raise InvalidRequest(f"The first line cannot be read: {error}.") from None


def _batches(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, list[str], list[Rejection]]]:
    """Return requests: the number of the first line, the lines, and those that are rejected here.

    A line that is rejected here stands empty among the others, so that their numbers stay right.
    """
    first, batch, bad, weight = 0, list[str](), list[Rejection](), 0
    for place, raw in lines:
        text = ""
        try:
            text = text_of(raw)
        except BadLine as error:
            bad.append((place, str(error)))
        weigh = RANGE if _RANGE.search(text) else 1
        if len(batch) >= LINES or weight + weigh > NUMBERS:
            yield first, batch, bad
            batch, bad, weight = [], [], 0
        if not batch:
            first = place
        batch.append(text)
        weight += weigh
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


def _tell(kept: int, rejected: list[Rejection], report: Path | None) -> None:
    print(f"{kept} numbers are in the inventory; {len(rejected)} lines were rejected")
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


def _console() -> Console:
    """Return where tables go: a pipe has no width, and nothing in it may be cut off."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _print_owned(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("number", "country", "type", "assignment", "calling", "sms", "a month", "since"):
        table.add_column(column, no_wrap=True)
    for one in found:
        can = one["capabilities"]
        table.add_row(
            one["phoneNumber"],
            one["countryCode"],
            one["phoneNumberType"],
            one["assignmentType"],
            can["calling"],
            can["sms"],
            _cost(one["cost"]),
            one["purchaseDate"][:10],
        )
    _console().print(table)


def _print_inventory(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("number", "state", "country", "type", "calling", "sms", "a month", "carrier", "resource"):
        table.add_column(column, no_wrap=True)
    for one in found:
        can = one["capabilities"]
        table.add_row(
            one["number"],
            one["state"],
            one["country"],
            one["type"],
            can["calling"],
            can["sms"],
            _cost(one["cost"]),
            one["carrier"],
            one.get("resource", ""),
        )
    _console().print(table)


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if name == "cost":
        return _cost(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return str(value)


def _cost(cost: dict[str, Any]) -> str:
    return f"{cost['amount']:.2f} {cost['currencyCode']}"
