"""The simulated carrier as a process."""

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from carriers.simulated.calls.telephones import Telephones
from carriers.simulated.control import Control
from carriers.simulated.journal import Journal
from carriers.simulated.settings import SimulatedSettings
from carriers.simulated.smsc import Smsc
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError

log = structlog.get_logger(__name__)


async def serve(
    settings: SimulatedSettings, *, ready: Callable[[int], None], stop: asyncio.Event | None = None
) -> None:
    """Be a carrier until `stop` is set or the task is cancelled, then unbind everybody and close.

    `ready` is called once with the SMSC's port, when everything listens. Raises ConfigurationError when the
    settings cannot be used: an unknown profile, a port that is taken, a journal that cannot be written.
    """
    journal = _open(settings.journal) if settings.journal else None
    try:
        smsc = Smsc(settings, clock=SystemClock(), journal=journal)
        telephones = _telephones(settings)
        control = _control(settings, smsc, telephones)
        try:
            await _listen(settings, smsc, telephones, control)
            log.info(
                "carrier.ready",
                host=settings.host,
                port=smsc.port,
                control_port=control.port if control else None,
                sip_port=telephones.port if telephones else None,
                accounts=sorted(settings.accounts),
            )
            ready(smsc.port)
            await (stop or asyncio.Event()).wait()
        finally:
            if control is not None:
                await control.stop()
            if telephones is not None:
                await telephones.stop()
            await smsc.stop()
            log.info("carrier.stopped")
    finally:
        if journal is not None:
            journal.close()


def _telephones(settings: SimulatedSettings) -> Telephones | None:
    if settings.sip_port is None:
        return None
    host, _, port = settings.sip_node.rpartition(":")
    return Telephones(settings.host, settings.sip_port, (host, int(port)), clock=SystemClock())


def _control(settings: SimulatedSettings, smsc: Smsc, telephones: Telephones | None) -> Control | None:
    path = Path(settings.control_socket) if settings.control_socket else None
    if settings.control_port is None and path is None:
        return None
    return Control(smsc, settings.control_port, path=path, telephones=telephones)


async def _listen(
    settings: SimulatedSettings, smsc: Smsc, telephones: Telephones | None, control: Control | None
) -> None:
    try:
        await smsc.start()
    except OSError as error:
        raise ConfigurationError(
            f"port: cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another.",
            target="port",
        ) from error
    if telephones is not None:
        try:
            await telephones.start()
        except OSError as error:
            raise ConfigurationError(
                f"sip_port: cannot listen on {settings.host}:{settings.sip_port}: {error.strerror}."
                " Choose another.",
                target="sip_port",
            ) from error
    if control is None:
        return
    try:
        await control.start()
    except OSError as error:
        raise ConfigurationError(
            f"control_port: cannot listen on {settings.control_port}: {error.strerror}. Choose another.",
            target="control_port",
        ) from error


def _open(path: str) -> Journal:
    try:
        return Journal(Path(path))
    except OSError as error:
        raise ConfigurationError(
            f"journal: cannot append to {path}: {error.strerror}.", target="journal"
        ) from error


def run(settings: SimulatedSettings, *, ready: Callable[[int], None] = lambda _port: None) -> None:
    """Be a carrier until SIGTERM or SIGINT: the whole of the process. Raises what `serve` raises."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        gc.freeze()  # what is imported lives as long as the process: collections need not look at it
        await serve(settings, ready=ready, stop=stop)

    uvloop.run(main())
