"""Look-alikes: characters that can stand in for others so that a text stays in a small alphabet.

Only replacements that change neither meaning nor reading:

- typographic signs to the typewriter's: quotes, primes, dashes, ellipsis, bullets, guillemets, spaces;
- invisible signs that only advise a typesetter (soft hyphen, word joiner, byte order mark) to nothing;
- letters that *are* the same shape (Greek capitals: TS 23.038 lists only those that Latin does not have), and
  ligatures;
- accents of Western European vowels that readers supply by themselves, double acute to diaeresis.

Left alone: letters whose plain form is another letter to their readers (ı ş ğ ł đ ø ß ...), fractions and
raised digits (10² is not 102), joiners (they shape Indic scripts and emoji), everything else.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

Replaced: TypeAlias = "tuple[tuple[str, str], ...]"
"""What was replaced by what, each pair once, in the order of the text."""


def _each(characters: str, replacement: str) -> Iterator[tuple[str, str]]:
    return ((character, replacement) for character in characters)


LOOK_ALIKES: Final[dict[str, str]] = {
    **dict(_each("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')),
    **dict(_each("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc", "'")),
    **dict(_each("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")),
    **dict(_each("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", " ")),
    **dict(_each("\u202f\u205f\u3000\t", " ")),
    **dict(_each("\u2028\u2029\u0085", "\n")),
    **dict(_each("\u00ad\u200b\u2060\ufeff", "")),
    "\u2026": "...",
    "\u2039": "<",
    "\u203a": ">",
    "\u2022": "*",
    "\u00b7": ".",
    "\u00d7": "x",
    "\u2044": "/",
    "\u00a9": "(C)",
    "\u00ae": "(R)",
    "\u2122": "(TM)",
    "\ufb01": "fi",
    "\ufb02": "fl",
    # Greek capitals with a Latin twin, and with the accent that capitals do without
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ΆΈΉΊΌΎΏ", "AEHIOYΩ", strict=True)),
    # vowels and c with accents (those of the default alphabet matter where it is ASCII)
    **dict(_each("àáâã", "a")),
    **dict(_each("ÀÁÂÃ", "A")),
    **dict(_each("èéêë", "e")),
    **dict(_each("ÈÉÊË", "E")),
    **dict(_each("ìíîï", "i")),
    **dict(_each("ÌÍÎÏ", "I")),
    **dict(_each("òóôõ", "o")),
    **dict(_each("ÒÓÔÕ", "O")),
    **dict(_each("ùúû", "u")),
    **dict(_each("ÙÚÛ", "U")),
    **dict(_each("ýÿ", "y")),
    **dict(_each("ÝŸ", "Y")),
    "ç": "c",
    "Ç": "C",
    "ő": "ö",
    "Ő": "Ö",
    "ű": "ü",
    "Ű": "Ü",
}
"""What stands for what, for characters that the alphabet does not have."""

_DECOMPOSED: Final = re.compile("[^\u0300-\u036f][\u0300-\u036f]+")


def substitute(text: str, fits: Callable[[str], bool]) -> tuple[str, Replaced]:
    """Return `text` with look-alikes for characters that do not fit, and what was replaced.

    Letters with separate accents are composed first (Unicode's canonical composition). What fits, or has no
    look-alike, stays: the result may still not fit.
    """
    replaced: dict[str, str] = {}

    def composed(found: re.Match[str]) -> str:
        whole = unicodedata.normalize("NFC", found[0])
        if whole != found[0]:
            replaced[found[0]] = whole
        return whole

    text = _DECOMPOSED.sub(composed, text)
    for character in dict.fromkeys(text):
        other = LOOK_ALIKES.get(character)
        if other is not None and not fits(character):
            replaced[character] = other
            text = text.replace(character, other)
    return text, tuple(replaced.items())
