"""The data folder's seat: one gateway at a time works with a folder, and finds out who sat there before it.

The system drops the lock with the process. So whoever gets the seat knows that its predecessor is dead, and
need not wait for the end of a lease: on PostgreSQL, too, a killed gateway's successor goes on at once.
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from telephony.kernel.ids import NodeId
from telephony.kernel.store.leases import Occupied, lock, sign_lock

log = structlog.get_logger(__name__)
T = TypeVar("T")

FILE: Final = "gateway.lock"
"""In the data folder: who has the seat, as process id, node and machine, a line each."""

PATIENCE_SECONDS: Final = 15.0
"""How long to wait for a gateway that still answers what it took, after its supervisor died."""

LOOK_SECONDS: Final = 0.05

_READ: Final = 1000


class Seat:
    """A seat that was taken. Kept until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        _, node, machine, *_ = [*os.pread(descriptor, _READ, 0).decode("latin-1").split("\n"), "", "", ""]
        self.predecessor: Final = _node_of(node) if machine == platform.node() else None
        """The node that sat here last; None when that was on another machine, where it may live on."""
        sign_lock(descriptor, node, machine)

    def sit(self, node: NodeId) -> None:
        """Leave word for the successor."""
        if self._descriptor is not None:
            sign_lock(self._descriptor, node.hex(), platform.node())

    def release(self) -> None:
        """Let another gateway have it. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def take_seat(data: Path) -> Seat:
    """Take the seat of a data folder.

    Raises Occupied when another gateway has it, ConfigurationError when the folder takes no file.
    """
    try:
        return Seat(lock(data / FILE))
    except Occupied as error:
        raise Occupied(
            f"Another gateway works on {data}{_named(error.process)}: stop it, or give this one a data folder"
            " of its own (--data).",
            error.process,
        ) from error


async def patiently(take: Callable[[], T], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `take` returns, waiting for whoever has it. Raises its Occupied after `seconds`."""
    until = time.monotonic() + seconds
    waiting_for: int | None = -1
    while True:
        try:
            return take()
        except Occupied as error:
            if time.monotonic() >= until:
                raise
            if error.process != waiting_for:
                waiting_for = error.process
                log.warning("gateway.waits", reason=error.message, process=error.process, at_most=seconds)
        await asyncio.sleep(LOOK_SECONDS)


def _node_of(text: str) -> NodeId | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return NodeId(found) if len(found) == 16 else None


def _named(process: int | None) -> str:
    return "" if process is None else f" (process {process})"
