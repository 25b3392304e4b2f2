"""Clips: int16 samples in sealed shared memory, whose descriptor goes from process to process.

Sealed, so that whoever maps it need not fear that it shrinks or changes under its hands (memfd_create(2)).
"""

import fcntl
import os
from typing import Final

SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
"""What an engine asks of a clip."""


class Memory:
    """A descriptor that is closed when nobody has it any more."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


def make_clip(name: str, samples: bytes | memoryview) -> int:
    """Return a new descriptor of sealed shared memory with these samples; the caller closes it.

    `name` shows in /proc only. Raises OSError when there is no memory.
    """
    descriptor = open_memory(name)
    try:
        rest = memoryview(samples).cast("B")
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        seal(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_memory(name: str) -> int:
    """Return a descriptor of empty shared memory that can be sealed. Raises OSError."""
    return os.memfd_create(name[:200], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal(descriptor: int) -> None:
    """Let nobody change it any more. Raises OSError while somebody has it mapped for writing."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)


def is_sealed(descriptor: int) -> bool:
    """Tell whether it is shared memory that nobody can change."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEALS == SEALS
    except OSError:  # no shared memory
        return False
