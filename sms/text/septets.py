"""Texts as septets: a table of 128 characters and the extension behind its escape (3GPP TS 23.038 §6.2.1).

Septets stand one in a byte, as SMPP carries them under data_coding 0; packing eight of them into seven bytes
is the SMSC's work.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Final

ESCAPE: Final = 0x1B
"""Leads to the extension table: the septet after it is looked up there."""

REPLACEMENT: Final = "\ufffd"
"""Stands in a table where a septet has no character."""

_PAIR: Final = re.compile(rb"\x1b(.?)", re.DOTALL)


class SeptetTable:
    """A main table and its extension."""

    __slots__ = ("_extension", "_septets", "_to_text", "main")

    def __init__(self, main: str, extension: Mapping[int, str]) -> None:
        """Take the character of every septet, ESCAPE's and missing ones (REPLACEMENT) meaning none.

        A character that stands twice is written as its first septet, and without an escape if it can be.
        """
        self.main = main
        self._extension = dict(extension)
        self._septets: dict[int, int | bytes] = {}
        for septet, character in enumerate(main):
            if septet != ESCAPE and character != REPLACEMENT:
                self._septets.setdefault(ord(character), septet)
        for septet, character in sorted(extension.items()):
            self._septets.setdefault(ord(character), bytes((ESCAPE, septet)))
        # for codecs.charmap_decode; a byte past 0x7F is no septet
        self._to_text = main + REPLACEMENT * 128

    def __contains__(self, character: str) -> bool:
        """Tell whether a character has septets."""
        return ord(character) in self._septets

    def septet(self, code: int) -> int | bytes | None:
        """Return the septet of a code point, or its escape pair."""
        return self._septets.get(code)

    def encode(self, text: str) -> bytes | None:
        """Return the septets of `text`, an extension character as two; None when some character has none."""
        try:
            return codecs.charmap_encode(text, "strict", self._septets)[0]
        except UnicodeEncodeError:
            return None

    def decode(self, septets: bytes) -> str:
        """Return the text of `septets`; every input has one.

        - an escape before a septet that the extension does not have: the main table's character (§6.2.1.1,
          annex A.2: "the MS shall display the character shown in the main table");
        - two escapes, or an escape at the end: a space (§6.2.1.1 note 1; §6.2.1 note 1);
        - a septet that no table has, a byte past 0x7F, which is no septet: U+FFFD.
        """
        if ESCAPE not in septets:
            return codecs.charmap_decode(septets, "strict", self._to_text)[0]
        text: list[str] = []
        start = 0
        for pair in _PAIR.finditer(septets):
            text.append(codecs.charmap_decode(septets[start : pair.start()], "strict", self._to_text)[0])
            start = pair.end()
            after = pair[1]
            if not after or after[0] == ESCAPE:
                text.append(" ")
            else:
                text.append(self._extension.get(after[0]) or self._to_text[after[0]])
        text.append(codecs.charmap_decode(septets[start:], "strict", self._to_text)[0])
        return "".join(text)
