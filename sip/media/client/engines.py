"""The node's engines as a gateway uses them: one client each, calls placed by load, clips where they play."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from sip.media import protocol
from sip.media.client.control import ControlClient, Dialect, Greeting, MediaAway, MediaFull, MediaRefused
from sip.media.client.placement import Placement
from sip.media.protocol import Command, Event, Load, PutClip, Refusal, Reply, Statistics

log = structlog.get_logger(__name__)


def _greeting(reply: Any) -> Greeting | None:  # noqa: ANN401 - whatever came
    return Greeting(reply.engine, reply) if isinstance(reply, protocol.Welcome) else None


DIALECT: Final = Dialect(
    frame=protocol.Frame,
    request=protocol.Request,
    answer=protocol.Answer,
    told=protocol.Told,
    refused=protocol.Refused,
    hello=protocol.Hello,
    greeting=_greeting,
    beat=protocol.AskLoad(),
    full=frozenset({Refusal.FULL, Refusal.DRAINING}),
)
"""How engines are spoken to (`sip.media.protocol`)."""


class Listener(Protocol):
    """Whoever is told what happens in the engines, in order."""

    def media_event(self, engine: str, event: Event) -> None:
        """Something happened in an engine."""
        ...

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        """An engine is gone, and with it every leg of these calls."""
        ...

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        """An engine is connected; one that is not `fresh` may have legs: `Survey` tells."""
        ...


class Engines:
    """The clients of all engines of a node, which are told in words of calls rather than of sockets."""

    def __init__(self, sockets: Mapping[str, Path], *, owner: str, listener: Listener) -> None:
        """`sockets` has the engines' control sockets by name; `owner` is the same after a restart of ours."""
        self.clients: dict[str, ControlClient] = {
            name: ControlClient(name, path, owner=owner, dialect=DIALECT, watcher=self)
            for name, path in sockets.items()
        }
        self.loads: dict[str, Load] = {}
        """The last word of each engine that is connected."""
        self.restarts = 0
        """How often an engine was lost."""
        self._listener = listener
        self._placement = Placement()
        self._clips: dict[str, set[str]] = {}

    def start(self) -> None:
        """Begin to connect; returns at once, for engines may come later or never."""
        for client in self.clients.values():
            client.start()

    async def stop(self) -> None:
        """Leave the engines; what they hold goes on."""
        for client in self.clients.values():
            await client.stop()

    def place(self, call: str, legs: int = 2) -> str:
        """Return the engine for so many more legs of a call (or conference). Raises MediaFull."""
        engine = self._placement.place(call, legs)
        if engine is None:
            away = [name for name, client in self.clients.items() if not client.connected]
            reason = f"not connected: {', '.join(away)}" if away else "each is full"
            raise MediaFull(f"No media engine takes another call ({reason}).")
        return engine

    def ended(self, call: str) -> None:
        """A call is over: its place is free."""
        self._placement.ended(call)

    def found(self, call: str, engine: str) -> None:
        """A call was found in an engine by `Survey`."""
        self._placement.found(call, engine)

    def where(self, call: str) -> str | None:
        """Return the engine that has a call."""
        return self._placement.where(call)

    async def ask(self, engine: str, command: Command, descriptors: Sequence[int] = ()) -> Reply:
        """Ask an engine for something. Raises MediaAway, MediaFull, MediaRefused."""
        client = self.clients.get(engine)
        if client is None:
            raise MediaAway(f"There is no media engine {engine}.")
        try:
            reply: Reply = await client.ask(command, descriptors)
        except MediaFull:
            self._placement.refused(engine)
            raise
        return reply

    async def give_clip(self, engine: str, clip: str, descriptor: int, *, rate: int, samples: int) -> None:
        """Let an engine have a clip, once. `descriptor` (see `sip.media.clips`) stays the caller's."""
        there = self._clips.setdefault(engine, set())
        if clip in there:
            return
        await self.ask(engine, PutClip(clip, rate, samples), (descriptor,))
        there.add(clip)

    async def forget_clip(self, clip: str) -> None:
        """Let every engine forget a clip."""
        for engine, there in self._clips.items():
            if clip in there:
                there.discard(clip)
                try:
                    await self.ask(engine, protocol.DropClip(clip))
                except (MediaAway, MediaRefused):  # it is gone, with the engine or without
                    log.debug("media.clip_gone", engine=engine, clip=clip)

    async def quality(self, leg: str) -> tuple[str, Statistics] | None:
        """Return the engine that has a leg, and the leg's statistics; None when no engine knows it."""
        for name, client in self.clients.items():
            try:
                reply = await client.ask(protocol.Quality(leg))
            except (MediaAway, MediaRefused):
                continue
            if isinstance(reply, Statistics):
                return name, reply
        return None

    # What the clients tell (`Watcher`).

    def event(self, client: ControlClient, event: Any, descriptors: Sequence[int]) -> None:  # noqa: ANN401
        """Pass an event on; engines send no descriptors."""
        for descriptor in descriptors:
            os.close(descriptor)
        self._listener.media_event(client.name, event)

    def beat(self, client: ControlClient, reply: Any) -> None:  # noqa: ANN401
        """Take an engine's load."""
        if isinstance(reply, Load):
            self.loads[client.name] = reply
            self._placement.report(client.name, reply)

    def back(self, client: ControlClient, *, fresh: bool) -> None:
        """An engine is there."""
        log.info("media.engine_connected", engine=client.name, fresh=fresh)
        self._listener.engine_back(client.name, fresh=fresh)

    def away(self, client: ControlClient, reason: str) -> None:
        """An engine is not connected any more."""
        self.loads.pop(client.name, None)
        self._placement.away(client.name)
        log.warning("media.engine_away", engine=client.name, reason=reason)

    def lost(self, client: ControlClient) -> None:
        """An engine is gone with its legs."""
        self.restarts += 1
        self._clips.pop(client.name, None)
        calls = self._placement.lost(client.name)
        log.error("media.engine_lost", engine=client.name, calls=len(calls))
        self._listener.calls_lost(client.name, calls)
