"""`tandem alarms`: what is wrong, and who is told."""

from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import ID_WIDTH, clock_time, plain, print_table

NODE = "00000000-0000-0000-0000-000000000000"
"""The node itself, as a resource: alarms are its events."""

EVENTS = ("Tandem.AlarmRaised", "Tandem.AlarmCleared")

STYLES = {"critical": "red", "warning": "yellow"}

app = typer.Typer(help="What is wrong with the node, and who is told.")


@app.callback(invoke_without_command=True)
def alarms(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="The cleared ones too.")] = False,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    data: Data = None,
) -> None:
    """Show what is wrong with the node, newest first."""
    if context.invoked_subcommand is not None:
        return
    query = urlencode({"top": top} | ({} if everything else {"state": "raised"}))
    with told():
        found = Client.of(folder(data)).admin("GET", f"/admin/alarms?{query}")["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("raised", "cleared", "severity", "node", "text"):
        table.add_column(column)
    for one in found:
        cleared = clock_time(one["clearedAt"]) if "clearedAt" in one else ""
        style = "dim" if cleared else STYLES.get(one["severity"], "white")
        raised = clock_time(one["raisedAt"])
        table.add_row(raised, cleared, one["severity"], plain(one["node"]), plain(one["text"]), style=style)
    print_table(table)


@app.command("subscribe")
def subscribe(
    url: Annotated[str, typer.Argument(help="Where alarms are posted to.")],
    name: Annotated[str, typer.Option(help="Its name.")] = "alarms",
    schema: Annotated[str, typer.Option(help="eventgrid or cloudevents.")] = "eventgrid",
    data: Data = None,
) -> None:
    """Tell an endpoint of every alarm: it is asked whether it agrees. The secret is shown this once."""
    body = {"name": name, "url": url, "schema": schema, "eventTypes": EVENTS}
    with told():
        client = Client.of(folder(data))
        made = client.admin("POST", f"/admin/resources/{NODE}/subscriptions", body)
    print(f"{made['id']}  {made['state']}")
    print(f"secret: {made['secret']}")


@app.command("subscriptions")
def subscriptions(data: Data = None) -> None:
    """List who is told of alarms."""
    with told():
        found = Client.of(folder(data)).admin("GET", f"/admin/resources/{NODE}/subscriptions")["value"]
    table = Table(box=None, pad_edge=False)
    table.add_column("id", min_width=ID_WIDTH, no_wrap=True)
    for column in ("name", "endpoint", "state"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(one["id"], plain(one["name"]), plain(one["endpointBaseUrl"]), one["state"])
    print_table(table)


@app.command("unsubscribe")
def unsubscribe(
    subscription: Annotated[str, typer.Argument(metavar="ID", help="As `subscriptions` shows it.")],
    data: Data = None,
) -> None:
    """Tell an endpoint no more."""
    with told():
        Client.of(folder(data)).admin("DELETE", f"/admin/resources/{NODE}/subscriptions/{subscription}")
