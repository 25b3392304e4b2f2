"""The zygote: imports pjsip once, forks workers in milliseconds, and replaces each that ends.

It has no socket, no secret and no decision but when to fork again. Workers die with it.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from sip.workers.messages import WorkerSettings
from sip.workers.pjsip import leave
from sip.workers.worker import Worker

QUICKLY: Final = 1.0
"""Seconds: a worker that ends sooner is forked again after a pause, lest a fault at start burn the core."""

_PR_SET_PDEATHSIG: Final = 1


def run(settings: WorkerSettings, ready: Callable[[], None]) -> None:
    """Fork the workers and keep their number until SIGTERM or SIGINT; `ready` is called when all were forked.

    Raises SystemExit at the end.
    """
    running: dict[int, tuple[int, float]] = {}

    def end(signum: int, frame: FrameType | None) -> None:
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        sys.exit(0)

    for number in range(settings.workers):
        running[_fork(settings, number)] = (number, time.monotonic())
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    ready()
    while True:
        pid, _ = os.wait()
        if pid not in running:
            continue
        number, began = running.pop(pid)
        if time.monotonic() - began < QUICKLY:
            time.sleep(QUICKLY)
        running[_fork(settings, number)] = (number, time.monotonic())


def _fork(settings: WorkerSettings, number: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the zygote's to handle
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        Worker(settings, number).run()
    except BaseException as error:
        print(f"worker {number}: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
    finally:
        leave(status)
    return status
