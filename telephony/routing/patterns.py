"""Users' patterns, by RE2: matching takes time linear in the number, whatever the pattern.

The only module that knows google-re2. A pattern is searched for, as ACS does it: `^` and `$` anchor it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from telephony.kernel.errors import InvalidRequest

MAX_PATTERN: Final = 256
"""Characters of a pattern; one that names a hundred area codes has four hundred, and is better a prefix."""

MAX_PATTERNS: Final = 5_000
"""Patterns of a set."""

MAX_PROGRAM: Final = 2_000
"""Instructions of one pattern's program, as RE2 counts them: `\\d{1000}` twice is 2,004."""

MAX_PROGRAMS: Final = 50_000
"""Instructions of all programs of a set. A look-up costs at most this times the number's length."""

MEMORY: Final = 64 << 20
"""Bytes that RE2 may use for a set; states that do not fit are made anew."""

MEMORY_OF_ONE: Final = 1 << 20
"""The same for one pattern; beyond, RE2 falls back to a slower way that is still linear."""

REMEMBERED: Final = 1_000
"""Compiled patterns kept: a set is compiled again a second after it was checked."""

_ALWAYS: Final = "(?:)"
"""Matches everything: when a set does not report it, the set ran out of memory."""

_CONSTRUCTS: Final = (
    ("a look-ahead", re.compile(r"\(\?[=!]")),
    ("a look-behind", re.compile(r"\(\?<[=!]")),
    ("a backreference", re.compile(r"\(\?P=|\\[1-9]|\\k[<{']|\\g[<{'0-9-]")),
    ("an atomic group", re.compile(r"\(\?>")),
    ("a condition", re.compile(r"\(\?\(")),
    ("recursion", re.compile(r"\(\?(R|[0-9]|&|P>)")),
    ("a comment", re.compile(r"\(\?#")),
    ("a possessive repetition", re.compile(r"[*+?}]\+")),
    ("the escape \\Z (write \\z)", re.compile(r"\\Z")),
    ("the escape \\G", re.compile(r"\\G")),
)
"""What other engines know and RE2 does not, by how it begins."""

_BEGINNING: Final = re.compile(r"\^(\\\+|\[+\])(?P<digits>[0-9]+)")


def _options(memory: int) -> Any:  # noqa: ANN401 - google-re2 has no types
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return options


class Pattern:
    """One pattern. Raises InvalidRequest, naming construct and position, for what cannot be taken."""

    __slots__ = ("_compiled", "program", "text")

    def __init__(self, text: str, target: str = "pattern", longest: int = MAX_PATTERN) -> None:
        if not text:
            raise InvalidRequest(f"{target}: It is empty.", target=target)
        if len(text) > longest:
            raise InvalidRequest(f"{target}: It is longer than {longest} characters.", target=target)
        try:
            self._compiled: Any = re2.compile(text, options=_options(MEMORY_OF_ONE))
        except (re2.error, UnicodeEncodeError) as error:
            raise InvalidRequest(f"{target}: {_explained(text, error)}", target=target) from None
        self.text: Final = text
        self.program: Final = int(self._compiled.programsize)
        """Instructions of its program."""
        if self.program > MAX_PROGRAM:
            raise InvalidRequest(
                f"{target}: It repeats too much: {self.program} instructions, at most {MAX_PROGRAM}.",
                target=target,
            )

    def search(self, text: str) -> bool:
        """Tell whether it is found in `text`."""
        return self._compiled.search(text) is not None

    @property
    def beginning(self) -> str:
        """What every number begins with in which it is found, as far as that is plain to see: `+49`."""
        begins = _BEGINNING.match(self.text)
        if begins is None or _has_alternatives(self.text):
            return ""
        optional = self.text[begins.end() : begins.end() + 1] in ("*", "?", "{")
        return "+" + (begins["digits"][:-1] if optional else begins["digits"])


@lru_cache(maxsize=REMEMBERED)
def pattern(text: str, target: str = "pattern") -> Pattern:
    """Return a pattern; the same again when the same is asked for. Raises InvalidRequest."""
    return Pattern(text, target)


class PatternSet:
    """Patterns that are looked for together."""

    __slots__ = ("_patterns", "_set")

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raises InvalidRequest when they are too many or too large together."""
        if len(patterns) > MAX_PATTERNS:
            raise InvalidRequest(f"There are {len(patterns)} patterns, at most {MAX_PATTERNS}.")
        program = sum(each.program for each in patterns)
        if program > MAX_PROGRAMS:
            raise InvalidRequest(
                f"The patterns are too large together: {program} instructions, at most {MAX_PROGRAMS}."
            )
        self._patterns: Final = tuple(patterns)
        self._set: Any = re2.Set.SearchSet(_options(MEMORY))
        for text in (*(each.text for each in patterns), _ALWAYS):
            self._set.Add(text)
        try:
            self._set.Compile()
        except re2.error:  # within the limits above this has not been seen
            raise InvalidRequest("The patterns are too large together.") from None

    def __len__(self) -> int:
        return len(self._patterns)

    def matches(self, text: str) -> list[int]:
        """Return the places of the patterns that are found in `text`, in order."""
        found: list[int] | None = self._set.Match(text)
        last = len(self._patterns)
        if not found or last not in found:  # out of memory, which the set cannot say
            return [place for place, each in enumerate(self._patterns) if each.search(text)]
        found.remove(last)
        found.sort()
        return found


def _explained(text: str, error: Exception) -> str:
    for name, begins in _CONSTRUCTS:
        place = _outside_of_classes(text, begins)
        if place is not None:
            return f"It has {name} at character {place + 1}, which linear-time matching cannot do."
    if isinstance(error, UnicodeEncodeError):
        return f"Character {error.start + 1} is half a surrogate pair."
    said = error.args[0] if error.args else ""
    words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    what, _, part = words.partition(": ")
    if what.startswith("missing )"):
        return f"The parenthesis at character {_odd_parenthesis(text) + 1} is not closed."
    if what.startswith("unexpected )"):
        return f"The parenthesis at character {_odd_parenthesis(text) + 1} is not opened."
    place = text.find(part) if part else len(text) - 1
    return f"{what} at character {max(0, place) + 1}{f': {part}' if part else ''}."


def _tokens(text: str) -> list[tuple[int, bool]]:
    """Return where each token outside of classes begins, and whether it is an escape."""
    found, place, within = [], 0, False
    while place < len(text):
        escape = text[place] == "\\"
        if within:
            within = escape or text[place] != "]"
        else:
            found.append((place, escape))
            if text[place] == "[":
                within = True
                place += text[place + 1 : place + 2] == "^"
                place += text[place + 1 : place + 2] == "]"
        place += 2 if escape else 1
    return found


def _has_alternatives(text: str) -> bool:
    """Tell whether there is a bar outside of all parentheses."""
    depth = 0
    for place, escape in _tokens(text):
        character = "" if escape else text[place]
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            return True
    return False


def _outside_of_classes(text: str, begins: re.Pattern[str]) -> int | None:
    return next((place for place, _ in _tokens(text) if begins.match(text, place)), None)


def _odd_parenthesis(text: str) -> int:
    """Return the place of a parenthesis that lacks its other half."""
    opened: list[int] = []
    for place, escape in _tokens(text):
        if not escape and text[place] == "(":
            opened.append(place)
        elif not escape and text[place] == ")":
            if not opened:
                return place
            opened.pop()
    return opened[-1] if opened else 0
