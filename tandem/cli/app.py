"""The command `tandem`. A command's module is imported when it is called, what it works with when it runs."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tandem import __version__

if TYPE_CHECKING:
    import typer

COMMANDS: Final = {
    "run": "tandem.cli.node:run",
    "gateway": "tandem.cli.node:gateway",
    "simulated-carrier": "tandem.cli.node:simulated_carrier",
    "welcome": "tandem.cli.node:welcome",
    "sms": "tandem.cli.messages:app",
    "messages": "tandem.cli.messages:messages",
    "message": "tandem.cli.messages:message",
    "links": "tandem.cli.messages:links",
    "carriers": "tandem.cli.carriers:app",
    "calls": "tandem.cli.calls:calls",
    "call": "tandem.cli.calls:call",
    "receipt-ids": "tandem.cli.receipt_ids:receipt_ids",
    "numbers": "tandem.cli.numbers:app",
    "subscription": "tandem.cli.subscriptions:app",
    "smpp-account": "tandem.cli.smpp_accounts:app",
    "resource": "tandem.cli.resources:app",
    "admin-key": "tandem.cli.admin_keys:app",
    "master-key": "tandem.cli.master_key:app",
    "audit": "tandem.cli.audit:audit",
    "privacy": "tandem.cli.privacy:app",
    "alarms": "tandem.cli.alarms:app",
    "backup": "tandem.cli.backup:backup",
    "restore": "tandem.cli.backup:restore",
    "user": "tandem.cli.users:app",
    "identity": "tandem.cli.users:identity",
    "sip-trunks": "tandem.cli.sip_trunks:app",
    "rates": "tandem.cli.rates:app",
    "limits": "tandem.cli.limits:app",
    "usage": "tandem.cli.usage:usage",
    "media": "tandem.cli.media:media",
    "routes": "tandem.cli.routing:app",
    "explain": "tandem.cli.routing:explain",
    "replay": "tandem.cli.replay:replay",
    "config": "tandem.cli.config:app",
}
"""Each command and where it is: a function is a command, a Typer application a group of them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: what the script `tandem` calls."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:  # without importing anything
        print(f"tandem {__version__}")
        return
    wanted = arguments[0] if arguments else ""
    assembled([wanted] if wanted in COMMANDS else COMMANDS)(args=list(arguments), prog_name="tandem")


def assembled(names: Sequence[str] | dict[str, str] = COMMANDS) -> "typer.Typer":
    """Return the application with the commands of these names."""
    import typer

    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)

    @app.callback()
    def tandem(
        version: bool = typer.Option(
            False, "--version", is_eager=True, callback=_version, help="Show the version."
        ),
    ) -> None:
        """Tandem: a self-hosted telephony gateway."""

    for name in names:
        target = _resolve(COMMANDS[name])
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name)
        else:
            app.command(name)(target)
    return app


def _version(wanted: bool) -> None:
    import typer

    if wanted:
        print(f"tandem {__version__}")
        raise typer.Exit


def _resolve(place: str) -> Callable[..., Any]:
    module, _, attribute = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
