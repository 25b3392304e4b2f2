"""Alphabets and what data_coding says about them (SMPP 3.4 §5.2.19, 3GPP TS 23.038 §4)."""

from enum import Enum
from typing import Final, TypeAlias

from carriers.model.text import DefaultAlphabet

Default: TypeAlias = DefaultAlphabet
"""What an SMSC means by data_coding 0."""

DEFAULT: Final = 0x00
"""data_coding of the SMSC's default alphabet."""
LATIN1: Final = 0x03
OCTETS: Final = 0x04
UCS2: Final = 0x08
WITH_CLASS: Final = {DEFAULT: 0x10, OCTETS: 0x14, UCS2: 0x18}
"""The same alphabets in message class 0, immediate display; the class is added (TS 23.038 §4, general group
with class)."""


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


DEFAULTS: Final[dict[Default, Alphabet]] = {
    "gsm": Alphabet.GSM,
    "latin1": Alphabet.LATIN1,
    "ascii": Alphabet.ASCII,
}
"""What an SMSC's default alphabet may be."""

_CODINGS: Final = {
    1: Alphabet.ASCII,
    LATIN1: Alphabet.LATIN1,
    6: Alphabet.CYRILLIC,
    7: Alphabet.HEBREW,
    UCS2: Alphabet.UCS2,
    10: Alphabet.JIS,
    14: Alphabet.KOREAN,
}
_GENERAL: Final = (Alphabet.GSM, Alphabet.BINARY, Alphabet.UCS2, Alphabet.BINARY)


def alphabet_of(data_coding: int, default: Default = "gsm") -> Alphabet:
    """Return the alphabet of a data_coding (0 to 255).

    Values from 0x10 on are the network's own groups (TS 23.038 §4): flash, message waiting. Reserved ones are
    read as binary: nothing is guessed, `Decoded.body` has the octets.
    """
    if data_coding == DEFAULT:
        return DEFAULTS[default]
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
