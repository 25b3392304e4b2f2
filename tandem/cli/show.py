"""Messages and timelines as people read them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

ID_WIDTH: Final = 36
"""Characters of an id: one that is cut is of no use."""

STATE_STYLES: Final = {
    "delivered": "green",
    "received": "green",
    "submitted": "cyan",
    "failed": "red",
    "expired": "red",
    "unreported": "yellow",
    "cancelled": "yellow",
}


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
            message["from"],
            message["to"],
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
        f"[bold]{message['messageId']}[/]  {message['from']} → {message['to']}"
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
    for entry in view["timeline"]:
        kind = entry["kind"]
        last = kind.rpartition(".")[2]
        table.add_row(
            f"  {clock_time(entry['at'])}",
            entry["source"],
            f"[{STATE_STYLES.get(last, 'white')}]{kind}[/]",
            facts(entry.get("data")),
        )
    console.print(table)


def facts(data: Any) -> str:  # noqa: ANN401 - JSON
    """Return an entry's data as `name=value` words."""
    if not isinstance(data, Mapping):
        return "" if data is None else str(data)
    return " ".join(f"{name}={value}" for name, value in data.items() if value not in (None, ""))


def clock_time(text: str) -> str:
    """Return an ISO time as local time of day, to the millisecond, with the date when it is not today's."""
    moment = datetime.fromisoformat(text).astimezone()
    day = "" if moment.date() == datetime.now(moment.tzinfo).date() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
