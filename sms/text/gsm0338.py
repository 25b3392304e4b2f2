"""The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1, §6.2.1.1)."""

from typing import Final

from sms.text.septets import ESCAPE, SeptetTable

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

TABLE: Final = SeptetTable(DEFAULT, EXTENSION)

_UNFIT: Final = 0xFF


def _from_latin1(code: int) -> int:
    septet = TABLE.septet(code)
    return septet if isinstance(septet, int) else _UNFIT


_FROM_LATIN1: Final = bytes(map(_from_latin1, range(256)))
"""For bytes.translate: a Latin-1 character to its septet, or _UNFIT. Nearly every text goes this way."""

_encode: Final = TABLE.encode


def encode(text: str) -> bytes | None:
    """Return the septets of `text` as `SeptetTable.encode` does."""
    try:
        septets = text.encode("latin-1").translate(_FROM_LATIN1)
    except UnicodeEncodeError:  # Greek capitals, the Euro sign, or something outside the alphabet
        pass
    else:
        if _UNFIT not in septets:
            return septets
    return _encode(text)


decode: Final = TABLE.decode
"""Return the text of septets as `SeptetTable.decode` does."""

__all__ = ["DEFAULT", "ESCAPE", "EXTENSION", "TABLE", "decode", "encode"]
