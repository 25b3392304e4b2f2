"""Bridges: legs that hear each other, wherever their audio is; and echo: one with a leg that calls itself.

A bridge lives in one engine. Legs of two engines that meet after all are joined by a tie: a leg in each, that
send each other what the rest of their side says.
"""

from collections.abc import Sequence
from typing import Final

from sip.legs.board import Board
from sip.legs.leg import Leg
from sip.legs.line import TROUBLES, Line
from sip.media.protocol import (
    Address,
    Change,
    CloseBridge,
    CloseLeg,
    Codec,
    Format,
    Join,
    Latch,
    Leave,
    Media,
    OpenBridge,
    Opened,
    OpenRtp,
)

WIDE: Final = Format(Codec.L16, 96, 16_000)
"""What engines send each other and themselves: nothing is lost on the way, and nothing has to be coded."""

_LOOP: Final = "127.0.0.1"
_ANY: Final = "0.0.0.0"  # noqa: S104 - compared, not bound


class Bridges:
    """The bridges that there are, by engine."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._bridges: dict[str, dict[str, Line]] = {}
        self._ties: dict[str, list[tuple[str, Line]]] = {}

    def found(self, leg: Leg, bridge: str) -> None:
        """A leg was found in a bridge."""
        leg.bridge = bridge
        if bridge == echo_name(leg):
            leg.echoes = True
        self._bridges.setdefault(bridge, {}).setdefault(leg.line.engine, self._board.line(leg.line.engine))

    def open(self) -> tuple[str, ...]:
        """Return the bridges that are open."""
        return tuple(self._bridges)

    def knows(self, helper: str) -> bool:
        """Tell whether an engine's leg is a tie or an echo of ours."""
        if any(name == helper for ties in self._ties.values() for name, _ in ties):
            return True
        return any(leg.echoes and echo_name(leg) == helper for leg in self._board.legs.values())

    async def join(self, legs: Sequence[Leg], bridge: str) -> None:
        """Let legs hear each other. A leg whose engine refuses hears nothing, and the log says why."""
        for leg in legs:
            if leg.over:
                continue
            await self.echo(leg, on=False)
            before = leg.bridge
            line = await self._line(bridge, leg.line.engine)
            leg.bridge = bridge
            try:
                if line is not None:
                    await leg.line.order(Join(leg.name, bridge))
            except TROUBLES:
                leg.bridge = ""
            if before and before != bridge:
                self.left(before)

    async def part(self, leg: Leg) -> None:
        """Take a leg out of its bridge."""
        before, leg.bridge = leg.bridge, ""
        if not before:
            return
        try:
            await leg.line.order(Leave(leg.name))
        except TROUBLES:
            pass
        self.left(before)

    def left(self, bridge: str) -> None:
        """Close a bridge that no leg is in any more."""
        if any(leg.bridge == bridge for leg in self._board.legs.values()):
            return
        for name, line in self._ties.pop(bridge, ()):
            line.order(CloseLeg(name))
        for line in self._bridges.pop(bridge, {}).values():
            line.order(CloseBridge(bridge))

    def lost(self, engine: str) -> None:
        """An engine is gone with its part of every bridge."""
        for bridge, lines in self._bridges.items():
            if lines.pop(engine, None) is not None and bridge in self._ties:
                self._ties[bridge] = [tie for tie in self._ties[bridge] if tie[1].engine != engine]

    async def _line(self, bridge: str, engine: str) -> Line | None:
        """Return a line to an engine where the bridge is open, tied to where it was before."""
        lines = self._bridges.setdefault(bridge, {})
        known = lines.get(engine)
        if known is not None:
            return known
        others = list(lines.values())
        line = lines[engine] = self._board.line(engine)
        try:
            await line.order(OpenBridge(bridge))
            if others:
                await self._tie(bridge, others[0], line)
        except TROUBLES:
            lines.pop(engine, None)
            return None
        return line

    async def _tie(self, bridge: str, one: Line, other: Line) -> None:
        names = (f"{bridge[:40]}>{other.engine[:20]}", f"{bridge[:40]}<{other.engine[:20]}")
        self._ties.setdefault(bridge, []).extend(zip(names, (one, other), strict=True))
        first = await one.order(OpenRtp(names[0], internal(None)))
        assert isinstance(first, Opened)
        second = await other.order(OpenRtp(names[1], internal(self._inside(first))))
        assert isinstance(second, Opened)
        await one.order(Change(names[0], internal(self._inside(second))))
        await one.order(Join(names[0], bridge))
        await other.order(Join(names[1], bridge))

    # --- echo -----------------------------------------------------------------------------------------------

    async def echo(self, leg: Leg, *, on: bool) -> None:
        """Send a leg what it says: into a bridge goes a leg whose peer is itself."""
        if on is leg.echoes or leg.over:
            return
        name = echo_name(leg)
        if not on:
            leg.echoes, leg.bridge = False, ""
            self._bridges.pop(name, None)
            leg.line.order(CloseLeg(name))
            leg.line.order(CloseBridge(name))
            return
        await self.part(leg)
        leg.echoes, leg.bridge = True, name
        try:
            opened = await leg.line.order(OpenRtp(name, internal(None)))
            assert isinstance(opened, Opened)
            leg.line.order(Change(name, internal(self._inside(opened))))
            leg.line.order(OpenBridge(name))
            leg.line.order(Join(name, name))
            await leg.line.order(Join(leg.name, name))
        except TROUBLES:
            leg.echoes, leg.bridge = False, ""

    def over(self, leg: Leg) -> None:
        """A leg is over: what it leaves behind goes too."""
        if leg.echoes:
            leg.echoes = False
            leg.line.order(CloseLeg(echo_name(leg)))
            leg.line.order(CloseBridge(echo_name(leg)))
        elif leg.bridge:
            bridge, leg.bridge = leg.bridge, ""
            self.left(bridge)

    def _inside(self, opened: Opened) -> Address:
        """Return where a leg of an engine is reached from this machine."""
        assert opened.local is not None
        host = self._board.settings.media_address or opened.local.host
        return Address(_LOOP if host == _ANY else host, opened.local.port)


def internal(remote: Address | None) -> Media:
    """Return what is negotiated with an engine."""
    return Media(remote=remote, formats=(WIDE,), latch=Latch.NEVER, timeout=0.0)


def echo_name(leg: Leg) -> str:
    """Return the name of a leg's echo, and of the bridge that it is in."""
    return f"echo:{leg.name}"[:64]
