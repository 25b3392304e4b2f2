"""`tandem routes`, `tandem explain`: where calls and texts go, and why."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, fail, folder, told
from tandem.cli.show import clock_time, plain, print_table

OPERATORS = "/admin/routes"

app = typer.Typer(no_args_is_help=True, help="Ways out by the carriers, and ways in for numbers.")

Resource = Annotated[
    str | None,
    typer.Option("--resource", metavar="ID", help="This resource's inbound rules; else the operator's set."),
]
File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="The whole set, as the how-to shows it.")]


@app.command("show")
def show(
    resource: Resource = None,
    version: Annotated[int | None, typer.Option(min=1, help="An earlier version.")] = None,
    raw: Annotated[bool, typer.Option("--json", help="The set as JSON, as `apply` takes it.")] = False,
    data: Data = None,
) -> None:
    """Show the routes and rules in force."""
    with told():
        query = "" if version is None else f"?version={version}"
        found = Client.of(folder(data)).admin("GET", _path(resource) + query)
    if raw:
        import json

        print(json.dumps(found["set"], indent=2))
        return
    rules = found["set"]
    print(
        f"version {found['version']}"
        + (f" of {clock_time(found['updatedAt'])}" if "updatedAt" in found else ": none yet")
    )
    if rules.get("routes"):
        print_table(_routes(rules))
    if rules.get("inbound"):
        print_table(_inbound(rules))


@app.command("apply")
def apply(
    file: File,
    resource: Resource = None,
    check: Annotated[bool, typer.Option("--check", help="Only look at it.")] = False,
    after: Annotated[
        int | None, typer.Option(min=0, help="The version it was made from; else the one in force.")
    ] = None,
    data: Data = None,
) -> None:
    """Put a set in force as a whole; when anything in it is wrong, nothing changes."""
    with told():
        rules = read_set(file)
        client, path = Client.of(folder(data)), _path(resource)
        if check:
            done = client.admin("POST", f"{path}:check", {"set": rules})
        else:
            if after is None:
                after = client.admin("GET", path)["version"]
            done = client.admin("PUT", path, {"set": rules, "version": after})
    for warning in done["warnings"]:
        print(f"{warning['what']}: {warning['text']}")
    print("nothing is wrong with it" if check else f"version {done['version']} is in force")


def explain(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom it is for, in any spelling.")],
    sender: Annotated[str, typer.Option("--from", metavar="NUMBER", help="Whom it is from.")],
    kind: Annotated[str, typer.Option(help="sms or voice.")] = "sms",
    inward: Annotated[bool, typer.Option("--in", help="It comes in: NUMBER is one of ours.")] = False,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, ISO 8601 with a zone; else now.")
    ] = None,
    resource: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose it is; else that of the own number.")
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="ID", help="The message or call, whose order is drawn again.")
    ] = None,
    data: Data = None,
) -> None:
    """Show where a call or text goes, and why."""
    body = {"to": number, "from": sender, "kind": kind, "direction": "in" if inward else "out"}
    body |= {name: value for name, value in (("at", at), ("resource", resource), ("seed", seed)) if value}
    with told():
        found = Client.of(folder(data)).admin("POST", "/admin/explain", body)
    _print(found)


def _path(resource: str | None) -> str:
    return OPERATORS if resource is None else f"/admin/resources/{resource}/routes"


def read_set(file: Path) -> Any:  # noqa: ANN401 - JSON
    """Return a file's set as the API takes it: TOML in snake_case or camelCase, or JSON as `show` has it."""
    import json
    import tomllib

    try:
        text = file.read_text()
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        fail(f"{file}: {error}", 1)
    return _camel(found)


def _camel(value: Any, *, names: bool = True) -> Any:  # noqa: ANN401 - JSON
    """Return data with its keys in camelCase and its dates as texts; names that people gave stay."""
    if isinstance(value, dict):
        return {
            _camel_name(key) if names else key: _camel(each, names=key not in ("calendars", "exchange"))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_camel(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _camel_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(each.capitalize() for each in rest)


def _routes(rules: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("route", "kind", "prefixes", "carrier", "priority", "cost", "weight", "conditions"):
        table.add_column(column)
    for one in rules["routes"]:
        currency = one.get("currency") or rules.get("currency", "EUR")
        table.add_row(
            one["id"],
            one["kind"],
            _some(one.get("prefixes", ())) or "all",
            plain(one["target"]),
            str(one.get("priority", 0)),
            f"{units(one.get('cost', 0))} {currency}",
            str(one.get("weight", 1)),
            _conditions(one),
            style=None if one.get("enabled", True) else "dim",
        )
    return table


def _inbound(rules: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("rule", "kinds", "numbers", "target", "conditions"):
        table.add_column(column)
    for one in rules["inbound"]:
        numbers = [*one.get("numbers", ()), *(f"{prefix}…" for prefix in one.get("prefixes", ()))]
        table.add_row(
            one["id"],
            ", ".join(one.get("kinds", ())) or "all",
            _some(numbers) or "",
            plain(str(one["target"].get("kind"))),
            _conditions(one),
            style=None if one.get("enabled", True) else "dim",
        )
    return table


_CONDITIONS = {
    "pattern": "pattern",
    "windows": "windows",
    "senders": "senders",
    "senderCountries": "sender countries",
    "countries": "countries",
    "callers": "callers",
    "callerCountries": "caller countries",
    "stop": "stops",
}


def _conditions(one: dict[str, Any]) -> str:
    found = [words for name, words in _CONDITIONS.items() if one.get(name)]
    return ", ".join(found if one.get("enabled", True) else ["disabled", *found])


def _some(values: Any) -> str:  # noqa: ANN401 - JSON
    listed = list(values)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def units(micros: int) -> str:
    """Return 10⁻⁶ units as whole ones."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}".rstrip("0").ljust(4, "0")


def _amount(money: dict[str, Any]) -> str:
    return f"{units(money['micros'])} {money['currency']}"


def _print(found: dict[str, Any]) -> None:
    print(f"{found['written']!r} is {found['number'] or 'no number'} {found['country']}".rstrip())
    for step in found["steps"]:
        print(f"  {step['what']}: {step['text']}")
    print(
        f"routes of version {found['version']}, {found['at']}, resource {found.get('resource') or 'unknown'}"
    )
    if found.get("tried"):
        table = Table("tried", "", "for", "to", "why", box=None, pad_edge=False)
        for one in found["tried"]:
            table.add_row(
                plain(one["rule"]),
                "yes" if one["taken"] else "no",
                plain(one["prefix"]),
                plain(one["target"]),
                plain(one["why"]),
            )
        print_table(table)
    if found.get("more"):
        print(f"and {found['more']} more")
    if found.get("hops"):
        table = Table("order", "carrier", "to", "from", "cost", "price", box=None, pad_edge=False)
        for place, hop in enumerate(found["hops"], 1):
            name = hop["target"] if hop["up"] else f"{hop['target']} (down)"
            price = (
                f"{_amount(hop['price']['amount'])} a {hop['price']['per']}" if "price" in hop else "unknown"
            )
            cost = _amount(hop["cost"]) if "cost" in hop else "own trunk"
            table.add_row(
                str(place), plain(name), plain(hop["destination"]), plain(hop["sender"]), cost, price
            )
        print_table(table)
    for stop in found.get("stops", ()):
        settings = ", ".join(f"{name} {value}" for name, value in stop["settings"].items())
        seconds = f" for {stop['seconds']} s" if "seconds" in stop else ""
        print(f"{stop['kind']}{seconds}: {settings}")
    for limit in found.get("limits", ()):
        print(f"limit {limit['limit']}: {'within' if limit['allowed'] else 'refused'}. {limit['text']}")
    print(
        f"refused: {found['refusal']}"
        if found.get("refusal")
        else "it goes out"
        if found.get("hops")
        else "it goes in"
    )
