"""Conferences: everybody hears the others, whatever the sizes, all conferences of a tick in one batch.

Sums are exact (int32; 65,535 members at full scale fit) and clipped once, at the end, so that neither order nor
company changes a sample: a conference mixed alone and one among a thousand are the same.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.kernels.types import Counts, Flags, Floats, Longs, Pcm, Rows

LARGE: Final = 16
"""Conferences past this size are summed one by one, smaller ones member by member, all at a time."""

_AT_A_TIME: Final = 32768
"""Samples of a group of conferences that are worked on together (int32: 128 KiB, in the second cache)."""


class Conferences:
    """Who is in which conference, prepared: to be kept while nobody joins or leaves."""

    def __init__(self, bridge_of_row: Rows | Counts | Longs) -> None:
        """`bridge_of_row`: integers [streams], any, in any order; equal ones are of one conference."""
        bridge = np.asarray(bridge_of_row)
        self.streams: Final = len(bridge)
        in_order = bool(np.all(bridge[1:] >= bridge[:-1]))
        self.order: Final[Rows | None] = None if in_order else np.argsort(bridge, kind="stable")
        """The rows by conference; None when they are so already."""
        ordered = bridge if self.order is None else bridge[self.order]
        begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if self.streams else []
        self.begins: Final[Rows] = np.asarray(begins, np.intp)
        """Where each conference begins, in that order."""
        self.sizes: Final[Rows] = np.diff(np.append(self.begins, self.streams))
        self.bridges: Final = ordered[self.begins]
        """The conferences' numbers, as they are summed."""

    def groups(self, samples: int) -> list[tuple[int, int]]:
        """Return ranges of whole conferences that are to be worked on together."""
        most = max(1, _AT_A_TIME // max(1, samples))
        ranges: list[tuple[int, int]] = []
        first, count = 0, len(self.begins)
        while first < count:
            limit = int(self.begins[first]) + most
            after = max(first + 1, int(np.searchsorted(self.begins + self.sizes, limit, side="right")))
            ranges.append((first, after))
            first = after
        return ranges


def mix_minus(
    frames: Pcm,
    bridge_of_row: Conferences | Rows | Counts | Longs,
    talks: Flags,
    gains: Floats | None,
    out: Pcm,
) -> Pcm:
    """Give everybody the sum of the others of their conference, clipped at full scale.

    `frames` and `out`: int16 [streams, samples], not the same array; `talks`: bool [streams], False for the
    muted, who hear all the same; `gains`: float32 [streams], linear, what a member contributes; None is 1 for
    all. Who is alone hears silence. Returns `out`.
    """
    conferences = _prepared(bridge_of_row, frames)
    for part, rows, sums in _sums(frames, conferences, talks, gains):
        first, after = part
        sizes = conferences.sizes[first:after]
        heard = sums.repeat(sizes, axis=0) if len(sizes) > 1 else sums
        heard = np.subtract(heard, _contribution(frames, rows, talks, gains))
        np.clip(heard, -32768, 32767, out=heard)
        if isinstance(rows, slice):
            np.copyto(out[rows], heard, casting="unsafe")
        else:
            out[rows] = heard
    return out


def mix(
    frames: Pcm,
    bridge_of_row: Conferences | Rows | Counts | Longs,
    talks: Flags,
    gains: Floats | None,
    out: Pcm,
) -> Pcm:
    """Write the sum of all members of conference number b into row b of `out`, clipped at full scale.

    As `mix_minus`, but `out` is int16 [conferences, samples] and numbers are its rows; those without members
    become silence. Returns `out`.
    """
    conferences = _prepared(bridge_of_row, frames)
    out[...] = 0
    for (first, after), _, sums in _sums(frames, conferences, talks, gains):
        np.clip(sums, -32768, 32767, out=sums)
        out[conferences.bridges[first:after]] = sums
    return out


def _prepared(bridge_of_row: Conferences | Rows | Counts | Longs, frames: Pcm) -> Conferences:
    conferences = bridge_of_row if isinstance(bridge_of_row, Conferences) else Conferences(bridge_of_row)
    if conferences.streams != len(frames):
        raise ValueError(f"{len(frames)} frames for {conferences.streams} members")
    return conferences


def _contribution(frames: Pcm, rows: slice | Rows, talks: Flags, gains: Floats | None) -> Longs:
    """Return what members give to the sum, int32 [members, samples]."""
    heard = talks[rows]
    if gains is None:
        given = frames[rows].astype(np.int32)
    else:
        scaled = frames[rows] * gains[rows][:, None]
        given = np.rint(scaled, out=scaled).astype(np.int32)
    if not heard.all():
        given[~heard] = 0
    return given
