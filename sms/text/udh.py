"""The user data header: information elements before the text of a part (3GPP TS 23.040 §9.2.3.24)."""

from typing import Final

from msgspec import Struct

from sms.text.national import NO_SHIFT, Shift

CONCAT_8: Final = 0x00
"""Concatenation with an 8-bit reference (§9.2.3.24.1)."""
CONCAT_16: Final = 0x08
"""Concatenation with a 16-bit reference (§9.2.3.24.8)."""

PORTS_8: Final = 0x04
"""Application ports of 8 bits (§9.2.3.24.3): destination, source."""
PORTS_16: Final = 0x05
"""Application ports of 16 bits (§9.2.3.24.4): destination, source."""

SINGLE_SHIFT: Final = 0x24
"""The national language single shift table that the part is in (§9.2.3.24.15)."""
LOCKING_SHIFT: Final = 0x25
"""The national language locking shift table that the part is in (§9.2.3.24.16)."""

CONCAT_8_LENGTH: Final = 6
"""Bytes of a header that holds nothing but CONCAT_8: 05 00 03 reference total number."""
CONCAT_16_LENGTH: Final = 7
"""Bytes of a header that holds nothing but CONCAT_16: 06 08 04 reference (2) total number."""

_READ: Final = frozenset({CONCAT_8, CONCAT_16, SINGLE_SHIFT, LOCKING_SHIFT})

_CONCAT_8_PREFIX: Final = bytes((CONCAT_8_LENGTH - 1, CONCAT_8, 3))


class Concat(Struct, frozen=True, gc=False):
    """Which part of which text this is.

    Parts belong together when addresses, reference, total and the way they are tied together agree.
    """

    reference: int
    total: int
    """1 to 255."""
    number: int
    """1 to `total`."""
    wide: bool = False
    """Whether the reference has 16 bits."""
    sar: bool = False
    """Whether optional parameters said it, not a header (`sms.text.sar`)."""


class Header(Struct, frozen=True, gc=False):
    """What stood before the text."""

    elements: tuple[tuple[int, bytes], ...] = ()
    """Every information element as it came: identifier and data."""
    concat: Concat | None = None
    raw: bytes = b""
    """The header's bytes with its length octet; empty when there was none."""
    shift: Shift = NO_SHIFT
    """Which national language tables the part is in, when it is in septets."""


NO_HEADER: Final = Header()


def concat_header(reference: int, total: int, number: int) -> bytes:
    """Return the header of a part. All three are octets; the reference is taken modulo 256."""
    return _CONCAT_8_PREFIX + bytes((reference & 0xFF, total, number))


def header_of(elements: bytes, reference: int, total: int, number: int, *, wide: bool) -> bytes:
    """Return the header of a part that has `elements` (encoded) besides its concatenation.

    The reference is taken modulo 65,536 for a `wide` one, else modulo 256.
    """
    if not wide:
        if not elements:
            return concat_header(reference, total, number)
        concat = bytes((CONCAT_8, 3, reference & 0xFF, total, number))
    else:
        concat = bytes((CONCAT_16, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number))
    return bytes((len(concat) + len(elements),)) + concat + elements


def port_header(destination: int, source: int) -> bytes:
    """Return a header with 16-bit application ports."""
    return bytes((6, PORTS_16, 4)) + destination.to_bytes(2, "big") + source.to_bytes(2, "big")


def ports(header: Header) -> tuple[int, int] | None:
    """Return the application ports, destination and source; None when there are none."""
    found = None
    for identifier, data in header.elements:
        if identifier == PORTS_8 and len(data) == 2:
            found = data[0], data[1]
        elif identifier == PORTS_16 and len(data) == 4:
            found = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
    return found


def apart(header: Header) -> bytes:
    """Return the header without what was read from it: concatenation and, beside a text, national tables.

    Empty when nothing is left. One that is not well-formed is returned as it came.
    """
    if not header.elements:
        return header.raw
    kept = [
        bytes((identifier, len(data))) + data
        for identifier, data in header.elements
        if identifier not in _READ
    ]
    elements = b"".join(kept)
    return bytes((len(elements),)) + elements if elements else b""


def shift_elements(shift: Shift) -> bytes:
    """Return the elements that name national language tables; none for the default ones."""
    locking = bytes((LOCKING_SHIFT, 1, shift.locking)) if shift.locking else b""
    return (bytes((SINGLE_SHIFT, 1, shift.single)) if shift.single else b"") + locking


def split(payload: bytes) -> tuple[Header, bytes]:
    """Return the header and what follows it; every input has both.

    - a length octet that reaches past the payload: there is no header, the whole payload follows;
    - elements that do not fill the header exactly: the header is ignored but cut off (§9.2.3.24: "the whole
      User Data Header shall be ignored"); `raw` keeps it;
    - the last of several concatenation elements counts (§9.2.3.24: "the last occurring IE shall be used");
      one of total 0, number 0 or number past total is ignored (§9.2.3.24.1).
    """
    if not payload or payload[0] >= len(payload):
        return NO_HEADER, payload
    end = 1 + payload[0]
    raw = payload[:end]
    elements: list[tuple[int, bytes]] = []
    concat: Concat | None = None
    locking = single = 0
    at = 1
    while at < end:
        start = at + 2
        if start > end or (after := start + payload[at + 1]) > end:
            return Header(raw=raw), payload[end:]
        identifier, data = payload[at], payload[start:after]
        elements.append((identifier, data))
        concat = _concat(identifier, data) or concat
        if len(data) == 1:
            if identifier == SINGLE_SHIFT:
                single = data[0]
            elif identifier == LOCKING_SHIFT:
                locking = data[0]
        at = after
    shift = Shift(locking, single) if locking or single else NO_SHIFT
    return Header(tuple(elements), concat, raw, shift), payload[end:]


def _concat(identifier: int, data: bytes) -> Concat | None:
    if identifier == CONCAT_8 and len(data) == 3:
        reference, total, number = data
    elif identifier == CONCAT_16 and len(data) == 4:
        reference, total, number = data[0] << 8 | data[1], data[2], data[3]
    else:
        return None
    if not 1 <= number <= total:
        return None
    return Concat(reference, total, number, identifier == CONCAT_16)
