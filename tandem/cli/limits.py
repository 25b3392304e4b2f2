"""`tandem limits`: what a resource may do."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.resources import find
from tandem.cli.show import plain, print_table
from telephony.usage.settings import LimitSettings, camel

app = typer.Typer(no_args_is_help=True, help="Limits: what a resource may send, call and spend.")

Named = Annotated[
    str | None,
    typer.Argument(metavar="RESOURCE", help="Its id or its name; without: the node's first."),
]


@app.command("show")
def show(resource: Named = None, data: Data = None) -> None:
    """Show a resource's limits, and what was used of them today."""
    with told():
        client = Client.of(folder(data))
        path = _path(client, resource)
        found, today = client.admin("GET", path), client.admin("GET", f"{path}:today")
    if found["demonstration"]:
        print("A demonstration resource: no limit towards the simulated carrier, nothing to any other.")
    table = Table(box=None, pad_edge=False)
    for column in ("limit", "value", "", "today"):
        table.add_column(column)
    for name in LimitSettings.__struct_fields__:
        own = "" if camel(name) in found["own"] else "default"
        table.add_row(name, plain(_text(found[camel(name)])), own, _used(name, today))
    print_table(table)


@app.command("set")
def set_(
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="Its id or its name.")],
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="LIMIT=VALUE...", help="messages_per_day=5000; unlimited; default gives one back."
        ),
    ],
    data: Data = None,
) -> None:
    """Change limits of a resource: in force at once."""
    body: dict[str, Any] = {}
    for each in changes:
        name, sign, value = each.partition("=")
        name = name.strip()
        if not sign or name not in LimitSettings.__struct_fields__:
            known = ", ".join(LimitSettings.__struct_fields__)
            fail(f"{each}: expected LIMIT=VALUE, such as messages_per_day=5000; limits are {known}")
        body[camel(name)] = _value(name, value.strip())
    with told():
        client = Client.of(folder(data))
        client.admin("PATCH", _path(client, resource), body)


def _path(client: Client, resource: str | None) -> str:
    identifier = client.resource() if resource is None else find(client, resource)["id"]
    return f"/admin/resources/{identifier}/limits"


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - JSON
    if text == "default":
        return None
    if name == "countries":
        return [each.strip() for each in text.split(",") if each.strip()]
    if name.startswith(("calls", "messages")):
        try:
            return json.loads(text) if text != "unlimited" else text
        except ValueError:
            fail(f"{name}={text}: expected a number, unlimited or default")
    return text


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, list) else str(value)


def _used(name: str, today: Any) -> str:  # noqa: ANN401 - JSON
    if name == "messages_per_day":
        return str(today["messages"])
    if name == "daily_budget":
        return ", ".join(f"{amount} {currency}" for currency, amount in today["spent"].items())
    return ""
