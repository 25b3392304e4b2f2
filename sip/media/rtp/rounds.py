"""Several packets of one stream in a batch, in order: rounds in each of which a stream has one packet. Pure.

What keeps state per stream takes a batch round by round. Nearly every batch is one round. A batch of a few
rows is told apart row by row, a long one by sorting.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def occurrences(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each place of `rows` how often its row stands before it."""
    count = len(rows)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    places = np.arange(count)
    first = np.ones(count, np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    began = np.maximum.accumulate(np.where(first, places, 0))
    result = np.empty(count, np.intp)
    result[order] = places - began
    return result


def rounds(rows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield places of `rows`, each once: no row twice in a round, the places of a row in their order."""
    count = len(rows)
    if count == 0:
        return
    if count <= 16:
        once = len(set(rows.tolist())) == count
    else:
        ordered = np.sort(rows)
        once = not (ordered[1:] == ordered[:-1]).any()
    if once:
        yield np.arange(count)
        return
    nth = occurrences(rows)
    for turn in range(int(nth.max()) + 1):
        yield np.flatnonzero(nth == turn)
