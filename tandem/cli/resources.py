"""`tandem resource`: the tenants of the node."""

from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.show import ID_WIDTH, plain, print_table

app = typer.Typer(no_args_is_help=True, help="Resources: tenants with keys and authorities of their own.")

Named = Annotated[str, typer.Argument(metavar="RESOURCE", help="Its id or its name, as `list` shows them.")]
Authorities = Annotated[
    list[str],
    typer.Argument(metavar="AUTHORITY...", help="host:port that clients reach it by; 127.0.0.2:8443."),
]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is called in lists.")],
    authorities: Authorities,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Its traffic is the simulated carrier's only.")
    ] = False,
    data: Data = None,
) -> None:
    """Make a resource. Its two connection strings are shown this once."""
    body = {"name": name, "authorities": authorities, "demonstration": demonstration}
    with told():
        made = Client.of(folder(data)).admin("POST", "/admin/resources", body)
    print(f"id: {made['id']}")
    print(f"primary: {made['primaryConnectionString']}")
    print(f"secondary: {made['secondaryConnectionString']}")


@app.command("list")
def list_(data: Data = None) -> None:
    """List the resources."""
    with told():
        found = Client.of(folder(data)).admin("GET", "/admin/resources")["value"]
    table = Table(box=None, pad_edge=False)
    table.add_column("id", min_width=ID_WIDTH, no_wrap=True)
    for column in ("name", "authorities", "state"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(one["id"], plain(one["name"]), ", ".join(one["authorities"]), _state(one))
    print_table(table)


@app.command("show")
def show(resource: Named, data: Data = None) -> None:
    """Show a resource."""
    with told():
        one = find(Client.of(folder(data)), resource)
    print(f"id: {one['id']}")
    print(f"name: {one['name']}")
    print(f"authorities: {', '.join(one['authorities'])}")
    print(f"state: {_state(one)}")
    print(f"traffic: {'simulated' if one['demonstration'] else 'real'}")


@app.command("rotate-key")
def rotate_key(
    resource: Named,
    secondary: Annotated[
        bool, typer.Option("--secondary", help="The secondary key instead of the primary one.")
    ] = False,
    data: Data = None,
) -> None:
    """Replace a key. The new connection string is shown this once; the old key opens nothing any more."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{find(client, resource)['id']}:rotateKey"
        answer = client.admin("POST", path, {"keyType": "secondary" if secondary else "primary"})
    print(f"{answer['keyType']}: {answer['connectionString']}")


@app.command("add-authority")
def add_authority(resource: Named, authorities: Authorities, data: Data = None) -> None:
    """Reach a resource under more names; the certificate follows."""
    _authorities(resource, authorities, "addAuthorities", data)


@app.command("remove-authority")
def remove_authority(resource: Named, authorities: Authorities, data: Data = None) -> None:
    """Reach a resource under fewer names."""
    _authorities(resource, authorities, "removeAuthorities", data)


@app.command("remove")
def remove(resource: Named, data: Data = None) -> None:
    """Disable a resource: its clients are refused from now on. What it has stays; see `enable`."""
    with told():
        client = Client.of(folder(data))
        client.admin("DELETE", f"/admin/resources/{find(client, resource)['id']}")


@app.command("enable")
def enable(resource: Named, data: Data = None) -> None:
    """Let the clients of a disabled resource in again."""
    with told():
        client = Client.of(folder(data))
        client.admin("POST", f"/admin/resources/{find(client, resource)['id']}:enable")


def find(client: Client, resource: str) -> dict[str, Any]:
    """Return a resource by its id or name; leaves the process when there is none, or more than one."""
    listed: list[dict[str, Any]] = client.admin("GET", "/admin/resources")["value"]
    found = [one for one in listed if resource in (one["id"], one["name"])]
    if len(found) != 1:
        many = "more than one resource is" if found else "no resource is"
        fail(f"{many} called {resource}; `tandem resource list` shows their ids", 1)
    return found[0]


def _authorities(resource: str, authorities: list[str], verb: str, data: Data) -> None:
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{find(client, resource)['id']}:{verb}"
        answer = client.admin("POST", path, {"authorities": authorities})
    print(", ".join(answer["authorities"]))


def _state(one: dict[str, Any]) -> str:
    return "enabled" if one["enabled"] else "disabled"
