"""`tandem audit`: who changed what."""

import json
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import clock_time, plain, print_table


def audit(
    resource: Annotated[
        str | None, typer.Option(help="Of this resource only; its id. All zero: of the node.")
    ] = None,
    operation: Annotated[
        str | None, typer.Option(help="admin.resources.create, or admin.resources. for all of them.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="The id of an administration key or a resource.")] = None,
    since: Annotated[str | None, typer.Option(help="ISO 8601 with a zone: not older.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601 with a zone: older only.")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Whole records, one JSON object a line: before and after too.")
    ] = False,
    data: Data = None,
) -> None:
    """Show who changed what, newest first."""
    asked = {
        "resource": resource,
        "operation": operation,
        "actor": actor,
        "since": since,
        "until": until,
        "top": top,
    }
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    with told():
        found = Client.of(folder(data)).admin("GET", f"/admin/audit?{query}")["value"]
    if as_json:
        for record in found:
            print(json.dumps(record))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("at", "who", "role", "from", "operation", "target", "status"):
        table.add_column(column, no_wrap=True)
    for record in found:
        table.add_row(*map(plain, _row(record)))
    print_table(table)


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    actor, status = record["actor"], record["status"]
    return (
        clock_time(record["at"]),
        actor.get("name") or actor["id"],
        actor.get("role") or actor["kind"],
        actor.get("address") or "",
        record["operation"],
        record["target"],
        "unknown" if status is None else str(status),
    )
