"""`tandem media`: how busy the audio is, and how a leg sounds."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import plain, print_table

LEG = (
    ("engine", "engine"),
    ("codec", "codec"),
    ("received", "packets received"),
    ("lost", "lost"),
    ("late", "late"),
    ("duplicates", "repeated"),
    ("concealed", "frames made up"),
    ("played", "frames played"),
    ("jitterMs", "jitter, ms"),
    ("depthMs", "jitter buffer, ms"),
    ("sent", "packets sent"),
    ("remoteLost", "lost at the other side"),
    ("remoteJitterMs", "jitter there, ms"),
    ("roundTripMs", "round trip, ms"),
    ("mos", "quality (MOS)"),
    ("foreign", "packets from strangers"),
    ("malformed", "malformed packets"),
    ("flooded", "packets beyond the limit"),
)
"""What is shown of a leg."""


def media(
    leg: Annotated[str | None, typer.Argument(help="A leg's name: its packets, losses and quality.")] = None,
    data: Data = None,
) -> None:
    """Show the media engines: streams, load, late ticks; or one leg."""
    with told():
        client = Client.of(folder(data))
        if leg is not None:
            found = client.admin("GET", f"/admin/media/legs/{quote(leg, safe='')}")
        else:
            found = client.admin("GET", "/admin/media")
    if leg is not None:
        print_table(_leg(found))
    elif not found["enabled"]:
        print("This node carries no audio (media.enabled).")
    else:
        print_table(_engines(found["engines"]))
        print(_media_io(found["mediaIo"]))


def _engines(engines: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("engine", "state", "io"):
        table.add_column(column)
    for column in (
        "streams",
        "legs",
        "bridges",
        "busy",
        "packets/s in",
        "out",
        "late ticks",
        "worst ms",
        "shed",
    ):
        table.add_column(column, justify="right")
    for one in engines:
        if not one["connected"]:
            table.add_row(plain(one["name"]), "[red]away[/]")
            continue
        state = "draining" if one["draining"] else "up" if one["accepts"] else "[yellow]full[/]"
        table.add_row(
            plain(one["name"]),
            state,
            one["io"],
            str(one["streams"]),
            f"{one['legs']}/{one['maxLegs']}",
            str(one["bridges"]),
            f"{one['busy']:.1%}",
            str(one["received"]),
            str(one["sent"]),
            str(one["lateTicks"]),
            f"{one['worstTickMs']:.1f}",
            str(one["shed"]),
        )
    return table


def _media_io(io: dict[str, Any] | None) -> str:
    if io is None or not io["connected"]:
        return "media I/O is away: no prompts, no recordings"
    return (
        f"media I/O: {io['recordings']} of {io['maxRecordings']} recordings, {io['failed']} failed; "
        f"{io['cached']} sounds kept ({io['cachedOctets'] / 1e6:.1f} MB), {io['decoding']} being prepared"
    )


def _leg(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key, words in LEG:
        value = found[key]
        if value is not None:
            table.add_row(words, f"{value:.1f}" if isinstance(value, float) else plain(str(value)))
    remote = found["remote"]
    if remote is not None:
        table.add_row("sends to", f"{remote['host']}:{remote['port']}")
    return table
