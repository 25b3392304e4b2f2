"""What goes out: headers, addresses, encryption and counts of packets whose payloads stand in the outbox."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.legs import Legs
from sip.media.engine.packets import Outbox
from sip.media.kernels.types import Octets, Rows
from sip.media.rtp import header

HEADER: Final = header.FIXED

Encrypt = Callable[[Octets, int, int], int]
"""Encrypts a packet of so many octets of a leg in place; returns its new length, 0 when it cannot be sent."""


class Sender:
    """Sends for every leg."""

    def __init__(self, legs: Legs, outbox: Outbox, encrypt: Encrypt) -> None:
        self._legs = legs
        self._outbox = outbox
        self._encrypt = encrypt

    def send(
        self,
        slots: Rows,
        payloads: Octets | list[tuple[Rows, Octets]],
        sequences: NDArray[np.int64],
        stamps: NDArray[np.int64],
        types: NDArray[np.uint8],
        markers: NDArray[np.bool_],
        now_us: int,
    ) -> None:
        """Send a packet of each of `slots`, in order.

        `payloads` is [n, octets], or such arrays with the places that they are for, when lengths differ.
        The legs' last sequence numbers and timestamps move on with them.
        """
        legs, outbox, count = self._legs, self._outbox, len(slots)
        if count > outbox.capacity:  # more legs than rows: in parts
            self._split(slots, payloads, sequences, stamps, types, markers, now_us)
            return
        first = outbox.reserve(count)
        block = slice(first, first + count)
        data = outbox.data[block]
        if isinstance(payloads, list):
            sizes: NDArray[np.int64] | int = np.zeros(count, np.int64)
            for places, octets in payloads:
                data[places, HEADER : HEADER + octets.shape[1]] = octets
                sizes[places] = octets.shape[1]  # type: ignore[index]  # it is the array just made
        else:
            sizes = payloads.shape[1]
            data[:, HEADER : HEADER + sizes] = payloads
        header.build(data, sequences, stamps, legs.ssrc[slots], types, markers)
        outbox.lengths[block] = np.asarray(sizes + HEADER, np.uint64)
        outbox.destinations[block] = legs.remote[slots]
        outbox.sockets[block] = legs.socket[slots]
        np.add.at(legs.sent, slots, 1)
        np.add.at(legs.octets_sent, slots, sizes)
        before = legs.sequence[slots]
        np.maximum.at(legs.sequence, slots, sequences)
        newer = sequences > before
        legs.timestamp[slots[newer]] = stamps[newer]
        legs.stamped_us[slots] = now_us
        legs.marker[slots] = False
        encrypted = legs.encrypted[slots]
        if encrypted.any():
            for index in np.flatnonzero(encrypted).tolist():
                row = first + index
                length = self._encrypt(outbox.data[row], int(outbox.lengths[row]), int(slots[index]))
                outbox.lengths[row] = length

    def _split(
        self,
        slots: Rows,
        payloads: Octets | list[tuple[Rows, Octets]],
        sequences: NDArray[np.int64],
        stamps: NDArray[np.int64],
        types: NDArray[np.uint8],
        markers: NDArray[np.bool_],
        now_us: int,
    ) -> None:
        parts = payloads if isinstance(payloads, list) else [(np.arange(len(slots)), payloads)]
        step = self._outbox.capacity
        for places, octets in parts:
            for start in range(0, len(places), step):
                at = places[start : start + step]
                part = octets[start : start + step]
                self.send(slots[at], part, sequences[at], stamps[at], types[at], markers[at], now_us)
