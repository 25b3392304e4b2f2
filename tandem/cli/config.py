"""`tandem config`: what is set, and whether a file is right."""

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.options import ConfigFile, Data, Host, Port, Settings, fail, loaded

app = typer.Typer(no_args_is_help=True, help="Show or check the configuration.")


@app.command()
def show(
    config: ConfigFile = None,
    settings: Settings = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Print each setting, its value and where that came from. Secrets are hidden."""
    from tandem.config.show import text

    print(text(loaded(config, settings, data=data, host=host, port=port)), end="")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="TOML file.")]) -> None:
    """Tell what is wrong in a file, and what would be right."""
    from tandem.config.load import check as check_file
    from telephony.kernel.errors import ConfigurationError

    try:
        check_file(file)
    except ConfigurationError as error:
        fail(error.message, 1)
    print(f"{file}: all right")
