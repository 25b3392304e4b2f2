"""`tandem receipt-ids`."""

from typing import Any, Final

from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import print_table

COLUMNS: Final = ("carrier", "link", "setting", "form", "pairs", "parked", "unmatched", "examples")


def receipt_ids(data: Data = None) -> None:
    """Show how ids in receipts are read, and how many receipts wait for that or for their message."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/receipt-ids")["value"]
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name)
    for scope in found:
        table.add_row(*(_cell(name, scope[name]) for name in COLUMNS))
    print_table(table)


def _cell(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    match name:
        case "link":
            return str(value or "(others)")
        case "form":
            return str(value or "being learned")
        case "pairs":
            return ", ".join(f"{form} {count}" for form, count in value.items() if count)
        case "examples":
            return " ".join(value)
    return str(value)
