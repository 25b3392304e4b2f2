"""The shared port: internal peers' packets, told apart by address and SSRC.

A leg is known by its peer's address; where several legs have the same, by the SSRC that each was told or, of
those that were told none, by the first SSRC that nobody else has.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.legs import Leg, Legs
from sip.media.engine.mmsg import pack_address
from sip.media.engine.packets import SHARED, Inbox

_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


class SharedPort:
    """Finds the legs of packets that came to the shared port."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self._waiting: dict[int, list[Leg]] = {}
        """By address: legs whose SSRC is not known yet."""
        self._known: dict[tuple[int, int], Leg] = {}
        self._keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._slots: NDArray[np.int32] = np.zeros(0, np.int32)
        self._changed = False

    @property
    def any(self) -> bool:
        """Whether any leg uses the port."""
        return bool(self._waiting or self._known)

    def add(self, leg: Leg, ssrc: int | None) -> None:
        """Expect a leg's packets."""
        remote = leg.media.remote if leg.media is not None else None
        if remote is None:
            return
        address = pack_address(remote.host, remote.port)
        if ssrc is None:
            self._waiting.setdefault(address, []).append(leg)
        else:
            self._learn(address, ssrc, leg)

    def remove(self, leg: Leg) -> None:
        """Expect them no more."""
        for address, legs in list(self._waiting.items()):
            if leg in legs:
                legs.remove(leg)
            if not legs:
                del self._waiting[address]
        for key in [key for key, one in self._known.items() if one is leg]:
            del self._known[key]
        self._changed = True

    def assign(self, inbox: Inbox) -> None:
        """Write the slots of what came to the shared port into the inbox."""
        rows = np.flatnonzero(inbox.slots[: inbox.count] == SHARED)
        if not len(rows):
            return
        at = np.where(inbox.rtcp[rows] | _control(inbox.data[rows, 1]), 4, 8)
        data = inbox.data
        ssrc = np.zeros(len(rows), np.uint64)
        for octet in range(4):  # the sender's SSRC: octets 8 to 11 of RTP, 4 to 7 of RTCP
            ssrc = ssrc << np.uint64(8) | data[rows, at + octet]
        addresses = inbox.sources[rows] - np.where(inbox.rtcp[rows], _PORT_AFTER, np.uint64(0))
        found = self._find(addresses, ssrc)
        for index in np.flatnonzero(found < 0).tolist():
            if inbox.lengths[rows[index]] >= 12 and at[index] == 8:
                found[index] = self._meet(int(addresses[index]), int(ssrc[index]))
        inbox.slots[rows] = found

    def _find(self, addresses: NDArray[np.uint64], ssrc: NDArray[np.uint64]) -> NDArray[np.int32]:
        if self._changed:
            keys = np.array([_key(*one) for one in self._known], np.uint64)
            order = np.argsort(keys)
            self._keys = keys[order]
            self._slots = np.array([leg.slot for leg in self._known.values()], np.int32)[order]
            self._changed = False
        if not len(self._keys):
            return np.full(len(ssrc), SHARED, np.int32)
        keys = ((addresses ^ (ssrc << np.uint64(17))) * _SPREAD) ^ ssrc
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        # what has another's key by chance is refused by the check of its address afterwards
        return np.where(self._keys[at] == keys, self._slots[at], SHARED).astype(np.int32)

    def _meet(self, address: int, ssrc: int) -> int:
        """Give an SSRC that nobody has to the leg that waits longest at its address; or follow a new SSRC."""
        known = self._known.get((address, ssrc))
        if known is not None:
            return known.slot
        waiting = self._waiting.get(address)
        if waiting:
            leg = waiting.pop(0)
            if not waiting:
                del self._waiting[address]
        else:
            same = [key for key in self._known if key[0] == address]
            if len(same) != 1:
                return SHARED
            leg = self._known.pop(same[0])  # alone at its address: it began anew with another SSRC
        self._learn(address, ssrc, leg)
        return leg.slot

    def _learn(self, address: int, ssrc: int, leg: Leg) -> None:
        self._known[address, ssrc] = leg
        self._changed = True


_PORT_AFTER: Final = np.uint64(1 << 24)
"""One port more, in an address as it lies in memory: the port's last octet is the fourth."""


def _control(second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (second >= 192) & (second <= 223)


def _key(address: int, ssrc: int) -> int:
    mixed = (address ^ (ssrc << 17)) * int(_SPREAD)
    return (mixed & 0xFFFF_FFFF_FFFF_FFFF) ^ ssrc
