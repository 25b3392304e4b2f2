"""CSV files line by line: bytes into texts, texts into fields. Pure.

One record a line: a field in quotes ends on its line, so that one that is never closed spoils only itself.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

MAX_LINE: Final = 4096
"""Bytes of a line; the longest sensible one has 300."""

DELIMITERS: Final = ",;\t"


class RejectedLine(Struct, frozen=True):
    """A line that was not taken, in an answer."""

    line: int
    reason: str


class BadLine(ValueError):
    """A line that cannot be read; the text says why."""


def text_of(raw: bytes) -> str:
    """Return a line without its end. Raises BadLine."""
    if len(raw) > MAX_LINE:
        raise BadLine(f"longer than {MAX_LINE} bytes")
    if b"\0" in raw:
        raise BadLine("a NUL: is the file in UTF-16?")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadLine("not UTF-8") from None


def fields_of(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line. Raises BadLine."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise BadLine(f"quotes: {error}") from None


def read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Return each line with its number, from 1. Of one that is too long only its beginning is kept: too long
    still."""
    place = 0
    while raw := file.readline(MAX_LINE + 1):
        place += 1
        rest = raw
        while len(rest) == MAX_LINE + 1 and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield place, raw
