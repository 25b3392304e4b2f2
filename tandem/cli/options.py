"""Options that every command with a configuration has, and loading by them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, TypeAlias

import typer

from tandem.config.load import Loaded, load
from tandem.supervisor.spec import EXIT_CONFIGURATION
from telephony.kernel.errors import ConfigurationError, TandemError

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; else TANDEM_CONFIG, else tandem.toml if there is one."),
]
Settings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as log.level=debug.")
]
Data: TypeAlias = Annotated[Path | None, typer.Option("--data", help="Folder of everything that is kept.")]
Host: TypeAlias = Annotated[str | None, typer.Option("--host", help="Address that HTTPS listens on.")]
Port: TypeAlias = Annotated[str | None, typer.Option("--port", metavar="PORT", help="TCP port of HTTPS.")]


def flags(
    settings: list[str] | None, *, data: Path | None = None, host: str | None = None, port: str | None = None
) -> dict[str, str]:
    """Return what the flags set, as dotted keys and texts. Leaves the process when one is no KEY=VALUE."""
    found: dict[str, str] = {}
    for each in settings or []:
        key, sign, value = each.partition("=")
        if not sign or not key:
            fail(f"--set {each}: expected KEY=VALUE, such as log.level=debug")
        found[key.strip()] = value
    named = {"data": None if data is None else str(data), "host": host, "port": port}
    return found | {key: value for key, value in named.items() if value is not None}


def loaded(
    file: Path | None = None,
    settings: list[str] | None = None,
    *,
    data: Path | None = None,
    host: str | None = None,
    port: str | None = None,
) -> Loaded:
    """Return the configuration. When there is none, says why on standard error and leaves the process."""
    try:
        return load(file, flags=flags(settings, data=data, host=host, port=port))
    except ConfigurationError as error:
        fail(error.message)


def fail(message: str, status: int = EXIT_CONFIGURATION) -> NoReturn:
    """Leave the process with a message on standard error."""
    print(message, file=sys.stderr)
    raise typer.Exit(status)


def folder(data: Path | None) -> Path:
    """Return the data folder of the node that a command is about."""
    return loaded(data=data).configuration.data


@contextmanager
def told() -> Iterator[None]:
    """Turn a known error into a line on standard error and an exit status."""
    try:
        yield
    except TandemError as error:
        fail(error.message, 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
