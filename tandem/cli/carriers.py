"""`tandem carriers`: which there are, and a folder of them applied as a whole."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.show import clock_time, print_table

PATH = "/admin/carriers"

app = typer.Typer(
    invoke_without_command=True, help="Carriers: links, trunks, numbers, and how they want things."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A carrier's name.")]


@app.callback()
def carriers(context: typer.Context, data: Data = None) -> None:
    """Show the carriers, and who owns each."""
    if context.invoked_subcommand is not None:
        return
    with told():
        found = Client.of(folder(data)).admin("GET", PATH)["value"]
    table = Table("carrier", "owner", "links", "trunks", "numbers", "changed", "")
    for each in found:
        table.add_row(
            each["name"],
            each.get("file") or each["owner"],
            ", ".join(each.get("links", [])),
            ", ".join(each.get("trunks", [])),
            ", ".join(each.get("numbers", [])),
            clock_time(each["updatedAt"]) if "updatedAt" in each else "",
            _remark(each),
        )
    print_table(table)


@app.command("show")
def show(name: Name, data: Data = None) -> None:
    """Show a carrier as JSON, stars for its secrets."""
    import json

    with told():
        found = Client.of(folder(data)).admin("GET", f"{PATH}/{name}")
    print(json.dumps(found, indent=2, ensure_ascii=False))


@app.command("apply")
def apply(
    files: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Its *.toml files hold tables [carriers.NAME].")
    ],
    check: Annotated[bool, typer.Option("--check", help="Only tell what would change.")] = False,
    data: Data = None,
) -> None:
    """Make the carriers of a folder those that files own, as a whole; a mistake changes nothing.

    Carriers that stood in the folder when it was applied last, and do not now, are taken away.
    """
    from telephony.kernel.errors import RemoteError

    body, lines = _read(files)
    with told():
        client = Client.of(folder(data))
        try:
            method, path = ("POST", f"{PATH}:check") if check else ("PUT", PATH)
            done = client.admin(method, path, body)
        except RemoteError as error:
            fail(_with_lines(error.message, lines))
    for each in done["value"]:
        print(f"{each['name']}: {each['what']}")
    print("nothing was changed: --check" if check else "applied")


@app.command("remove")
def remove(name: Name, data: Data = None) -> None:
    """Take away a carrier that no file owns and nothing needs."""
    with told():
        Client.of(folder(data)).admin("DELETE", f"{PATH}/{name}")
    print(f"{name}: removed")


@app.command("stock")
def stock(name: Name, data: Data = None) -> None:
    """Put a carrier's blocks of numbers into the inventory; what is somebody's stays his."""
    with told():
        done = Client.of(folder(data)).admin("POST", f"{PATH}/{name}:stock")
    for reason in done["rejected"]:
        print(reason)
    print(f"{done['kept']} numbers are in the inventory")


@app.command("unstock")
def unstock(name: Name, data: Data = None) -> None:
    """Take a carrier's numbers that are nobody's out of the inventory."""
    with told():
        done = Client.of(folder(data)).admin("POST", f"{PATH}/{name}:unstock")
    print(f"{done['withdrawn']} numbers were withdrawn")


@app.command("profile")
def profile(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="None: show which there are.")] = None,
) -> None:
    """Print a well-known kind of carrier as a file to fill in."""
    from carriers.model.profiles import profile_text, profiles

    if name is None:
        table = Table("profile", "what it is")
        for known, what in profiles().items():
            table.add_row(known, what)
        print_table(table)
        return
    if name not in profiles():
        fail(f"{name}: no such profile; expected one of {', '.join(profiles())}")
    print(profile_text(name), end="")


def _remark(each: dict[str, Any]) -> str:
    if not each.get("usable", True):
        return "cannot be used here: see /health"
    return "simulated" if each.get("simulated") else ""


Lines = dict[str, dict[tuple[str, ...], int]]


def _read(files: Path) -> tuple[dict[str, Any], Lines]:
    """Return the folder as the API takes it, and in which line of which file each key stands."""
    from tandem.carriers.documents import located
    from tandem.config.sources import read_toml
    from telephony.kernel.errors import ConfigurationError

    if not files.is_dir():
        fail(f"{files}: expected a folder of *.toml files")
    found, lines, wrong = [], {}, []
    for file in sorted(files.glob("*.toml")):
        try:
            document, places = read_toml(file)
        except ConfigurationError as error:
            wrong.append(error.message)
            continue
        carriers = document.pop("carriers", {})
        wrong += [f"{file}: {key}: no such key here; expected tables [carriers.NAME]" for key in document]
        if not isinstance(carriers, dict) or not all(isinstance(each, dict) for each in carriers.values()):
            wrong.append(f"{file}: carriers: expected tables [carriers.NAME]")
            continue
        named = {name: located(each, file.parent) for name, each in carriers.items()}
        found.append({"name": file.name, "carriers": named})
        lines[file.name] = dict(places)
    if wrong:
        fail("\n".join(wrong))
    if not found:
        fail(f"{files}: holds no *.toml file; to take all away, leave one that is empty")
    return {"files": found}, lines


_AROUND = re.compile(r"^\d{3} \w+: (?=[^\s:]+\.toml: |carriers\.)| \((?:files|carriers)\)$")
_PLACE = re.compile(r"^(?P<file>[^\s:]+\.toml): (?P<key>[^\s:]+): ")


def _with_lines(message: str, lines: Lines) -> str:
    """Return what the gateway said with the line behind the file, where it is known."""
    said = _AROUND.sub("", message)
    return "\n".join(_with_line(text, lines) for text in said.splitlines())


def _with_line(text: str, lines: Lines) -> str:
    place = _PLACE.match(text)
    if place is None:
        return text
    keys, path = lines.get(place["file"], {}), tuple(place["key"].split("."))
    known = [keys[path[:depth]] for depth in range(len(path), 0, -1) if path[:depth] in keys]
    end = place.end("file")
    return f"{text[:end]}:{known[0]}{text[end:]}" if known else text
