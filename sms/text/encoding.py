"""From text to the payloads of parts, and back.

A text goes out in the GSM alphabet when every character has a place there, else in UCS-2. What does not fit
one part is cut into several, each behind a concatenation header; never inside a character, an escape pair or
a surrogate pair. The same text and reference always give the same parts.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal

from msgspec import Struct

from sms.text import gsm0338, udh
from telephony.kernel.errors import InvalidRequest

MAX_PARTS: Final = 255
"""The header counts parts in one octet (TS 23.040 §9.2.3.24.1)."""

GSM_SINGLE: Final = 160
"""Septets of a text in one part: 140 octets packed (TS 23.040 §9.2.3.16)."""
GSM_PART: Final = 153
"""Septets of a part behind the header: it takes 6 octets and a fill bit, which are 7 septets once the SMSC
packs. Under SMPP the septets travel unpacked, so that a payload has 6 + 153 octets."""
UCS2_SINGLE: Final = 140
"""Octets, 70 code units."""
UCS2_PART: Final = 134
"""Octets, 67 code units."""

_EndOf = Callable[[bytes, int], int]
"""Where the part that starts at an index ends."""

Default = Literal["gsm", "latin1", "ascii"]
"""What an SMSC means by data_coding 0, its default alphabet."""


class Alphabet(Enum):
    """How the body of a part is to be read."""

    GSM = "gsm"
    UCS2 = "ucs2"  # UTF-16BE in practice: surrogate pairs occur
    LATIN1 = "latin1"
    ASCII = "ascii"
    CYRILLIC = "cyrillic"
    HEBREW = "hebrew"
    JIS = "jis"
    KOREAN = "korean"
    BINARY = "binary"  # octets that are no text


class InvalidText(InvalidRequest):
    """A text that no alphabet can carry: half a surrogate pair."""


class TextTooLong(InvalidRequest):
    """A text of more parts than allowed."""


class Part(Struct, frozen=True, gc=False):
    """One submit_sm's worth of a text."""

    number: int
    """1 to `total`."""
    total: int
    data_coding: int
    """0 (the SMSC's default alphabet: GSM) or 8 (UCS-2), SMPP 3.4 §5.2.19."""
    udhi: bool
    """Whether `payload` begins with a header: esm_class bit 6 (0x40), SMPP 3.4 §5.2.12."""
    payload: bytes
    """What short_message holds: at most 159 octets."""


class Encoded(Struct, frozen=True, gc=False):
    """A text in its alphabet, already cut, still without a reference."""

    alphabet: Alphabet
    data_coding: int
    bodies: tuple[bytes, ...]
    """Each part's octets without a header."""

    def parts(self, reference: int) -> tuple[Part, ...]:
        """Return the parts; `reference` (modulo 256) ties several together and is unused for one."""
        total = len(self.bodies)
        if total == 1:
            return (Part(1, 1, self.data_coding, False, self.bodies[0]),)
        return tuple(
            Part(number, total, self.data_coding, True, udh.concat_header(reference, total, number) + body)
            for number, body in enumerate(self.bodies, 1)
        )


def encode(text: str, *, max_parts: int = MAX_PARTS) -> Encoded:
    """Return `text` in the smallest alphabet that holds it, cut into at most `max_parts` bodies.

    Raises InvalidText for half a surrogate pair, TextTooLong beyond `max_parts`. An empty text is one empty
    part.
    """
    septets = gsm0338.encode(text)
    if septets is not None:
        if len(septets) <= GSM_SINGLE:
            return Encoded(Alphabet.GSM, 0, (septets,))
        return Encoded(Alphabet.GSM, 0, _cut(septets, _gsm_end, max_parts))
    try:
        units = text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise InvalidText(f"Character {error.start + 1} of the message is half a surrogate pair.") from None
    if len(units) <= UCS2_SINGLE:
        return Encoded(Alphabet.UCS2, 8, (units,))
    return Encoded(Alphabet.UCS2, 8, _cut(units, _ucs2_end, max_parts))


def segment(text: str, reference: int, *, max_parts: int = MAX_PARTS) -> tuple[Part, ...]:
    """Return the parts of `text`; raises as `encode` does."""
    return encode(text, max_parts=max_parts).parts(reference)


def count(text: str, *, max_parts: int = MAX_PARTS) -> tuple[Alphabet, int]:
    """Return the alphabet of `text` and its number of parts; raises as `encode` does."""
    encoded = encode(text, max_parts=max_parts)
    return encoded.alphabet, len(encoded.bodies)


def _gsm_end(septets: bytes, start: int) -> int:
    end = start + GSM_PART
    return end - 1 if end < len(septets) and septets[end - 1] == gsm0338.ESCAPE else end


def _ucs2_end(units: bytes, start: int) -> int:
    end = start + UCS2_PART
    return end - 2 if end < len(units) and 0xD8 <= units[end - 2] <= 0xDB else end


def _cut(octets: bytes, end_of: _EndOf, max_parts: int) -> tuple[bytes, ...]:
    limit = min(max_parts, MAX_PARTS)
    bodies: list[bytes] = []
    start = 0
    while start < len(octets):
        if len(bodies) == limit:
            raise TextTooLong(f"The message is longer than {limit} part{'s' if limit > 1 else ''}.")
        end = end_of(octets, start)
        bodies.append(octets[start:end])
        start = end
    return tuple(bodies)


class Decoded(Struct, frozen=True, gc=False):
    """What an inbound part says."""

    text: str
    """Empty for Alphabet.BINARY."""
    alphabet: Alphabet
    body: bytes
    """The octets of the text, without the header. Whoever joins parts joins bodies and then calls
    `decode_body`: other senders do cut escape and surrogate pairs."""
    header: udh.Header
    """Every information element, lossless."""

    @property
    def concat(self) -> udh.Concat | None:
        """Which part of which text this is; None for a text in one part."""
        return self.header.concat


def decode(payload: bytes, data_coding: int, udhi: bool, default: Default = "gsm") -> Decoded:
    """Return what `payload` (short_message or message_payload) says; every input says something.

    `udhi` is bit 6 of esm_class, `default` what the carrier means by data_coding 0. Malformed headers end as
    `udh.split` documents, malformed text as `decode_body` does.
    """
    header, body = udh.split(payload) if udhi else (udh.NO_HEADER, payload)
    alphabet = alphabet_of(data_coding, default)
    return Decoded(decode_body(body, alphabet), alphabet, body, header)


def alphabet_of(data_coding: int, default: Default = "gsm") -> Alphabet:
    """Return the alphabet of a data_coding (SMPP 3.4 §5.2.19, 0 to 255).

    Values from 0x10 on are the network's own groups (TS 23.038 §4): flash, message waiting. Reserved ones are
    read as binary: nothing is guessed, `Decoded.body` has the octets.
    """
    if data_coding == 0:
        return _DEFAULTS[default]
    if data_coding < 0x10:
        return _CODINGS.get(data_coding, Alphabet.BINARY)
    group = data_coding & 0xF0
    if group == 0xF0:  # data coding and message class: bit 2 tells 8-bit data
        return Alphabet.BINARY if data_coding & 0x04 else Alphabet.GSM
    if group in (0xC0, 0xD0):  # message waiting
        return Alphabet.GSM
    if group == 0xE0:  # message waiting in UCS-2
        return Alphabet.UCS2
    if group in (0x10, 0x40, 0x50):  # general groups, uncompressed, bits 3 and 2 name the alphabet
        return _GENERAL[data_coding >> 2 & 3]
    return Alphabet.BINARY


def decode_body(body: bytes, alphabet: Alphabet) -> str:
    """Return the text of `body`.

    Octets that mean nothing become U+FFFD: half a surrogate pair, an odd last octet of UCS-2, a byte past
    0x7F in GSM or ASCII. What GSM escapes become stands at `gsm0338.decode`.
    """
    if alphabet is Alphabet.GSM:
        return gsm0338.decode(body)
    codec = _CODECS.get(alphabet)
    return "" if codec is None else body.decode(codec, "replace")


_DEFAULTS: Final[dict[str, Alphabet]] = {
    "gsm": Alphabet.GSM,
    "latin1": Alphabet.LATIN1,
    "ascii": Alphabet.ASCII,
}
_CODINGS: Final = {
    1: Alphabet.ASCII,
    3: Alphabet.LATIN1,
    6: Alphabet.CYRILLIC,
    7: Alphabet.HEBREW,
    8: Alphabet.UCS2,
    10: Alphabet.JIS,
    14: Alphabet.KOREAN,
}
_GENERAL: Final = (Alphabet.GSM, Alphabet.BINARY, Alphabet.UCS2, Alphabet.BINARY)
_CODECS: Final = {
    Alphabet.UCS2: "utf-16-be",
    Alphabet.LATIN1: "latin-1",
    Alphabet.ASCII: "ascii",
    Alphabet.CYRILLIC: "iso8859-5",
    Alphabet.HEBREW: "iso8859-8",
    Alphabet.JIS: "iso2022_jp",
    Alphabet.KOREAN: "euc_kr",
}
