"""`tandem numbers`: the inventory, and the numbers of the resource in the data folder."""

import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.imports import Rejection, batches, header, progress_bar, tell
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.show import clock_time, plain, print_table
from telephony.numbers.lines import header_of, read_lines

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

app = typer.Typer(no_args_is_help=True, help="Import, search, buy and release numbers.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="In E.164, or a short code.")]


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
        delimiter, columns = header(lines, header_of)
        common = {"columns": columns, "delimiter": delimiter, "defaults": defaults}

        def send(first: int, batch: list[str]) -> Any:  # noqa: ANN401 - JSON
            return client.admin(
                "POST", "/admin/numbers:import", {**common, "firstLine": first, "lines": batch}
            )

        # One request is on its way while the next is read: in order, because of a number that is there twice
        # the last line counts.
        with progress_bar() as progress, ThreadPoolExecutor(1) as sender:
            task = progress.add_task("bytes", total=file.stat().st_size)
            sent: deque[Future[Any]] = deque()
            requests = batches(lines, most_lines=LINES, most=NUMBERS, weigh=_weight)
            for first, batch, bad in chain(requests, repeat((0, [], []), AHEAD)):
                rejected += bad
                if batch:
                    sent.append(sender.submit(send, first, batch))
                if sent and (len(sent) > AHEAD or not batch):
                    answer = sent.popleft().result()
                    kept += answer["kept"]
                    rejected += [(one["line"], one["reason"]) for one in answer["rejected"]]
                progress.update(task, completed=opened.tell())
    tell(f"{kept} numbers are in the inventory", rejected, report)
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
    print(f"held until {clock_time(found['searchExpiresBy'])}, {_cost(found['cost'])} each; buy them with:")
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
        table.add_row(name, plain(_text(name, value)))
    print_table(table)


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


def _weight(line: str) -> int:
    return RANGE if _RANGE.search(line) else 1


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
            clock_time(one["purchaseDate"]),
        )
    print_table(table)


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
            plain(one["carrier"]),
            one.get("resource", ""),
        )
    print_table(table)


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if name == "cost":
        return _cost(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return str(value)


def _cost(cost: dict[str, Any]) -> str:
    return f"{cost['amount']:.2f} {cost['currencyCode']}"
