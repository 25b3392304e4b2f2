"""Which engine a call's legs go to. Pure: loads come in, names go out.

A bridge lives in one engine, so a call (or a conference) as a whole is placed, once; later legs of it follow.
Between two reports of an engine's load, what was placed there since counts on top.
"""

from dataclasses import dataclass, field
from typing import Final

from sip.media.protocol import Load

BUSY: Final = 0.85
"""Share of its time beyond which an engine gets no new calls while another has room: soon it would be
late."""


@dataclass(slots=True)
class _Engine:
    load: Load | None = None
    placed: int = 0
    """Legs that were placed since the last report."""
    calls: set[str] = field(default_factory=set)


class Placement:
    """Knows the engines' loads and where each call is."""

    def __init__(self) -> None:
        self._engines: dict[str, _Engine] = {}
        self._calls: dict[str, str] = {}

    def report(self, engine: str, load: Load) -> None:
        """Take what an engine says of its load."""
        known = self._engines.setdefault(engine, _Engine())
        known.load, known.placed = load, 0

    def away(self, engine: str) -> None:
        """An engine is not connected: it gets no new calls; those it has may go on."""
        if engine in self._engines:
            self._engines[engine].load = None

    def lost(self, engine: str) -> tuple[str, ...]:
        """An engine is gone: forget and return the calls that were there."""
        known = self._engines.pop(engine, _Engine())
        for call in known.calls:
            self._calls.pop(call, None)
        return tuple(sorted(known.calls))

    def place(self, call: str, legs: int = 2) -> str | None:
        """Return the engine for so many more legs of a call; None when none takes them.

        A call that is somewhere stays there, whether that engine has room or not: it will say.
        """
        placed = self._calls.get(call)
        if placed is not None:
            self._engines[placed].placed += legs
            return placed
        free = [
            (_rank(load, known.placed), name)
            for name, known in self._engines.items()
            if (load := known.load) is not None and _takes(load, known.placed + legs)
        ]
        if not free:
            return None
        _, name = min(free)
        engine = self._engines[name]
        engine.placed += legs
        engine.calls.add(call)
        self._calls[call] = name
        return name

    def found(self, call: str, engine: str) -> None:
        """A call was found in an engine (after the gateway's restart)."""
        self.ended(call)
        self._engines.setdefault(engine, _Engine()).calls.add(call)
        self._calls[call] = engine

    def refused(self, engine: str) -> None:
        """An engine said that it is full: pass it over until its next report."""
        known = self._engines.get(engine)
        if known is not None and known.load is not None:
            known.placed = known.load.max_legs

    def ended(self, call: str) -> None:
        """A call is over. One that is not known is no error."""
        engine = self._calls.pop(call, None)
        if engine is not None:
            self._engines[engine].calls.discard(call)

    def where(self, call: str) -> str | None:
        """Return the engine that has a call."""
        return self._calls.get(call)

    def calls(self, engine: str) -> tuple[str, ...]:
        """Return the calls in an engine."""
        return tuple(sorted(self._engines.get(engine, _Engine()).calls))


def _takes(load: Load, legs: int) -> bool:
    return load.accepts and not load.draining and load.legs + legs <= load.max_legs


def _rank(load: Load, placed: int) -> tuple[bool, float]:
    """Return how little an engine is wanted: those that are too busy last, else by how full they are."""
    full = (load.legs + placed) / max(1, load.max_legs)
    return load.busy > BUSY, max(load.busy, full) + full / 1000
