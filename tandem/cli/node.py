"""`tandem run` and the processes of a node that it starts."""

import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from carriers.simulated.settings import SimulatedSettings
from tandem.cli.options import ConfigFile, Data, Host, Port, Settings, flags, loaded
from tandem.config.load import Loaded
from tandem.config.tree import Configuration
from tandem.media_processes import CARRIER_SOCKET, make_socket_folder, media_children, socket_folder
from tandem.supervisor.spec import EXIT_CONFIGURATION, ChildSpec, Ready, Restart, encode
from tandem.voice_processes import EDGE_SECRET, new_secret, voice_children
from telephony.kernel.errors import ConfigurationError

STARTED_AT = "TANDEM_STARTED_AT"
"""When the command was given, in seconds since the epoch: what comes before us (an installation) sets it."""

GATEWAY_STOP_SECONDS = 20.0
"""The gateway answers what it took, unbinds and commits before it ends."""


def run(
    config: ConfigFile = None,
    settings: Settings = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Run a node: everything it consists of, until Ctrl-C."""
    found = loaded(config, settings, data=data, host=host, port=port)
    arguments = _arguments(found, flags(settings, data=data, host=host, port=port))
    listing = encode(children(found.configuration, [sys.executable, "-m", "tandem"], arguments))
    incoming, outgoing = os.pipe()
    os.write(outgoing, listing)  # a few kB: a pipe holds 64
    os.close(outgoing)
    os.set_inheritable(incoming, True)
    log = found.configuration.log
    options = ["--json-log"] * (log.format == "json") + ["--quiet"] * (log.level in ("warning", "error"))
    os.environ.setdefault(STARTED_AT, str(time.time()))
    os.environ[EDGE_SECRET] = new_secret()
    sys.stdout.flush()
    os.execv(  # noqa: S606 - the supervisor takes this process over, without what was imported here
        sys.executable, [sys.executable, "-m", "tandem.supervisor", "--children-fd", str(incoming), *options]
    )


def children(configuration: Configuration, program: list[str], arguments: list[str]) -> list[ChildSpec]:
    """Return the processes that make up a node of this configuration, in order of their start."""

    def argv(command: str) -> tuple[str, ...]:
        return (*program, command, *arguments)

    specs = [ChildSpec("gateway", argv("gateway"), stop_order=1, stop_seconds=GATEWAY_STOP_SECONDS)]
    if configuration.simulated_runs():
        # Last to stop: what the gateway has in flight can still be answered.
        specs.insert(
            0, ChildSpec("simulated-carrier", argv("simulated-carrier"), stop_order=2, stop_seconds=5.0)
        )
    after = tuple(spec.name for spec in specs)
    return [
        *specs,
        ChildSpec("welcome", argv("welcome"), Restart.NEVER, Ready.STARTED, after, stop_seconds=2.0),
        *media_children(configuration),
        *voice_children(configuration),
    ]


def _arguments(found: Loaded, set_by_flags: dict[str, str]) -> list[str]:
    """Return the options by which a child loads the same configuration."""
    arguments = [] if found.file is None else ["--config", str(found.file)]
    for key, value in set_by_flags.items():
        arguments += ["--set", f"{key}={value}"]
    return arguments


def gateway(config: ConfigFile = None, settings: Settings = None) -> None:
    """Run the gateway process alone."""
    with _process(config, settings) as configuration:
        with _importing():
            from tandem.gateway import run as run_gateway

        run_gateway(configuration)


def simulated_carrier(config: ConfigFile = None, settings: Settings = None) -> None:
    """Run the simulated carrier alone."""
    with _process(config, settings) as configuration:
        from carriers.simulated.main import run as run_simulated
        from tandem.supervisor.notify import ready

        run_simulated(_with_control(configuration), ready=lambda _: ready())


def _with_control(configuration: Configuration) -> SimulatedSettings:
    """Return the simulated carrier's settings, with a control interface for this node's own user."""
    if configuration.simulated.control_socket:
        return configuration.simulated
    folder = socket_folder(configuration)
    make_socket_folder(folder)
    return msgspec.structs.replace(configuration.simulated, control_socket=str(folder / CARRIER_SOCKET))


def welcome(config: ConfigFile = None, settings: Settings = None) -> None:
    """Show how to reach the node; on its first start send a message through it."""
    with _process(config, settings) as configuration:
        from tandem.welcome import run as run_welcome

        run_welcome(configuration)


@contextmanager
def _importing() -> Iterator[None]:
    """Import without collecting garbage, for there is none: 0.1 s less until a killed gateway is back."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what was imported lives as long as the process: collections need not look at it
        gc.enable()


@contextmanager
def _process(file: Path | None, settings: list[str] | None) -> Iterator[Configuration]:
    """Load the configuration and set up the log of a process; what ends it stands in that log."""
    configuration = loaded(file, settings).configuration
    import structlog

    from telephony.kernel import log

    log.configure(configuration.log)
    logger = structlog.get_logger(__name__)
    try:
        yield configuration
    except ConfigurationError as error:
        logger.error("process.misconfigured", reason=error.message)
        raise typer.Exit(EXIT_CONFIGURATION) from error
    except Exception as error:  # whatever it is, it has to be in the log, in the log's form, before we end
        logger.critical("process.crashed", exc_info=error)
        raise typer.Exit(1) from error
