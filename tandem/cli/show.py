"""Messages and timelines as people read them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from telephony.kernel.clock import to_iso

ID_WIDTH: Final = 36
"""Characters of an id: one that is cut is of no use."""

MAX_WIDTH: Final = 10_000
"""Characters of a line: more than any of ours has."""

STATE_STYLES: Final = {
    "delivered": "green",
    "received": "green",
    "refused": "red",
    "submitted": "cyan",
    "failed": "red",
    "expired": "red",
    "unreported": "yellow",
    "cancelled": "yellow",
}


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table as wide as it is: cells that are cut are of no use, to programs that read it least."""
    console = console or Console()
    widest = Measurement.get(console, console.options.update(max_width=MAX_WIDTH), table).maximum
    console.width = max(console.width, widest)
    console.print(table, crop=False)


def plain(text: str) -> Text:
    """Return what others wrote as a cell: brackets mean nothing, and what would steer a terminal is shown."""
    return Text("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text))


def message_table(messages: Iterable[Mapping[str, Any]], *, header: bool = True) -> Table:
    """Return a list of messages as a table."""
    table = Table(box=None, pad_edge=False, show_header=header)
    for name in ("created", "", "from", "to", "state", "parts", "id"):
        table.add_column(name, no_wrap=True)
    for message in messages:
        state = message["state"]
        table.add_row(
            clock_time(message["created"]),
            "out" if message["direction"] == "outbound" else "in",
            plain(message["from"]),
            plain(message["to"]),
            f"[{STATE_STYLES.get(state, 'white')}]{state}[/]",
            str(message["segments"]),
            message["messageId"],
        )
    return table


def print_message(console: Console, view: Mapping[str, Any]) -> None:
    """Print a message with its timeline."""
    message = view["message"]
    style = STATE_STYLES.get(message["state"], "white")
    console.print(
        f"[bold]{message['messageId']}[/]  {shown(message['from'])} → {shown(message['to'])}"
        f"  [{style}]{message['state']}[/]",
        soft_wrap=True,
    )
    if view.get("text") is not None:
        octets = message["alphabet"] == "binary"
        body = f"octets {view['text']}" if octets else f"“{view['text']}”"
        console.print(f"  {body}", highlight=False, markup=False, soft_wrap=True)
    if message.get("tandem"):
        console.print(f"  {facts(message['tandem'])}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # ids are looked for whole
    for entry in view["timeline"]:
        kind = entry["kind"]
        last = kind.rpartition(".")[2]
        table.add_row(
            f"  {clock_time(entry['at'])}",
            entry["source"],
            f"[{STATE_STYLES.get(last, 'white')}]{kind}[/]",
            plain(facts(entry.get("data"))),
        )
    console.print(table)


def shown(text: str) -> str:
    """Return what others wrote for a line with markup: see `plain`."""
    return escape(plain(text).plain)


def facts(data: Any) -> str:  # noqa: ANN401 - JSON
    """Return an entry's data as `name=value` words."""
    if not isinstance(data, Mapping):
        return "" if data is None else str(data)
    return " ".join(f"{name}={_fact(name, value)}" for name, value in data.items() if value not in (None, ""))


def _fact(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if name == "due" and isinstance(value, int):
        return clock_time(to_iso(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def day_time(text: str) -> str:
    """Return an ISO time as local date and time of day, to the second: for the ends of a span."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def clock_time(text: str) -> str:
    """Return an ISO time as local time of day, to the millisecond, with the date when it is not today's.

    A day without a time stays as it is: it is one of UTC.
    """
    if len(text) == len("2026-07-01"):
        return text
    moment = datetime.fromisoformat(text).astimezone()
    day = "" if moment.date() == datetime.now(moment.tzinfo).date() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
