"""`tandem sms send`, `tandem messages`, `tandem message`, `tandem links`."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.show import clock_time, message_table, print_message, print_table
from tandem.cli.wishes import wishes
from telephony.kernel.clock import to_iso

API_VERSION: Final = "2021-03-07"

FOLLOW_SECONDS: Final = 0.5
"""How often `--follow` looks."""

LINK_COLUMNS: Final = (
    "name",
    "carrier",
    "state",
    "bound_since",
    "bind",
    "tls",
    "sent",
    "answered",
    "outstanding",
    "throttled",
    "lost",
    "delivered",
    "reconnects",
    "last_error",
)
"""What is told of a link: what is long comes last."""

_pause = time.sleep

app = typer.Typer(no_args_is_help=True, help="Send messages.")


@app.command("send")
def send(
    to: Annotated[list[str], typer.Argument(help="Recipients in E.164.")],
    text: Annotated[
        str | None, typer.Option("--text", "-m", help="The message; - reads standard input.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="A number of yours; else the one in the data folder.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Comes back in the delivery report.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When: 2026-12-24T18:00, or +90m.")] = None,
    validity: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How long it is worth delivering: 90s, 10m, 2h, 1d."),
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=3, help="0 to 3: the greater leaves first.")] = 0,
    flash: Annotated[bool, typer.Option("--flash", help="Show it at once: message class 0.")] = False,
    message_class: Annotated[
        int | None, typer.Option("--class", min=0, max=3, help="Message class: 2 is for the SIM.")
    ] = None,
    look_alikes: Annotated[
        bool, typer.Option("--lookalike", help="Replace typographic characters if that saves parts.")
    ] = False,
    binary: Annotated[
        str | None, typer.Option(metavar="HEX", help="Octets instead of a text; - reads standard input.")
    ] = None,
    udh: Annotated[
        str | None, typer.Option(metavar="HEX", help="A user data header before the octets.")
    ] = None,
    ports: Annotated[
        str | None, typer.Option(metavar="DEST[:SRC]", help="A header with these application ports.")
    ] = None,
    data_coding: Annotated[
        int | None, typer.Option(min=0, max=255, help="data_coding of the octets, as it goes.")
    ] = None,
    protocol_id: Annotated[
        int, typer.Option(min=0, max=255, help="protocol_id, if the operator allows it.")
    ] = 0,
    max_parts: Annotated[int | None, typer.Option(min=1, max=255, help="Refuse what needs more.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the end of every message.")] = 0.0,
    data: Data = None,
) -> None:
    """Send a text or octets as an application would, with the connection string in the data folder."""
    asked = wishes(
        at=at,
        now=datetime.now(UTC),
        validity=validity,
        priority=priority,
        flash=flash,
        message_class=message_class,
        look_alikes=look_alikes,
        binary=sys.stdin.read() if binary == "-" else binary,
        udh=udh,
        ports=ports,
        data_coding=data_coding,
        protocol_id=protocol_id,
        max_parts=max_parts,
    )
    if text is None and binary is None:
        raise typer.BadParameter("what to send? --text, or --binary")
    with told():
        where = folder(data)
        client = Client.of(where)
        answer = client.acs(
            "POST",
            f"/sms?api-version={API_VERSION}",
            {
                "from": sender or _own_number(where),
                "smsRecipients": [{"to": number} for number in to],
                "message": sys.stdin.read() if text == "-" else text or "",
                "smsSendOptions": {"enableDeliveryReport": True, **({"tag": tag} if tag else {})},
                **({"tandem": asked} if asked else {}),
            },
        )
        good = True
        for item in answer["value"]:
            good = good and item["successful"]
            print(item["to"], item.get("messageId") or item.get("errorMessage"))
        sent = [item["messageId"] for item in answer["value"] if item["successful"]]
        if wait:
            good = _wait_for(client, sent, wait) and good
    if not good:
        raise typer.Exit(1)


def messages(
    peer: Annotated[str | None, typer.Option(help="The other party's number.")] = None,
    own: Annotated[str | None, typer.Option(help="Your number.")] = None,
    state: Annotated[str | None, typer.Option(help="accepted, submitted, delivered, failed, …")] = None,
    direction: Annotated[str | None, typer.Option(help="inbound or outbound.")] = None,
    before: Annotated[str | None, typer.Option(help="Only older ones than this message.")] = None,
    top: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens.")] = False,
    data: Data = None,
) -> None:
    """Search messages, newest first; with --follow, show what happens as it does."""
    asked = {"peer": peer, "own": own, "state": state, "direction": direction, "before": before, "top": top}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    console = Console()
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/messages?{query}"
        if not follow:
            print_table(message_table(client.admin("GET", path)["value"]), console)
            return
        seen: dict[str, int] = {}
        while True:
            found = client.admin("GET", path)["value"]
            fresh = [one for one in reversed(found) if seen.get(one["messageId"]) != one["version"]]
            if fresh:
                print_table(message_table(fresh, header=not seen), console)
            seen = {one["messageId"]: one["version"] for one in found}
            _pause(FOLLOW_SECONDS)


def message(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="As the API gave it, or its GUID.")],
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Take it back, if nothing of it was sent.")
    ] = False,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="Send it again: it failed, expired or was not reported.")
    ] = False,
    data: Data = None,
) -> None:
    """Show one message and everything that happened to it; take it back, or send it again."""
    if cancel and requeue:
        raise typer.BadParameter("--cancel and --requeue exclude each other")
    with told():
        client = Client.of(folder(data))
        resource = client.resource()
        if cancel or requeue:
            path = f"/admin/resources/{resource}/messages/{quote(message_id, safe='')}"
            view = client.admin("POST", path + (":cancel" if cancel else ":requeue"))
        else:
            view = find(client, resource, message_id)
        print_message(Console(), view)


def links(data: Data = None) -> None:
    """Show the SMPP links and how they do."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/links")["value"]
    table = Table(box=None, pad_edge=False)
    for name in LINK_COLUMNS:
        table.add_column(name.replace("_", " "))
    for link in found:
        table.add_row(*(_link_cell(name, link[name]) for name in LINK_COLUMNS))
    print_table(table)


def _link_cell(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if name == "bound_since":
        return "" if value is None else clock_time(to_iso(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def find(client: Client, resource: str, message_id: str) -> dict[str, Any]:
    """Return a message with its timeline. Raises RemoteError when there is none."""
    found: dict[str, Any] = client.admin(
        "GET", f"/admin/resources/{resource}/messages/{quote(message_id, safe='')}"
    )
    return found


def _wait_for(client: Client, sent: list[str], seconds: float) -> bool:
    """Wait until the messages are over, print their timelines, and tell whether all were delivered."""
    console, resource = Console(), client.resource()
    until = time.monotonic() + seconds
    delivered = True
    for identifier in sent:
        view = find(client, resource, identifier)
        while (
            view["message"]["state"] in ("accepted", "submitting", "submitted") and time.monotonic() < until
        ):
            time.sleep(0.05)
            view = find(client, resource, identifier)
        print_message(console, view)
        delivered = delivered and view["message"]["state"] == "delivered"
    return delivered


def _own_number(where: Path) -> str:
    file = where / "number"
    if not file.exists():
        fail(f"{file} does not exist: name your number with --from")
    return file.read_text().strip()
