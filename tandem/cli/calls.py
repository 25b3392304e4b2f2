"""`tandem calls`, `tandem call ID`, `tandem call place FROM TO`, `tandem call hangup ID`."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import clock_time, facts, plain, print_table, shown

FOLLOW_SECONDS: Final = 0.5
"""How often `--follow` and `--wait` look."""

STYLES: Final = {
    "completed": "green",
    "talking": "green",
    "ringing": "cyan",
    "setup": "cyan",
    "rejected": "red",
    "unreached": "red",
    "lost": "red",
    "unanswered": "yellow",
    "busy": "yellow",
    "abandoned": "yellow",
}

SIDES: Final = {"in": "<--", "out": "-->"}
"""Who dialled a leg: the other side, or we."""

_pause = time.sleep

_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class CallGroup(TyperGroup):
    """`call ID` beside `call place` and `call hangup`: what looks like an id is shown."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own
        """See click."""
        if args and _ID.fullmatch(args[0]):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


call = typer.Typer(
    cls=CallGroup, no_args_is_help=True, help="Show one call by its id; place one; hang one up."
)


def calls(
    peer: Annotated[str | None, typer.Option(help="The other party's number.")] = None,
    own: Annotated[str | None, typer.Option(help="Your number.")] = None,
    state: Annotated[str | None, typer.Option(help="talking, completed, busy, unanswered, …")] = None,
    direction: Annotated[str | None, typer.Option(help="inbound or outbound.")] = None,
    live: Annotated[
        bool | None, typer.Option("--live/--past", help="Only those that are not over, or that are.")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Only older ones than this call.")] = None,
    top: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    data: Data = None,
) -> None:
    """Search calls, live and past, newest first."""
    asked = {
        "peer": peer,
        "own": own,
        "state": state,
        "direction": direction,
        "live": None if live is None else str(live).lower(),
        "before": before,
        "top": top,
    }
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    with told():
        client = Client.of(folder(data))
        found = client.admin("GET", f"/admin/resources/{client.resource()}/calls?{query}")["value"]
    print_table(call_table(found))


@call.command("show")
def show(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="The call's id.")], data: Data = None
) -> None:
    """Show one call: both legs, its rule, quality, webhooks, on one timeline."""
    with told():
        client = Client.of(folder(data))
        print_call(Console(), _find(client, client.resource(), call_id))


@call.command("place")
def place(
    sender: Annotated[str, typer.Argument(metavar="FROM", help="A number of yours, in E.164.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="Whom to call.")],
    play: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Let it hear a prompt, by its name or URL.")
    ] = None,
    number: Annotated[str | None, typer.Option("--join", help="Join it to another number.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for its end; then its ladder is shown.")] = 0.0,
    data: Data = None,
) -> None:
    """Call a number; when it answers, it hears itself, a prompt, or another number that is called then."""
    if play is not None and number is not None:
        raise typer.BadParameter("--play and --join exclude each other")
    then: dict[str, Any] = {"kind": "echo"}
    if play is not None:
        then = {"kind": "play", "what": play}
    elif number is not None:
        then = {"kind": "number", "number": number}
    with told():
        client = Client.of(folder(data))
        resource = client.resource()
        body = {"from": sender, "to": to, "then": then}
        placed = client.admin("POST", f"/admin/resources/{resource}/calls", body)
        print(placed["callId"])
        if not wait:
            return
        until = time.monotonic() + wait
        view = _find(client, resource, placed["callId"])
        while view["call"]["live"] and time.monotonic() < until:
            _pause(FOLLOW_SECONDS)
            view = _find(client, resource, placed["callId"])
        print_call(Console(), view)
    if view["call"]["state"] not in ("completed", "talking"):
        raise typer.Exit(1)


@call.command("hangup")
def hangup(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="The call's id.")], data: Data = None
) -> None:
    """End a call."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/calls/{quote(call_id, safe='')}:hangUp"
        client.admin("POST", path)


def call_table(found: Iterable[Mapping[str, Any]]) -> Table:
    """Return a list of calls as a table."""
    table = Table(box=None, pad_edge=False)
    for name in ("created", "", "from", "to", "state", "cause", "length", "price", "id"):
        table.add_column(name, no_wrap=True)
    for one in found:
        cause = one.get("cause")
        table.add_row(
            clock_time(one["created"]),
            "out" if one["direction"] == "outbound" else "in",
            plain(one["from"]),
            plain(one["to"]),
            _state(one["state"]),
            "" if cause is None else f"{cause['sip']}/{cause['q850']}",
            length(one.get("durationMs")),
            one.get("price", ""),
            one["callId"],
        )
    return table


def print_call(console: Console, view: Mapping[str, Any]) -> None:
    """Print a call with its legs and its ladder."""
    one = view["call"]
    console.print(
        f"[bold]{one['callId']}[/]  {shown(one['from'])} → {shown(one['to'])}  {_state(one['state'])}",
        soft_wrap=True,
    )
    said = {name: one.get(name) for name in ("rule", "target", "endedBy", "price")}
    if (cause := one.get("cause")) is not None:
        said["cause"] = f"{cause['sip']}/{cause['q850']} {cause['text']}"
    if one.get("setupMs") is not None:
        said["setup"] = f"{one['setupMs']} ms"
        said["length"] = length(one.get("durationMs"))
    console.print(f"  {facts(said)}", highlight=False, markup=False, soft_wrap=True)
    for leg in view["legs"]:
        heard = {
            "codec": leg.get("codec"),
            "setup": None if leg.get("setupMs") is None else f"{leg['setupMs']} ms",
            "length": length(leg.get("durationMs")),
            "lost": leg.get("lost") or None,
            "jitter": None if not leg.get("jitterMs") else f"{leg['jitterMs']:.1f} ms",
            "roundTrip": None if leg.get("roundTripMs") is None else f"{leg['roundTripMs']:.0f} ms",
            "mos": leg.get("mos"),
        }
        words = f"  {SIDES[leg['side']]} {leg['trunk']} {leg['number']} {leg['state']} {facts(heard)}"
        console.print(plain(words), highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for entry in view["timeline"]:
        data = dict(entry.get("data") or {})
        side = SIDES.get(data.pop("side", ""), "")
        if side:
            data.pop("leg", None)  # its trunk names it well enough for people
        table.add_row(
            f"  {clock_time(entry['at'])}", entry["source"], plain(side), entry["kind"], plain(facts(data))
        )
    console.print(table)


def length(milliseconds: int | None) -> str:
    """Return a length as people read it: `1:02:03.4`."""
    if milliseconds is None:
        return ""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{text}:{seconds:02}.{rest // 100}"


def _state(state: str) -> str:
    return f"[{STYLES.get(state, 'white')}]{state}[/]"


def _find(client: Client, resource: str, call_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.admin(
        "GET", f"/admin/resources/{resource}/calls/{quote(call_id, safe='')}"
    )
    return found
