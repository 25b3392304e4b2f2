"""`tandem backup` and `tandem restore`."""

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.options import ConfigFile, Data, Settings, fail, loaded, told
from telephony.kernel.secret import Secret

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="A file whose first line is the passphrase; it seals the backup."),
]

MIN_PASSPHRASE = 12
"""Characters: whoever has the file may try as long as he likes."""


def backup(
    file: Annotated[Path, typer.Argument(help="What to write; it must not exist.")],
    seal: Annotated[
        bool, typer.Option("--seal", help="Ask for a passphrase, and seal the file by it.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    data: Data = None,
) -> None:
    """Save database, master key and local authority into one file. The node may run meanwhile.

    Whoever has the file has every key: seal it, or keep it where nobody else can read.
    """
    from tandem.backup.verbs import backup as save
    from telephony.kernel.clock import SystemClock

    with told():
        configuration = loaded(config, settings, data=data).configuration
        passphrase = _from_file(passphrase_file)
        if seal and passphrase is None:
            passphrase = Secret(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True))
        if passphrase is not None and len(passphrase.reveal()) < MIN_PASSPHRASE:
            fail(f"a passphrase has {MIN_PASSPHRASE} characters at least", 1)
        done = save(configuration, file, passphrase, SystemClock())
    print(f"{file}: {done.size} bytes, {done.manifest.database}, revision {done.manifest.revision}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `tandem backup` wrote.")],
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    data: Data = None,
) -> None:
    """Put a backup back, into a data folder and a database where nothing is yet.

    Stop the node that it is of first: messages that waited when it was saved are sent by the restored one.
    """
    from tandem.backup.archive import is_sealed
    from tandem.backup.verbs import restore as put_back

    with told():
        configuration = loaded(config, settings, data=data).configuration
        passphrase = _from_file(passphrase_file)
        if passphrase is None and is_sealed(file):
            passphrase = Secret(typer.prompt("Passphrase", hide_input=True))
        manifest = put_back(configuration, file, passphrase)
    print(f"restored the backup of {manifest.created}, written by Tandem {manifest.version}")


def _from_file(path: Path | None) -> Secret | None:
    if path is None:
        return None
    try:
        return Secret(path.read_text().split("\n", 1)[0])
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {error}", 1)
