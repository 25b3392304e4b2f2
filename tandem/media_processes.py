"""The media processes of a node: which there are, how they are started, where their sockets are."""

import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import Final

import msgspec

from sip.media.io.settings import IoSettings
from tandem.config.tree import Configuration
from tandem.supervisor.spec import ChildSpec, Ready
from telephony.kernel.errors import ConfigurationError

MAX_FOLDER: Final = 60
"""Characters of the sockets' folder: a socket's path has 107 octets at most (unix(7))."""

CARRIER_SOCKET: Final = "carrier"
"""In the folder of sockets: the simulated carrier's control interface."""

ENGINE_STOP_SECONDS: Final = 3.0
IO_STOP_SECONDS: Final = 10.0
"""Recordings are finished, and forced to disk."""


def media_children(configuration: Configuration) -> list[ChildSpec]:
    """Return the media processes. They are started once the gateway is ready, and nobody waits for them.

    They are ready as soon as they run: one that cannot work must not keep the node from sending texts.
    """
    after, settings = ("gateway",), configuration.media
    specs = [
        ChildSpec(
            engine_name(number),
            _engine(configuration, number),
            ready=Ready.STARTED,
            after=after,
            stop_order=2,
            stop_seconds=ENGINE_STOP_SECONDS,
        )
        for number in range(settings.engine_count())
    ]
    if settings.enabled:
        io = (sys.executable, "-m", "sip.media.io", "--settings", _json(io_settings(configuration)))
        specs.append(
            ChildSpec(
                "media-io",
                io,
                ready=Ready.STARTED,
                after=after,
                stop_order=2,
                stop_seconds=IO_STOP_SECONDS,
            )
        )
    return specs


def engine_name(number: int) -> str:
    """Return what an engine is called."""
    return f"media-engine-{number}"


def engine_sockets(configuration: Configuration) -> dict[str, Path]:
    """Return the control sockets of the engines by name."""
    folder = socket_folder(configuration)
    return {
        engine_name(number): folder / f"engine-{number}"
        for number in range(configuration.media.engine_count())
    }


def io_settings(configuration: Configuration) -> IoSettings:
    """Return what media I/O is started with."""
    media, data = configuration.media, configuration.data.absolute()
    folder = socket_folder(configuration)
    return IoSettings(
        control=folder / "io",
        sockets=folder / "recordings",
        recordings_folder=media.recordings.folder or data / "recordings",
        prompts_folder=media.prompts_folder or data / "prompts",
        prompts=media.prompts,
        recordings=media.recordings,
        outbound=configuration.outbound,
        log=configuration.log,
    )


def socket_folder(configuration: Configuration) -> Path:
    """Return the folder of the node's sockets, which every process of it finds by the configuration alone."""
    if configuration.media.sockets is not None:
        return configuration.media.sockets.absolute()
    data = configuration.data.absolute()
    folder = data / "sockets"
    if len(os.fspath(folder)) <= MAX_FOLDER:
        return folder
    digest = hashlib.sha256(os.fspath(data).encode()).hexdigest()[:16]
    return Path(f"/tmp/tandem-{os.getuid()}-{digest}")  # noqa: S108 - `make_socket_folder` sees whose it is


def make_socket_folder(folder: Path) -> None:
    """Make the folder of sockets for this user alone.

    Raises ConfigurationError when it cannot be used: somebody else's folder, or a link, would let others in.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigurationError(
                f"media.sockets: {folder} is not this user's own folder. Choose another."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"media.sockets: {folder} cannot be used: {error.strerror}. Choose another."
        ) from error


def _engine(configuration: Configuration, number: int) -> tuple[str, ...]:
    media = configuration.media
    folder = socket_folder(configuration)
    first, last = media.ports(number)
    arguments = {
        "control": folder / f"engine-{number}",
        "pcm": folder / f"pcm-{number}",
        "address": media.address,
        "announce": media.public_address,
        "ports": f"{first}-{last}",
        "max-legs": media.legs,
        "io": media.io.value,
        "name": engine_name(number),
    }
    words = (f"--{name}={value}" for name, value in arguments.items() if value != "")
    return (sys.executable, "-m", "sip.media.engine", *words)


def _json(settings: IoSettings) -> str:
    return msgspec.json.encode(settings, enc_hook=os.fspath).decode()
