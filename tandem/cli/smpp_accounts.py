"""`tandem smpp-account`: who may bind to us."""

from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import clock_time, print_table

app = typer.Typer(no_args_is_help=True, help="Accounts of applications and carriers that bind to us.")

SystemId = Annotated[str, typer.Argument(metavar="SYSTEM_ID", help="What it binds as, up to 15 characters.")]


@app.command("add")
def add(
    system_id: SystemId,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="Address or network it binds from; none: nobody can."),
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="It is this carrier's, and brings messages.")] = None,
    password: Annotated[
        str | None, typer.Option(help="1 to 8 characters; else a random one.", envvar="TANDEM_SMPP_PASSWORD")
    ] = None,
    inbound: Annotated[
        bool, typer.Option("--inbound", help="Deliver messages to the resource's numbers to it.")
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Messages a second.")] = None,
    quota: Annotated[int | None, typer.Option(help="Messages a day.")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="Name (CN or DNS) that its client certificate must have.")
    ] = None,
    ids: Annotated[str, typer.Option(help="How message ids are spelled: hex, decimal or guid.")] = "hex",
    data: Data = None,
) -> None:
    """Let somebody bind. The password is shown this once."""
    body: dict[str, Any] = {
        "systemId": system_id,
        "addresses": address or [],
        "inbound": inbound,
        "perSecond": rate,
        "dailyQuota": quota,
        "certificate": certificate or "",
        "ids": ids,
        "password": password,
    }
    if carrier:
        body |= {"kind": "carrier", "carrier": carrier}
    with told():
        client = Client.of(folder(data))
        made = client.admin("POST", f"/admin/resources/{client.resource()}/smppAccounts", body)
    print(f"system id: {made['systemId']}")
    print(f"password: {made['password']}")


@app.command("list")
def list_(data: Data = None) -> None:
    """List the accounts."""
    with told():
        client = Client.of(folder(data))
        found = client.admin("GET", f"/admin/resources/{client.resource()}/smppAccounts")["value"]
    table = Table(box=None, pad_edge=False)
    for column in ("system id", "kind", "addresses", "inbound", "state", "binds", "quota used", "waiting"):
        table.add_column(column)
    for one in found:
        table.add_row(*_row(one))
    print_table(table)


@app.command("show")
def show(system_id: SystemId, data: Data = None) -> None:
    """Show what an account may, has and did; what it did, since this gateway's start."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/smppAccounts/{system_id}"
        one = client.admin("GET", path)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _details(one):
        table.add_row(name, value)
    print_table(table)


@app.command("remove")
def remove(system_id: SystemId, data: Data = None) -> None:
    """Remove an account and what waits for it; its binds end."""
    with told():
        client = Client.of(folder(data))
        client.admin("DELETE", f"/admin/resources/{client.resource()}/smppAccounts/{system_id}")


@app.command("rotate")
def rotate(system_id: SystemId, data: Data = None) -> None:
    """Make a new password, shown this once; its binds end."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/smppAccounts/{system_id}:rotatePassword"
        print(f"password: {client.admin('POST', path)['password']}")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    settings, use = one["settings"], one["use"]
    return (
        one["systemId"],
        _kind(settings),
        ", ".join(settings["addresses"]) or "none",
        "yes" if settings["inbound"] else "no",
        "enabled" if settings["enabled"] else "disabled",
        f"{use['bindsOverall']} of {settings['maxBinds']}",
        _of(use["quotaUsed"], settings["dailyQuota"]),
        str(use["waiting"]),
    )


def _details(one: dict[str, Any]) -> list[tuple[str, str]]:
    settings, use = one["settings"], one["use"]
    rate = settings["perSecond"]
    return [
        ("system id", one["systemId"]),
        ("kind", _kind(settings)),
        ("state", "enabled" if settings["enabled"] else "disabled"),
        ("created", clock_time(one["created"])),
        ("addresses", ", ".join(settings["addresses"]) or "none"),
        ("certificate", settings["certificate"] or "any or none"),
        ("binds", f"{use['bindsOverall']} of {settings['maxBinds']}, {use['binds']} of them here"),
        ("refused binds", str(use["refusedBinds"])),
        ("rate", "any" if rate is None else f"{rate:g} a second"),
        ("throttled", str(use["throttled"])),
        ("quota used today", _of(use["quotaUsed"], settings["dailyQuota"])),
        ("submitted", str(use["submitted"])),
        ("enquiries", str(use["enquiries"])),
        ("inbound messages", "yes" if settings["inbound"] else "no"),
        ("delivered", str(use["delivered"])),
        ("waiting", str(use["waiting"])),
    ]


def _kind(settings: dict[str, Any]) -> str:
    return f"carrier {settings['carrier']}" if settings["kind"] == "carrier" else str(settings["kind"])


def _of(used: int, most: int | None) -> str:
    return "no quota" if most is None else f"{used} of {most}"
