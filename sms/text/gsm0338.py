"""The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1, §6.2.1.1).

Septets stand one in a byte, as SMPP carries them under data_coding 0; packing eight of them into seven bytes
is the SMSC's work.
"""

import codecs
import re
from typing import Final

ESCAPE: Final = 0x1B
"""Leads to the extension table: the septet after it is looked up there."""

DEFAULT: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
"""The default alphabet: the character at index n has the septet n. Index 0x1B is the escape, no character."""

EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""The extension table: what the septet means after an escape. Page break (0x0A) is written as form feed."""

_UNFIT: Final = 0xFF
_REPLACEMENT: Final = "\ufffd"

_SEPTETS: Final[dict[int, int | bytes]] = {
    ord(character): septet for septet, character in enumerate(DEFAULT) if septet != ESCAPE
}
_SEPTETS.update({ord(character): bytes((ESCAPE, septet)) for septet, character in EXTENSION.items()})


def _from_latin1(code: int) -> int:
    septet = _SEPTETS.get(code)
    return septet if isinstance(septet, int) else _UNFIT


_FROM_LATIN1: Final = bytes(map(_from_latin1, range(256)))
"""For bytes.translate: a Latin-1 character to its septet, or _UNFIT. Nearly every text goes this way."""

_TO_TEXT: Final = DEFAULT + _REPLACEMENT * 128
"""For codecs.charmap_decode. A byte past 0x7F is no septet."""

_PAIR: Final = re.compile(rb"\x1b(.?)", re.DOTALL)


def encode(text: str) -> bytes | None:
    """Return the septets of `text`, an extension character as two, or None when some character has none."""
    try:
        septets = text.encode("latin-1").translate(_FROM_LATIN1)
    except UnicodeEncodeError:  # Greek capitals, the Euro sign, or something outside the alphabet
        pass
    else:
        if _UNFIT not in septets:
            return septets
    try:
        return codecs.charmap_encode(text, "strict", _SEPTETS)[0]
    except UnicodeEncodeError:
        return None


def decode(septets: bytes) -> str:
    """Return the text of `septets`; every input has one.

    - an escape before a septet that the extension table does not know: the default alphabet's character
      (§6.2.1.1, "the MS shall display the character shown in the main table");
    - two escapes, or an escape at the end: a space (§6.2.1.1 note 1; §6.2.1 note 1);
    - a byte past 0x7F, which is no septet: U+FFFD.
    """
    if ESCAPE not in septets:
        return codecs.charmap_decode(septets, "strict", _TO_TEXT)[0]
    text: list[str] = []
    start = 0
    for pair in _PAIR.finditer(septets):
        text.append(codecs.charmap_decode(septets[start : pair.start()], "strict", _TO_TEXT)[0])
        start = pair.end()
        after = pair[1]
        if not after or after[0] == ESCAPE:
            text.append(" ")
        else:
            text.append(EXTENSION.get(after[0]) or _TO_TEXT[after[0]])
    text.append(codecs.charmap_decode(septets[start:], "strict", _TO_TEXT)[0])
    return "".join(text)
