"""A media engine's process: makes everything, says that it is ready, and runs until it is told to stop."""

import gc
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Final

READY_FD: Final = "TANDEM_READY_FD"
"""Names the descriptor on which whoever started this process waits for the word that it is ready."""
EXIT_CONFIGURATION: Final = 78
"""What is wrong cannot be mended by another start (sysexits.h, EX_CONFIG)."""
SWITCH_SECONDS: Final = 0.0005
NICE: Final = -15


def main(arguments: list[str]) -> int:
    """Run an engine; return its exit status."""
    from sip.media.engine.commands import Commands, engine_name
    from sip.media.engine.control import Control
    from sip.media.engine.engine import Engine
    from sip.media.engine.loop import Loop
    from sip.media.engine.open_io import open_io
    from sip.media.engine.pcmsocket import PcmSocket
    from sip.media.engine.settings import parse

    settings = parse(arguments)
    _raise_limits(settings.max_legs)
    try:
        io = open_io(settings)
        pcm = PcmSocket(settings.pcm)
        holder: list[Commands] = []
        control = Control(settings.control, lambda *asked: holder[0](*asked))  # noqa: PLW0108 - filled below
        engine = Engine(settings, io, control.tell)
        commands = Commands(engine, pcm, engine_name(settings.name))
        holder.append(commands)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"media engine: {error}\n")
        return EXIT_CONFIGURATION
    loop = Loop(engine, control, commands, pcm)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    sys.setswitchinterval(SWITCH_SECONDS)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)  # without the privilege it is a process like others
    gc.collect()
    gc.freeze()
    gc.disable()  # a full collection takes longer than a tick; what is made here has no cycles that grow
    _ready()
    try:
        loop.run()
    finally:
        control.close()
        pcm.close()
        io.shutdown()
    return 0


def _raise_limits(legs: int) -> None:
    """Allow two sockets a leg, and what else there is; where that fails, opening a leg tells it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * legs + 256
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _ready() -> None:
    number = os.environ.pop(READY_FD, "")
    if number.isdecimal():
        with suppress(OSError):  # whoever waited is gone
            os.write(int(number), b"ready\n")
            os.close(int(number))
