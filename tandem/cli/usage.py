"""`tandem usage`: what interactions added up to."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.resources import find
from tandem.cli.show import plain, print_table


def usage(
    by: Annotated[
        str, typer.Option(help="Some of day, resource, carrier, kind, direction, country.")
    ] = "day,carrier,kind,direction",
    since: Annotated[
        str | None, typer.Option("--from", help="First day (UTC), such as 2026-07-01; 30 days by default.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last day; today by default.")] = None,
    resource: Annotated[str | None, typer.Option(help="Only this resource's: id or name.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Only this carrier's.")] = None,
    as_csv: Annotated[Path | None, typer.Option("--csv", help="Write it as a CSV file instead.")] = None,
    data: Data = None,
) -> None:
    """Show what was sent and called, and what it cost: price to resources, cost of carriers."""
    with told():
        client = Client.of(folder(data))
        asked = {
            "by": by,
            "from": since,
            "until": until,
            "resource": None if resource is None else find(client, resource)["id"],
            "carrier": carrier,
        }
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        if as_csv is not None:
            found = client.download(f"/admin/usage:export?{query}")
            try:
                as_csv.write_bytes(found)
            except OSError as error:
                fail(f"{as_csv}: {error.strerror}", 1)
            return
        lines = client.admin("GET", f"/admin/usage?{query}")["value"]
    groups = [name.strip() for name in by.split(",")]
    table = Table(box=None, pad_edge=False)
    for column in (*groups, "count", "units", "price", "cost"):
        right = column in ("count", "units", "price", "cost")
        table.add_column(column, justify="right" if right else "left")
    for line in lines:
        table.add_row(
            *(plain(line[name]) for name in groups),
            str(line["count"]),
            str(line["units"]),
            f"{line['price']} {line['currency']}" if line["currency"] else "",
            f"{line['cost']} {line['costCurrency']}" if line["costCurrency"] else "",
        )
    print_table(table)
