"""WAV files of int16: the header, and what makes an unfinished file whole. (RIFF, Microsoft 1991.)

A file under way is called `NAME.wav.part`, so that nobody takes it for a recording. Its header is written
first, with lengths of nothing, and again when it ends. What a crash left is repaired by its size alone.
"""

import os
from pathlib import Path
from struct import Struct
from typing import Final

_HEADER: Final = Struct("<4sI4s4sIHHIIHH4sI")

HEADER_OCTETS: Final = _HEADER.size
PCM: Final = 1
WIDTH: Final = 2
"""Octets of a sample."""

MAX_DATA: Final = 2**32 - 1 - HEADER_OCTETS
"""Octets of sound in a file: RIFF's lengths are unsigned 32-bit numbers."""

PART: Final = ".part"


class NotWav(ValueError):
    """A file whose header is none of ours."""


def header(rate: int, channels: int, data: int) -> bytes:
    """Return the header of a file with so many octets of sound."""
    frame = WIDTH * channels
    return _HEADER.pack(
        b"RIFF",
        HEADER_OCTETS - 8 + data,
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        channels,
        rate,
        rate * frame,
        frame,
        8 * WIDTH,
        b"data",
        data,
    )


def shape(head: bytes) -> tuple[int, int]:
    """Return rate and channels of a header of ours. Raises NotWav."""
    if len(head) < HEADER_OCTETS:
        raise NotWav(f"{len(head)} octets: expected {HEADER_OCTETS} of a header")
    riff, _, wave, form, size, kind, channels, rate, _, frame, bits, data, _ = _HEADER.unpack_from(head)
    if (riff, wave, form, size, kind, bits, data) != (b"RIFF", b"WAVE", b"fmt ", 16, PCM, 8 * WIDTH, b"data"):
        raise NotWav("the header is not one of PCM of 16 bits")
    if not rate or not channels or frame != WIDTH * channels:
        raise NotWav(f"the header says {channels} channels, {frame} octets a frame, {rate} frames a second")
    return rate, channels


def repair(part: Path) -> tuple[Path, float]:
    """Make a file whole that was left under way; return its final path and how many seconds it holds.

    A last frame that is not whole is cut off. Raises NotWav for a file without a header of ours, OSError for
    one that cannot be read or written.
    """
    with part.open("r+b") as file:
        rate, channels = shape(file.read(HEADER_OCTETS))
        frame = WIDTH * channels
        size = os.fstat(file.fileno()).st_size
        data = min(size - HEADER_OCTETS, MAX_DATA) // frame * frame
        file.seek(0)
        file.write(header(rate, channels, data))
        file.flush()
        os.ftruncate(file.fileno(), HEADER_OCTETS + data)
        os.fsync(file.fileno())
    final = part.with_name(part.name.removesuffix(PART))
    publish(part, final)
    return final, data / frame / rate


def publish(part: Path, final: Path) -> None:
    """Give a whole file its name, for good: the folder is written too (fsync(2)). Raises OSError."""
    part.rename(final)
    folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def left_under_way(folder: Path) -> list[Path]:
    """Return the unfinished files in a folder and the folders in it, oldest name first."""
    return sorted(path for path in (*folder.glob(f"*{PART}"), *folder.glob(f"*/*{PART}")) if path.is_file())
