"""Media I/O as a process."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog
import uvloop

from sip.media.io import wav
from sip.media.io.desk import Desk
from sip.media.io.fetching import Fetcher
from sip.media.io.prompts import Prompts
from sip.media.io.protocol import End, Event, RecordingFinished
from sip.media.io.server import Server
from sip.media.io.settings import IoSettings
from sip.media.io.transcoders import Transcoders
from telephony.kernel.errors import ConfigurationError

log = structlog.get_logger(__name__)


async def serve(settings: IoSettings, *, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Be media I/O until `stop` is set; then end every recording properly.

    What a process before this one left under way is repaired first. Raises ConfigurationError for folders and
    sockets that cannot be used.
    """
    try:
        for folder in (settings.recordings_folder, settings.prompts_folder, settings.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(settings.sockets)
        left = await asyncio.to_thread(repaired, settings.recordings_folder)
    except OSError as error:
        raise ConfigurationError(f"media: the folder {error.filename}: {error.strerror}.") from error
    fetcher = Fetcher(settings.prompts, settings.outbound, settings.prompts_folder)
    transcoders = Transcoders(at_once=settings.prompts.decoders, seconds=settings.prompts.decode_seconds)
    prompts = Prompts(settings.prompts, fetcher, transcoders, time.monotonic)
    desk = Desk(
        prompts=prompts,
        transcoders=transcoders,
        settings=settings.recordings,
        folder=settings.recordings_folder,
        sockets=settings.sockets,
    )
    server = Server(uuid4().hex, desk, left)
    try:
        try:
            server.listen(settings.control)
        except OSError as error:
            raise ConfigurationError(
                f"media: cannot listen on {settings.control}: {error.strerror or error}."
            ) from error
        log.info("media_io.ready", recordings=os.fspath(settings.recordings_folder), repaired=len(left))
        ready()
        await stop.wait()
    finally:
        await server.stop()
        await prompts.close()
        await fetcher.close()
        log.info("media_io.stopped")


def repaired(folder: Path) -> list[Event]:
    """Make whole what was left under way in the folder of recordings; return what is to be told of it.

    Raises OSError when the folder cannot be read; a file that cannot be repaired is left as it is.
    """
    found: list[Event] = []
    for part in wav.left_under_way(folder):
        try:
            path, seconds = wav.repair(part)
            size = path.stat().st_size
        except (wav.NotWav, OSError) as error:
            log.warning("recording.unrepaired", file=part.name, reason=str(error))
            continue
        name = os.fspath(path.relative_to(folder))
        log.info("recording.repaired", file=name, seconds=round(seconds, 3))
        found.append(RecordingFinished("", name, seconds, size, End.REPAIRED))
    return found


def _clear(sockets: Path) -> None:
    """Remove the recordings' sockets of a process that was killed."""
    for path in sockets.glob("r*-*"):
        if path.is_socket():
            path.unlink()


def run(settings: IoSettings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Be media I/O until SIGTERM or SIGINT: the whole of the process. Raises what `serve` raises."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        gc.freeze()  # what is imported lives as long as the process: collections need not look at it
        await serve(settings, ready=ready, stop=stop)

    uvloop.run(main())
