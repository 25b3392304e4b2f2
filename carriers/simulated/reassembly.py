"""Putting the parts of a text together again, in whatever order they come. Pure."""

from collections.abc import Hashable
from typing import Final

from sms.text import Concat, Decoded, decode_body

MAX_UNFINISHED: Final = 1_000
"""Texts of which parts are missing; beyond, the oldest is forgotten. At 255 parts of 140 octets: 36 MB."""


class Reassembly:
    """Collects parts; gives the text when the last one is there."""

    def __init__(self) -> None:
        self._unfinished: dict[Hashable, dict[int, Decoded]] = {}

    def add(self, between: Hashable, part: Decoded, sar: Concat | None = None) -> str | None:
        """Take a part of a text `between` two addresses and return the text once it is whole, else None.

        `sar` is what optional parameters say, when they do: the header counts only without them. A part that
        came before replaces itself. Parts are joined before they are decoded: some senders cut
        inside a character.
        """
        concat = sar or part.concat
        if concat is None or concat.total == 1:
            return part.text
        key = (between, concat.reference, concat.total, concat.wide, sar is not None)
        parts = self._unfinished.setdefault(key, {})
        parts[concat.number] = part
        if len(parts) < concat.total:
            if len(self._unfinished) > MAX_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
            return None
        del self._unfinished[key]
        return decode_body(
            b"".join(parts[number].body for number in sorted(parts)), part.alphabet, part.shift
        )
