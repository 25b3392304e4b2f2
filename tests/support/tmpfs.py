"""A disk that can be full: a small file system if we may mount one, else files that cannot grow."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.node import Node

SIZE = "16m"
"""Room for a node's folder."""


class Disk:
    """Where a node keeps its things."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder = folder
        self.mounted = mounted
        self._filler = folder / "filler"

    def fill(self, running: Node) -> None:
        """Take away all room."""
        if not self.mounted:
            self._limit(running, 1)
            return
        with self._filler.open("wb", buffering=0) as file:
            size = 65_536
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self, running: Node) -> None:
        """Give it back."""
        if self.mounted:
            self._filler.unlink()
        else:
            self._limit(running, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(running: Node, octets: int) -> None:
        gateway = running.children()["gateway"]
        _, hard = resource.prlimit(gateway, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, (octets, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Make a disk for the length of a `with` block."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and not _run(
        "mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)
    )
    try:
        yield Disk(folder, mounted=mounted)
    finally:
        if mounted:
            _run("umount", "--lazy", str(folder))


def _run(*command: str) -> int:
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode
    return 127
