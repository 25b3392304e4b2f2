"""Messages and timelines as people read them, whoever wrote what is in them."""

import io
from datetime import datetime

import pytest
from rich.console import Console

from tandem.cli.show import day_time, message_table, print_message, print_table

pytestmark = pytest.mark.unit

MESSAGE = {
    "messageId": "Incoming_1",
    "created": "2026-01-01T00:00:00+00:00",
    "direction": "inbound",
    "from": "[/b]\x1b[2J",
    "to": "+14255550100",
    "state": "received",
    "segments": 1,
    "alphabet": "gsm",
}


def test_a_sender_and_a_carriers_words_are_no_markup_and_steer_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=200)
    print_table(message_table([MESSAGE]), console)
    entry = {
        "at": MESSAGE["created"],
        "source": "carrier",
        "kind": "message.received",
        "data": {"reason": "[/red] \x1b]0;title\x07"},
    }
    print_message(console, {"message": MESSAGE, "text": None, "timeline": [entry]})
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("[/b]") == 2
    assert "reason=[/red] " in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_the_ends_of_a_span_have_their_dates_even_when_they_are_todays() -> None:
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    assert day_time(midnight.isoformat()) == f"{midnight:%Y-%m-%d} 00:00:00"
