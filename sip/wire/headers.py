"""Header fields of a message: in order, names without case, short forms known. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""Short forms (RFC 3261 §7.3.3 and IANA's register of SIP header fields)."""

LISTS: Final = frozenset(
    {
        "via",
        "route",
        "record-route",
        "contact",
        "supported",
        "require",
        "proxy-require",
        "allow",
        "unsupported",
    }
)
"""Fields whose values may stand in one line, with commas between (RFC 3261 §7.3.1), that are read here."""


def full_name(name: str) -> str:
    """Return a field's long name: `v` is `Via`; others stay as they are."""
    return COMPACT.get(name.lower(), name) if len(name) == 1 else name


class Headers:
    """Fields as (name, value) in the order of the message."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        """Take fields; names may be short."""
        self._fields = [(full_name(name), value) for name, value in fields]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> str | None:
        """Return the first field of a name; None when there is none."""
        wanted = full_name(name).lower()
        return next((value for each, value in self._fields if each.lower() == wanted), None)

    def all(self, name: str) -> list[str]:
        """Return the values of every field of a name, lists taken apart."""
        wanted = full_name(name).lower()
        values = [value for each, value in self._fields if each.lower() == wanted]
        if wanted not in LISTS:
            return values
        return [part for value in values for part in split_list(value)]

    def add(self, name: str, value: str) -> None:
        """Add a field behind the others."""
        self._fields.append((full_name(name), value))

    def put_first(self, name: str, value: str) -> None:
        """Add a field before the others, as every proxy does its Via."""
        self._fields.insert(0, (full_name(name), value))

    def set(self, name: str, value: str) -> None:
        """Put a value in place of every field of that name; where the first one stood."""
        wanted = full_name(name).lower()
        places = [place for place, (each, _) in enumerate(self._fields) if each.lower() == wanted]
        if not places:
            self.add(name, value)
            return
        self._fields[places[0]] = (full_name(name), value)
        for place in reversed(places[1:]):
            del self._fields[place]

    def remove(self, name: str) -> None:
        """Take every field of a name away."""
        wanted = full_name(name).lower()
        self._fields = [(each, value) for each, value in self._fields if each.lower() != wanted]

    def copy(self) -> "Headers":
        """Return the same fields, to be changed on their own."""
        return Headers(self._fields)


def split_list(value: str) -> list[str]:
    """Return the parts of a value between its commas; those in quotes and angle brackets are no ends."""
    parts: list[str] = []
    begin = 0
    quoted = escaped = False
    brackets = 0
    for place, letter in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = letter == "\\"
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter == "<":
            brackets += 1
        elif letter == ">":
            brackets = max(0, brackets - 1)
        elif letter == "," and not brackets:
            parts.append(value[begin:place].strip())
            begin = place + 1
    parts.append(value[begin:].strip())
    return [part for part in parts if part]
