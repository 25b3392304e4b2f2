"""`tandem master-key`: what seals the keys in the database."""

from typing import Any

import typer

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told

app = typer.Typer(no_args_is_help=True, help="The master key, which seals every key in the database.")

PATH = "/admin/masterKey"


@app.command("show")
def show(data: Data = None) -> None:
    """Show the ids of the master keys, and how much still needs an older one."""
    with told():
        _print(Client.of(folder(data)).admin("GET", PATH))


@app.command("rotate")
def rotate(data: Data = None) -> None:
    """Add a new master key to the file and seal everything by it. The old one stays until `forget-old`."""
    with told():
        _print(Client.of(folder(data)).admin("POST", PATH + ":rotate"))


@app.command("reseal")
def reseal(data: Data = None) -> None:
    """Seal by the newest master key what an older one sealed."""
    with told():
        _print(Client.of(folder(data)).admin("POST", PATH + ":reseal"))


@app.command("forget-old")
def forget_old(data: Data = None) -> None:
    """Remove the older master keys from the file, when nothing needs them any more."""
    with told():
        _print(Client.of(folder(data)).admin("POST", PATH + ":forgetOld"))


def _print(view: dict[str, Any]) -> None:
    *older, newest = view["keys"]
    print(f"seals: {newest}")
    for each in older:
        print(f"opens: {each}")
    print(f"needs an older key: {view['sealedByOlder']}")
