"""Processes beside the measured ones: what they are told, and the CPU that each has used."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.support.node import environment, free_ports

TICKS: Final = os.sysconf("SC_CLK_TCK")
START_SECONDS: Final = 30.0


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that processes have used, their threads included."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the memory that processes hold now."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids)


def apart(function: Any, *arguments: Any) -> multiprocessing.process.BaseProcess:  # noqa: ANN401 - any function
    """Start a function in a fresh process; the caller joins it."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


@dataclass(frozen=True, slots=True)
class Carrier:
    """The simulated carrier in a process of its own."""

    pid: int
    port: int
    control_port: int
    system_id: str = "tandem"
    password: str = "tandem"

    def counts(self) -> dict[str, int]:
        """Return what it counted."""
        return carrier_counts(self.control_port)


def carrier_counts(control_port: int) -> dict[str, int]:
    """Return what the simulated carrier counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{control_port}/stats", timeout=30) as answer:
        found: dict[str, int] = msgspec.json.decode(answer.read())["total"]
    return found


@contextmanager
def carrier() -> Iterator[Carrier]:
    """Run the simulated carrier by the command by which a node runs it, without a journal."""
    port, control_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        settings = (
            *(f"data={folder}", "log.level=warning", "simulated.journal="),
            *(f"simulated.port={port}", f"simulated.control_port={control_port}"),
        )
        command = [sys.executable, "-m", "tandem", "simulated-carrier"]
        for setting in settings:
            command += ["--set", setting]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment())
        try:
            found = Carrier(process.pid, port, control_port)
            until = time.monotonic() + START_SECONDS
            while True:
                try:
                    found.counts()
                    break
                except urllib.error.URLError:
                    assert process.poll() is None, "the simulated carrier ended"
                    assert time.monotonic() < until, "the simulated carrier does not answer"
                    time.sleep(0.02)
            yield found
        finally:
            process.terminate()
            process.wait()
