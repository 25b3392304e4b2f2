"""`tandem subscription`: who is told what."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import clock_time, print_table

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
    print_table(table)


@app.command("remove")
def remove(
    subscription: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], data: Data = None
) -> None:
    """End a subscription."""
    with told():
        client = Client.of(folder(data))
        client.admin("DELETE", f"/admin/resources/{client.resource()}/subscriptions/{subscription}")


@app.command("rotate")
def rotate(
    subscription: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], data: Data = None
) -> None:
    """Make a new secret, shown this once; for 24 hours the old one signs as well."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/subscriptions/{subscription}:rotateSecret"
        print(f"secret: {client.admin('POST', path)['secret']}")


@app.command("dead-letters")
def dead_letters(
    subscription: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of this subscription only; as `list` shows it.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    data: Data = None,
) -> None:
    """List the events that could not be delivered, oldest first."""
    with told():
        client = Client.of(folder(data))
        asked = {"top": top} | ({"subscription": subscription} if subscription else {})
        path = f"/admin/resources/{client.resource()}/deadLetters?{urlencode(asked)}"
        found = client.admin("GET", path)["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("id", "subscription", "event", "reason", "attempts", "last outcome", "published"):
        table.add_column(column)
    for one in found:
        table.add_row(*_dead_row(one))
    print_table(table)


@app.command("redrive")
def redrive(
    subscription: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    letters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LETTER]...", help="As `dead-letters` shows them; none: all."),
    ] = None,
    data: Data = None,
) -> None:
    """Send events again that could not be delivered."""
    sent = 0
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/deadLetters:redrive"
        while True:
            answer = client.admin("POST", path, {"subscription": subscription, "ids": letters or None})
            sent += answer["count"]
            if letters or answer["count"] < answer["ceiling"]:
                break
    print(f"{sent} on their way")


def _dead_row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["id"],
        one["subscription"],
        one["eventType"].rpartition(".")[2],
        one["deadLetterReason"],
        str(one["deliveryAttempts"]),
        one["lastDeliveryOutcome"] or "",
        clock_time(one["publishTime"]),
    )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    events = ", ".join(kind.rpartition(".")[2] for kind in one["eventTypes"]) or "all"
    return one["id"], one["name"], one["endpointBaseUrl"], one["schema"], events, one["state"]
