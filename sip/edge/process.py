"""Kamailio as a process: its files are written, then it takes this process over."""

import os
from pathlib import Path
from typing import Final

from sip.edge.configuration import configuration, tls, workers
from sip.edge.settings import EdgeSettings

PROGRAM: Final = "kamailio"
PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")

SHARED_MEGABYTES: Final = 32
PRIVATE_MEGABYTES: Final = 4


def program() -> str | None:
    """Return where Kamailio is; None when it is not installed."""
    folders = (*os.environ.get("PATH", "").split(os.pathsep), *PLACES)
    found = (Path(folder) / PROGRAM for folder in folders if folder)
    return next((str(each) for each in found if os.access(each, os.X_OK)), None)


def argv(settings: EdgeSettings, executable: str) -> list[str]:
    """Return the command: in the foreground, its log on standard error."""
    return [
        executable,
        *("-f", str(settings.configuration)),
        *("-DD", "-E", "-e"),
        *("-m", str(SHARED_MEGABYTES), "-M", str(PRIVATE_MEGABYTES)),
        *("-Y", str(settings.folder), "-w", str(settings.folder)),
    ]


def prepare(settings: EdgeSettings, secret: str) -> None:
    """Write its files, for this user alone. A table of peers that is there is left: calls go on by it.

    Raises OSError, and ValueError: see `configuration`.
    """
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(settings.configuration, configuration(settings, secret))
    write(settings.workers, workers(settings))
    if settings.tls_port is not None:
        write(settings.tls_configuration, tls(settings))
    if not settings.peers.exists():
        write(settings.peers, "")
    settings.control.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Replace a file as a whole, for this user alone."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
