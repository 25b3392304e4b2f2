"""How often a call was passed on, and how we say so (R32): Diversion (RFC 5806), History-Info (RFC 7044)."""

import re
from collections.abc import Sequence
from typing import Final

from telephony.calling.calls import MAX_HOPS

Headers = Sequence[tuple[str, str]]

_COUNTER: Final = re.compile(r";\s*counter\s*=\s*(\d{1,3})", re.IGNORECASE)
_INDEX: Final = re.compile(r";\s*index\s*=", re.IGNORECASE)

MOST: Final = MAX_HOPS + 1
"""More are not counted: a header that says a million is a slip or worse."""


def hops_of(headers: Headers) -> int:
    """Return how often a call was passed on, by what its headers say; at most MOST."""
    diverted = retold = 0
    for name, value in headers:
        kind = name.lower()
        if kind == "diversion":
            for each in entries(value):
                found = _COUNTER.search(each)
                diverted += max(1, int(found[1])) if found else 1
        elif kind == "history-info":
            retold += sum(1 for each in entries(value) if _INDEX.search(each))
    # The first entry of a history is the first number itself: one that was passed on once has two.
    return min(MOST, max(diverted, retold - 1))


def entries(value: str) -> list[str]:
    """Return the entries of a header field: commas within quotes and angle brackets part nothing."""
    found, begin, quoted, angle = [], 0, False, False
    place = 0
    while place < len(value):
        each = value[place]
        if quoted:
            if each == "\\":
                place += 1
            elif each == '"':
                quoted = False
        elif each == '"':
            quoted = True
        elif each == "<":
            angle = True
        elif each == ">":
            angle = False
        elif each == "," and not angle:
            found.append(value[begin:place].strip())
            begin = place + 1
        place += 1
    found.append(value[begin:].strip())
    return [each for each in found if each]


def diversion(form: str, number: str, target: str, reason: str, hops: int) -> Headers:
    """Return the header that names whom a call was for that is passed on, as a trunk wants it."""
    if form == "diversion":
        return ((("Diversion"), f"<tel:{number}>;reason={reason};counter={hops}"),)
    if form == "history-info":
        text = f"<sip:{number}@localhost;user=phone>;index=1, <sip:{target}@localhost;user=phone>;index=1.1"
        return (("History-Info", text),)
    return ()


def first(headers: Headers, name: str) -> str:
    """Return the first header of a name; empty: there is none."""
    wanted = name.lower()
    return next((value for found, value in headers if found.lower() == wanted), "")
