"""A real edge: Kamailio as the node starts it, on ports of its own, before workers of its own."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sip.edge.process import write
from sip.edge.rpc import Rpc
from sip.edge.settings import EdgeSettings
from telephony.kernel.errors import RemoteUnavailable

SECRET = "0123456789abcdef0123456789abcdef"
START_TRIES = 200
LOW, HIGH = 10_000, 32_000
"""Below what systems hand out by themselves."""


def free_ports(count: int) -> int:
    """Return the first of some neighbouring UDP and TCP ports that were free a moment ago."""
    start = LOW + os.getpid() % 1_000 * 10
    for first in (*range(start, HIGH - count, count), *range(LOW, start, count)):
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@contextmanager
def edge(settings: EdgeSettings, peers: str) -> Iterator[Rpc]:
    """Run it for a `with` block; it answers its control socket."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(settings.peers, peers)
    log = (settings.folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "sip.edge", msgspec.json.encode(settings, enc_hook=os.fspath).decode()],
        env={**os.environ, "TANDEM_EDGE_SECRET": SECRET},
        stdout=log,
        stderr=log,
    )
    rpc = Rpc(settings.control)
    try:
        asyncio.run(_answers(rpc, process, settings.folder))
        yield rpc
    finally:
        process.terminate()
        process.wait(10)
        log.close()


async def _answers(rpc: Rpc, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    for _ in range(START_TRIES):
        assert process.poll() is None, (folder / "log").read_text()
        try:
            await rpc.ask("core.version")
        except RemoteUnavailable:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError((folder / "log").read_text())
