"""How much a part holds, and where a text may be cut: never inside a character.

A part is 140 octets on the air, its header included (3GPP TS 23.040 §9.2.3.24). Under SMPP septets travel
one in a byte, so that short_message has up to 160 octets; the SMSC packs them.
"""

from collections.abc import Callable
from typing import Final, Protocol

from sms.text import gsm0338

OCTETS: Final = 140
"""Octets of a part's user data (TS 23.040 §9.2.3.16)."""
GSM_SINGLE: Final = 160
"""Septets of a text in one part without a header: 140 octets packed."""
MAX_PARTS: Final = 255
"""A header counts parts in one octet (TS 23.040 §9.2.3.24.1)."""

NO_WIDTH: Final = 0xFF
"""Marks a character that the GSM alphabet does not have."""


class Cut(Protocol):
    """Cuts a body into parts."""

    def __call__(self, body: bytes, single: int, part: int, limit: int) -> tuple[bytes, ...] | None:
        """Return the parts: one behind a header of `single` octets, or several behind one of `part` each.

        None when they are more than `limit`.
        """
        ...


def septet_room(header: int) -> int:
    """Return the septets that fit behind a header of so many octets: fill bits complete its last septet."""
    return (OCTETS * 8 - header * 8) // 7


def cut_septets(body: bytes, single: int, part: int, limit: int) -> tuple[bytes, ...] | None:
    """Cut septets, never between an escape and what it escapes."""
    return _cut(body, septet_room(single), septet_room(part), limit, _septet_end)


def cut_units(body: bytes, single: int, part: int, limit: int) -> tuple[bytes, ...] | None:
    """Cut UTF-16BE, never inside a surrogate pair."""
    return _cut(body, (OCTETS - single) & ~1, (OCTETS - part) & ~1, limit, _unit_end)


def cut_octets(body: bytes, single: int, part: int, limit: int) -> tuple[bytes, ...] | None:
    """Cut octets of which each stands for itself."""
    return _cut(body, OCTETS - single, OCTETS - part, limit, _octet_end)


def cut_transcoded(body: bytes, single: int, part: int, limit: int) -> tuple[bytes, ...] | None:
    """Cut Latin-1 or ASCII that the SMSC turns into septets where it can.

    A body of the GSM alphabet has the room that its septets take (two for a character of the extension);
    any other has that of octets, as it may go on as such.
    """
    widths = body.translate(_WIDTHS)
    if NO_WIDTH in widths:
        return cut_octets(body, single, part, limit)
    alone, room = septet_room(single), septet_room(part)
    if len(body) + widths.count(2) <= alone:
        return (body,)
    bodies: list[bytes] = []
    start = taken = 0
    for at, width in enumerate(widths):
        if taken + width > room:
            bodies.append(body[start:at])
            if len(bodies) == limit:
                return None
            start, taken = at, 0
        taken += width
    bodies.append(body[start:])
    return tuple(bodies)


def _width(code: int) -> int:
    septet = gsm0338.TABLE.septet(code)
    return NO_WIDTH if septet is None else 1 if isinstance(septet, int) else 2


_WIDTHS: Final = bytes(map(_width, range(256)))

_EndOf = Callable[[bytes, int], int]
"""Where a part that would end at an index ends instead."""


def _septet_end(body: bytes, end: int) -> int:
    return end - 1 if body[end - 1] == gsm0338.ESCAPE else end


def _unit_end(body: bytes, end: int) -> int:
    return end - 2 if 0xD8 <= body[end - 2] <= 0xDB else end


def _octet_end(body: bytes, end: int) -> int:
    return end


def _cut(body: bytes, alone: int, room: int, limit: int, end_of: _EndOf) -> tuple[bytes, ...] | None:
    if len(body) <= alone:
        return (body,)
    bodies: list[bytes] = []
    start = 0
    while start < len(body):
        if len(bodies) == limit:
            return None
        end = start + room
        if end < len(body):
            end = end_of(body, end)
        bodies.append(body[start:end])
        start = end
    return tuple(bodies)
