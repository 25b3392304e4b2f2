"""Identifiers: UUIDv7 (RFC 9562 §5.7), 16 bytes inside and in the store, spelled out only on the wire.

Version 7 begins with the time, so that a primary key on (resource, id) is also the order of creation.
"""

import os
import threading
import uuid
from typing import NewType

Id = NewType("Id", bytes)
"""Any identifier: exactly 16 bytes."""

ResourceId = NewType("ResourceId", bytes)
"""A resource (tenant), as in ACS."""

InteractionId = NewType("InteractionId", bytes)
"""A message or a call."""

NodeId = NewType("NodeId", bytes)
"""One life of one gateway process: a restart is another node."""

SubscriptionId = NewType("SubscriptionId", bytes)
"""A webhook subscription."""

_VARIANT = 0x8000_0000_0000_0000
_RANDOM = 0x3FFF_FFFF_FFFF_FFFF
_lock = threading.Lock()
_last = 0


def new_id(now: int) -> bytes:
    """Return a new UUIDv7 for the time `now` (microseconds since the epoch, UTC).

    The 12 bits after the version carry the time below the millisecond (RFC 9562 §6.2, method 3). Ids made by
    one process never go backwards, whatever the clock does.
    """
    global _last  # noqa: PLW0603 - the order of ids is a property of the process
    milliseconds, rest = divmod(now, 1000)
    stamp = (milliseconds << 12) | (rest * 4096 // 1000)
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
    high = ((stamp >> 12) << 16) | 0x7000 | (stamp & 0xFFF)
    low = _VARIANT | (int.from_bytes(os.urandom(8), "big") & _RANDOM)
    return ((high << 64) | low).to_bytes(16, "big")


def new_ids(now: int, count: int) -> list[bytes]:
    """Return `count` ids as `new_id` makes them, in order, for one call of the system's random numbers."""
    global _last  # noqa: PLW0603 - see `new_id`
    milliseconds, rest = divmod(now, 1000)
    stamp = (milliseconds << 12) | (rest * 4096 // 1000)
    with _lock:
        first = max(stamp, _last + 1)
        _last = first + count - 1
    chance = os.urandom(8 * count)
    made = []
    for number in range(count):
        stamp = first + number
        high = ((stamp >> 12) << 16) | 0x7000 | (stamp & 0xFFF)
        low = _VARIANT | (int.from_bytes(chance[8 * number : 8 * number + 8], "big") & _RANDOM)
        made.append(((high << 64) | low).to_bytes(16, "big"))
    return made


def time_of(identifier: bytes) -> int:
    """Return the time inside a UUIDv7, in microseconds, exact to the millisecond."""
    return int.from_bytes(identifier[:6], "big") * 1000


def to_text(identifier: bytes) -> str:
    """Return the spelling 8-4-4-4-12 in lower case."""
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def from_text(text: str) -> bytes | None:
    """Return the 16 bytes of a GUID in its usual spelling, or None when `text` is no GUID."""
    if len(text) != 36:  # uuid.UUID takes many spellings; the wire has one
        return None
    try:
        identifier = uuid.UUID(text).bytes
    except ValueError:
        return None
    return identifier if to_text(identifier) == text.lower() else None
