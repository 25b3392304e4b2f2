"""Promises are held at small scale on every run and at full scale by `make promises`."""

import os
from typing import TypeVar

T = TypeVar("T")


def full_scale() -> bool:
    """Tell whether this run is at full scale."""
    return os.environ.get("TANDEM_PROMISES") == "full"


def scale(small: T, full: T) -> T:
    """Return what this run uses: `small` on every run, `full` when promises are measured."""
    return full if full_scale() else small
