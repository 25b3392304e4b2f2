"""`tandem subscription`: who is told what."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told

app = typer.Typer(no_args_is_help=True, help="Webhook subscriptions.")


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where events are posted to.")],
    name: Annotated[str, typer.Option(help="Its name.")],
    schema: Annotated[str, typer.Option(help="eventgrid or cloudevents.")] = "eventgrid",
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Microsoft.Communication.SMSReceived, …; none: all.")
    ] = None,
    data: Data = None,
) -> None:
    """Subscribe an endpoint: it is asked whether it agrees. The secret that signs is shown this once."""
    with told():
        client = Client.of(folder(data))
        body = {"name": name, "url": url, "schema": schema, "eventTypes": event or []}
        made = client.admin("POST", f"/admin/resources/{client.resource()}/subscriptions", body)
    print(f"{made['id']}  {made['state']}")
    print(f"secret: {made['secret']}")


@app.command("list")
def list_(data: Data = None) -> None:
    """List the subscriptions."""
    with told():
        client = Client.of(folder(data))
        found = client.admin("GET", f"/admin/resources/{client.resource()}/subscriptions")["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "endpoint", "schema", "events", "state"):
        table.add_column(column)
    for one in found:
        table.add_row(*_row(one))
    Console().print(table)


@app.command("remove")
def remove(
    subscription: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], data: Data = None
) -> None:
    """End a subscription."""
    with told():
        client = Client.of(folder(data))
        client.admin("DELETE", f"/admin/resources/{client.resource()}/subscriptions/{subscription}")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    events = ", ".join(kind.rpartition(".")[2] for kind in one["eventTypes"]) or "all"
    return one["id"], one["name"], one["endpointBaseUrl"], one["schema"], events, one["state"]
