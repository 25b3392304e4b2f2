"""`tandem admin-key`: who may administrate."""

from typing import Annotated

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import ID_WIDTH, clock_time, plain, print_table
from telephony.kernel.http.route import Role

app = typer.Typer(no_args_is_help=True, help="Keys of administration and their roles.")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    role: Annotated[
        Role,
        typer.Option(
            help="owner: everything; operator: all but keys and money; billing: money; read-only: sees."
        ),
    ] = Role.READ_ONLY,
    data: Data = None,
) -> None:
    """Make a key. It is shown this once."""
    with told():
        made = Client.of(folder(data)).admin("POST", "/admin/keys", {"name": name, "role": role.value})
    print(f"id: {made['id']}")
    print(f"key: {made['key']}")


@app.command("list")
def list_(data: Data = None) -> None:
    """List the keys, the revoked ones too."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/keys")["value"]
    table = Table(box=None, pad_edge=False)
    table.add_column("id", min_width=ID_WIDTH, no_wrap=True)
    for column in ("name", "role", "created", "revoked"):
        table.add_column(column, overflow="fold")
    for one in found:
        revoked = clock_time(one["revoked"]) if "revoked" in one else ""
        table.add_row(one["id"], plain(one["name"]), one["role"], clock_time(one["created"]), revoked)
    print_table(table)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], data: Data = None
) -> None:
    """Revoke a key: nobody gets in by it any more."""
    with told():
        Client.of(folder(data)).admin("DELETE", f"/admin/keys/{key}")
