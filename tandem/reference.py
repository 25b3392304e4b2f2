"""The generated part of the reference: `python -m tandem.reference docs/reference`.

Everything here is read from the code itself: routes, settings, state tables. A test fails when the files in
the repository say something else.
"""

import ast
import csv
import inspect
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast, get_args, get_origin

import msgspec

from sip.media import admin as media_admin
from sms import admin as sms_admin
from sms import api as sms_api
from sms import receipt_admin
from sms import reports as reports_api
from sms.esme import admin as esme_admin
from sms.optouts import api as optouts_api
from sms.smpp import states as smpp_states
from sms.states import INBOUND, OUTBOUND
from tandem import health, master_key, openapi
from tandem.config.build import struct_in
from tandem.config.tree import Configuration
from tandem.http import routes_table
from telephony.alarms import admin as alarms_admin
from telephony.alarms import states as alarms_states
from telephony.calling import states as calling_states
from telephony.events import admin as events_admin
from telephony.events import states as events_states
from telephony.identity import admin as identity_admin
from telephony.identity import api as identity_api
from telephony.identity import states as identity_states
from telephony.kernel.http.route import Auth, Route
from telephony.kernel.secret import Secret
from telephony.kernel.states import Machine
from telephony.numbers import admin as numbers_admin
from telephony.numbers import api as numbers_api
from telephony.numbers import api_available as numbers_available
from telephony.numbers import states as number_states
from telephony.resources import admin as resources_admin
from telephony.resources import audit_admin, privacy_admin
from telephony.routing.sip_configuration import admin as sip_admin
from telephony.routing.sip_configuration import api as sip_api
from telephony.usage import admin as usage_admin
from telephony.usage import sheet_admin

NOTE: Final = "<!-- Made by `make docs` from the code; change it there. -->\n\n"


def main(folder: Path) -> None:
    """Write every generated page into `folder`."""
    for name, text in pages(folder).items():
        (folder / name).write_text(text)
        sys.stdout.write(f"{folder / name}\n")


def pages(folder: Path) -> Mapping[str, str]:
    """Return the pages by file name; `folder` holds the list of ACS's operations."""
    routes = every_route()
    with (folder / "acs-operations.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    acs = {(row["method"], row["path"]) for row in listed}
    return {
        "acs-operations.md": acs_operations(listed, routes),
        "own-operations.md": own_operations(
            route for route in routes if (route.method, route.template) not in acs
        ),
        "configuration.md": configuration(),
        "states.md": states(
            [
                OUTBOUND,
                INBOUND,
                *_machines(events_states),
                *_machines(alarms_states),
                *_machines(identity_states),
                *_machines(smpp_states),
                *_machines(number_states),
                *_machines(calling_states),
            ]
        ),
    }


def every_route() -> list[Route]:
    """Return the routes of a gateway, without anything behind them."""
    nothing = cast("Any", None)
    return [
        *sms_api.routes(nothing, nothing),
        *optouts_api.routes(nothing),
        *reports_api.routes(nothing),
        *sms_admin.routes(nothing, nothing, nothing, nothing),
        *receipt_admin.routes(nothing),
        *esme_admin.routes(nothing, nothing),
        *resources_admin.routes(nothing),
        *audit_admin.routes(nothing),
        *alarms_admin.routes(nothing),
        *master_key.routes(nothing),
        *privacy_admin.routes(nothing, nothing),
        *openapi.routes({}),
        *events_admin.routes(nothing),
        *identity_api.routes(nothing, nothing, nothing),
        *identity_admin.routes(nothing, nothing),
        *numbers_api.routes(nothing),
        *numbers_available.routes(nothing),
        *numbers_admin.routes(nothing, nothing, nothing, nothing, nothing),
        *sip_api.routes(nothing),
        *sip_admin.routes(nothing, nothing),
        *media_admin.routes(nothing, nothing),
        *usage_admin.routes(nothing, nothing, nothing),
        *sheet_admin.routes(nothing),
        *health.routes(nothing),
    ]


def acs_operations(listed: Iterable[Mapping[str, str]], routes: Iterable[Route]) -> str:
    """Return the table of ACS's data-plane operations: supported with which api-versions, or why not."""
    ours = {(route.method, route.template): route for route in routes}
    lines = [
        NOTE
        + "# ACS operations\n\nEvery operation that the released SDKs of Azure Communication Services send.\n"
    ]
    service = ""
    for row in listed:
        if row["service"] != service:
            service = row["service"]
            lines.append(f"\n## {service}\n\n| operation | method, path | supported |\n|---|---|---|")
        route = ours.get((row["method"], row["path"]))
        if route is None:
            answer = f"no. {row['why_not']}"
        elif route.unsupported:
            answer = f"no. {route.unsupported}"
        else:
            answer = f"yes: {', '.join(route.versions)}"
        lines.append(f"| {row['operation']} | `{row['method']} {row['path']}` | {answer} |")
    return "\n".join(lines) + "\n"


def own_operations(routes: Iterable[Route]) -> str:
    """Return the table of the operations that are not ACS's."""
    own = [route for route in routes if route.auth is not Auth.HMAC]
    return (
        NOTE
        + "# Operations beyond ACS\n\n"
        + "`admin` routes take `Authorization: Bearer KEY`; the first key lies in `var/admin-key`.\n"
        + "`user` routes take `Authorization: Bearer TOKEN` with a [user's"
        + " token](../how-to/users-and-tokens.md) of the authority's resource.\n\n"
        + routes_table(own)
    )


def configuration() -> str:
    """Return every setting with its type, default and meaning."""
    lines = [
        NOTE + "# Settings\n",
        "A TOML file (`--config`, `TANDEM_CONFIG` or `tandem.toml`) < `TANDEM_*` in the environment < flags.",
        "In the environment a dot is two underscores: `TANDEM_LOG__LEVEL=debug`.",
        "`tandem config show` prints every value and where it came from.\n",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    lines += _settings(Configuration, "")
    return "\n".join(lines) + "\n"


def _settings(struct: type[msgspec.Struct], prefix: str) -> list[str]:
    meanings = _meanings(struct)
    lines: list[str] = []
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.encode_name}"
        inner = _struct_in(field.type)
        if inner is not None:
            lines += _settings(inner[0], f"{name}.{inner[1]}")
            continue
        default = "required" if field.required else f"`{_default(field)}`"
        lines.append(f"| `{name}` | {default} | {meanings.get(field.name, '')} |")
    return lines


def _struct_in(kind: Any) -> tuple[type[msgspec.Struct], str] | None:  # noqa: ANN401 - any annotation
    """Return the struct that a setting is a section of, and how its name goes on."""
    inner = struct_in(kind)  # also one that may be left out
    if inner is not None:
        return inner, ""
    if get_origin(kind) is dict:
        _, value = get_args(kind)
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            return value, "NAME."
    return None


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value == "" or (isinstance(value, Secret) and not value):
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(str(item) for item in value)}]"
    return str(value)


def _meanings(struct: type) -> dict[str, str]:
    """Return the docstrings below a struct's fields, its bases' too."""
    found: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if kind in (msgspec.Struct, object) or kind.__module__.split(".")[0] not in _PACKAGES:
            continue
        body = cast("ast.ClassDef", ast.parse(inspect.getsource(kind)).body[0]).body
        for above, below in pairwise(body):
            if (
                isinstance(above, ast.AnnAssign)
                and isinstance(above.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[above.target.id] = " ".join(below.value.value.split()).replace("|", "\\|")
    return found


_PACKAGES: Final = frozenset({"tandem", "telephony", "sip", "sms", "carriers"})


def states(machines: Iterable[Machine[Any, Any]]) -> str:
    """Return the state machines as diagrams."""
    parts = [NOTE + "# States\n\nPrinted from the tables that the code runs on.\n"]
    parts += [f"## {machine.name}\n\n```mermaid\n{machine.diagram()}```\n" for machine in machines]
    return "\n".join(parts)


def _machines(module: object) -> list[Machine[Any, Any]]:
    return [value for value in vars(module).values() if isinstance(value, Machine)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
