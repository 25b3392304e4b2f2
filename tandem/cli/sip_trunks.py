"""`tandem sip-trunks`: which SBCs tenants may use."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.resources import find
from tandem.cli.show import plain, print_table

app = typer.Typer(no_args_is_help=True, help="SIP trunks of tenants: SBCs that the operator lets them use.")

Named = Annotated[str, typer.Argument(metavar="FQDN", help="The SBC's name: sbc.example.com.")]
Resource = Annotated[
    str | None,
    typer.Option("--resource", help="Id or name of the resource; else that of the connection string."),
]

STATES = {
    "usable": "usable",
    "not-enabled": "waits for `tandem sip-trunks enable`",
    "off": "switched off by the tenant",
    "domain-off": "its domain is switched off by the tenant",
    None: "the tenant has no such trunk",
}


@app.command("list")
def list_(resource: Resource = None, data: Data = None) -> None:
    """List a resource's trunks, and the names that are enabled for it."""
    with told():
        client = Client.of(folder(data))
        found = client.admin("GET", _path(client, resource))["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("name", "port", "state", "health", "routes", "comes in from"):
        table.add_column(column)
    for one in found:
        table.add_row(
            plain(one["fqdn"]),
            str(one.get("sipSignalingPort", "")),
            STATES[one["state"]],
            one.get("health", ""),
            plain(", ".join(one["routes"])),
            ", ".join(("its certificate", *one.get("addresses", ()))) if one["enabled"] else "",
        )
    print_table(table)


@app.command("enable")
def enable(
    fqdn: Named,
    address: Annotated[
        list[str] | None,
        typer.Option(
            "--address",
            metavar="NETWORK",
            help="It may come in from here without a certificate of its name; again for more. All anew.",
        ),
    ] = None,
    resource: Resource = None,
    data: Data = None,
) -> None:
    """Let a resource use the SBC of this name; it may be enabled before the tenant adds the trunk."""
    with told():
        client = Client.of(folder(data))
        body = {"addresses": address} if address else {}
        one = client.admin("POST", f"{_path(client, resource)}/{quote(fqdn, safe='')}:enable", body)
    print(f"{one['fqdn']}: {STATES[one['state']]}")


@app.command("disable")
def disable(fqdn: Named, resource: Resource = None, data: Data = None) -> None:
    """Let a resource not use the SBC of this name any more."""
    with told():
        client = Client.of(folder(data))
        client.admin("POST", f"{_path(client, resource)}/{quote(fqdn, safe='')}:disable")


def _path(client: Client, resource: str | None) -> str:
    identifier = client.resource() if resource is None else find(client, resource)["id"]
    return f"/admin/resources/{identifier}/sip-trunks"
