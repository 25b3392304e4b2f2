"""Conferences: everybody hears the others, whatever the sizes, all conferences of a tick in one batch.

Sums are exact (int32; 65,535 members at full scale fit) and clipped once, at the end, so that neither order
nor company changes a sample: a conference mixed alone and one among a thousand are the same.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sip.media.kernels.levels import HIGHEST, LOWEST
from sip.media.kernels.types import Counts, Flags, Floats, Longs, Pcm, Rows

LARGE: Final = 16
"""Conferences past this size are summed one by one, smaller ones member by member, all at a time."""

_AT_A_TIME: Final = 32768
"""Samples of a group of conferences that are worked on together (int32: 128 KiB, in the second cache)."""


class Conferences:
    """Who is in which conference, prepared: to be kept while nobody joins or leaves."""

    def __init__(self, bridge_of_row: Rows | Counts | Longs) -> None:
        """`bridge_of_row`: integers [streams], any, in any order; equal ones are of one conference."""
        bridge: Rows = np.asarray(bridge_of_row, np.intp)
        self.streams: Final = len(bridge)
        in_order = bool(np.all(bridge[1:] >= bridge[:-1]))
        self.order: Final[Rows | None] = None if in_order else np.argsort(bridge, kind="stable")
        """The rows by conference; None when they are so already."""
        ordered = bridge if self.order is None else bridge[self.order]
        changes = np.concatenate((np.ones(1, np.bool_), ordered[1:] != ordered[:-1]))
        self.begins: Final[Rows] = np.flatnonzero(changes[: self.streams])
        """Where each conference begins, in that order."""
        self.sizes: Final[Rows] = np.diff(np.append(self.begins, self.streams))
        self.bridges: Final[Rows] = ordered[self.begins]
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
    for part in _parts(frames, conferences, talks, gains):
        size = _common(part.sizes)
        if size:
            members = part.given.reshape(-1, size, frames.shape[1])
            np.subtract(part.sums[:, None], members, out=members)
        else:
            np.subtract(part.sums.repeat(part.sizes, axis=0), part.given, out=part.given)
        np.clip(part.given, -32768, 32767, out=part.given)
        if isinstance(part.rows, slice):
            np.copyto(out[part.rows], part.given, casting="unsafe")
        else:
            out[part.rows] = part.given
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
    for part in _parts(frames, conferences, talks, gains):
        np.clip(part.sums, -32768, 32767, out=part.sums)
        out[part.bridges] = part.sums
    return out


class _Part(NamedTuple):
    """Some whole conferences, their members in order."""

    rows: slice | Rows
    bridges: Rows
    sizes: Rows
    given: Longs
    """What each member gives, [members, samples]."""
    sums: Longs
    """[conferences, samples]"""


def _prepared(bridge_of_row: Conferences | Rows | Counts | Longs, frames: Pcm) -> Conferences:
    conferences = bridge_of_row if isinstance(bridge_of_row, Conferences) else Conferences(bridge_of_row)
    if conferences.streams != len(frames):
        raise ValueError(f"{len(frames)} frames for {conferences.streams} members")
    return conferences


def _parts(frames: Pcm, who: Conferences, talks: Flags, gains: Floats | None) -> Iterator[_Part]:
    for first, after in who.groups(frames.shape[1]):
        begins, sizes = who.begins[first:after], who.sizes[first:after]
        members = slice(int(begins[0]), int(begins[-1] + sizes[-1]))
        rows = members if who.order is None else who.order[members]
        given = _given(frames[rows], talks[rows], None if gains is None else gains[rows])
        sums = _sums(given, begins - begins[0], sizes)
        yield _Part(rows, who.bridges[first:after], sizes, given, sums)


def _given(frames: Pcm, talks: Flags, gains: Floats | None) -> Longs:
    """Return what members give to the sum, int32 [members, samples]: clipped by itself, too."""
    if gains is None:
        given = frames.astype(np.int32)
    else:
        scaled = np.multiply(frames, gains[:, None], dtype=np.float32)
        np.rint(scaled, out=scaled)
        np.clip(scaled, LOWEST, HIGHEST, out=scaled)
        given = scaled.astype(np.int32)
    if not talks.all():
        given[~talks] = 0
    return given


def _common(sizes: Rows) -> int:
    """Return the size that all conferences have; 0 when there is none."""
    first = int(sizes[0])
    return first if len(sizes) == 1 or bool((sizes == first).all()) else 0


def _sums(given: Longs, begins: Rows, sizes: Rows) -> Longs:
    """Return the sum of each conference: of large ones at once, of small ones member after member."""
    size = _common(sizes)
    if size:
        same: Longs = given.reshape(len(sizes), size, -1).sum(axis=1, dtype=np.int32)
        return same
    sums = given[begins]
    small = np.minimum(sizes, LARGE + 1) % (LARGE + 1)
    for member in range(1, int(small.max(initial=0))):
        there = np.flatnonzero(small > member)
        if len(there) == len(begins):
            sums += given[begins + member]
        else:
            sums[there] += given[begins[there] + member]
    for number in np.flatnonzero(sizes > LARGE):
        begin = begins[number]
        np.sum(given[begin : begin + sizes[number]], axis=0, dtype=np.int32, out=sums[number])
    return sums
