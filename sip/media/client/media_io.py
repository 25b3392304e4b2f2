"""Media I/O as a gateway uses it: prompts as sounds in memory, recordings."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from sip.media.client.control import ControlClient, Dialect, Greeting, MediaAway
from sip.media.clips import Memory, is_sealed
from sip.media.io import protocol
from sip.media.io.protocol import (
    Command,
    Event,
    Load,
    PreparePrompt,
    PromptFailed,
    PromptReady,
    Recording,
    Refusal,
    Reply,
    StartRecording,
)
from sip.media.io.transcoders import PromptUnusable

log = structlog.get_logger(__name__)

PREPARE_SECONDS: Final = 60.0
"""How long a prompt may take from the request to its sound: more than fetching and decoding may together."""


def _greeting(reply: Any) -> Greeting | None:  # noqa: ANN401 - whatever came
    return Greeting(reply.start, reply) if isinstance(reply, protocol.Welcome) else None


DIALECT: Final = Dialect(
    frame=protocol.Frame,
    request=protocol.Request,
    answer=protocol.Answer,
    told=protocol.Told,
    refused=protocol.Refused,
    hello=protocol.Hello,
    greeting=_greeting,
    beat=protocol.AskLoad(),
    full=frozenset({Refusal.FULL}),
)
"""How media I/O is spoken to (`sip.media.io.protocol`)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sound that an engine can be given (`Engines.give_clip`)."""

    clip: str
    rate: int
    samples: int
    memory: Memory


class Listener(Protocol):
    """Whoever is told what becomes of recordings."""

    def recording_event(self, event: Event) -> None:
        """A recording went on, or ended."""
        ...

    def recordings_lost(self) -> None:
        """Media I/O is gone: every recording ended where it was; its next start repairs and tells them."""
        ...


class MediaIo:
    """The client of the node's media I/O."""

    def __init__(self, path: Path, *, owner: str, listener: Listener) -> None:
        """`path` is its control socket, `owner` the same after a restart of ours."""
        self.client = ControlClient("media-io", path, owner=owner, dialect=DIALECT, watcher=self)
        self.load: Load | None = None
        """Its last word; None while it is not connected."""
        self.restarts = 0
        """How often it was lost."""
        self._listener = listener
        self._prompts: dict[str, asyncio.Future[Prompt]] = {}
        self._counter = 0

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self.client.start()

    async def stop(self) -> None:
        """Leave it; recordings go on."""
        await self.client.stop()

    async def prompt(self, source: str, rate: int) -> Prompt:
        """Return a source's sound: `https://…`, `http://…`, or `store:NAME`.

        Raises PromptUnusable, which says why, MediaAway and MediaFull.
        """
        self._counter += 1
        name = f"{self._counter}"
        future = self._prompts[name] = asyncio.get_running_loop().create_future()
        try:
            await self.client.ask(PreparePrompt(name, source, rate))
            async with asyncio.timeout(PREPARE_SECONDS):
                sound: Prompt = await future
                return sound
        except TimeoutError:
            raise MediaAway("Media I/O does not say what became of a prompt.") from None
        finally:
            self._prompts.pop(name, None)

    async def record(self, order: StartRecording) -> tuple[str, ...]:
        """Begin a recording; return for each track where its tap goes (`Tap.peer`).

        Raises MediaAway, MediaFull, and MediaRefused with a reason of `protocol.Refusal`.
        """
        reply = await self.ask(order)
        return reply.peers if isinstance(reply, Recording) else ()

    async def ask(self, command: Command) -> Reply:
        """Ask for something. Raises MediaAway, MediaFull, MediaRefused."""
        reply: Reply = await self.client.ask(command)
        return reply

    # What the client tells (`Watcher`).

    def event(self, client: ControlClient, event: Any, descriptors: Sequence[int]) -> None:  # noqa: ANN401
        """Take an event."""
        memories = [Memory(descriptor) for descriptor in descriptors]
        if isinstance(event, PromptReady):
            self._ready(event, memories)
        elif isinstance(event, PromptFailed):
            future = self._prompts.get(event.prompt)
            if future is not None and not future.done():
                future.set_exception(PromptUnusable(event.text, event.reason, answered=event.status))
        else:
            self._listener.recording_event(event)

    def _ready(self, event: PromptReady, memories: list[Memory]) -> None:
        future = self._prompts.get(event.prompt)
        if future is None or future.done():
            return
        octets = 2 * event.samples
        if not memories or not is_sealed(memories[0].descriptor):
            future.set_exception(MediaAway("Media I/O sent no sound."))
        elif os.fstat(memories[0].descriptor).st_size < octets:
            future.set_exception(MediaAway("Media I/O sent less sound than it says."))
        else:
            future.set_result(Prompt(event.clip, event.rate, event.samples, memories[0]))

    def beat(self, client: ControlClient, reply: Any) -> None:  # noqa: ANN401
        """Take its load."""
        if isinstance(reply, Load):
            self.load = reply

    def back(self, client: ControlClient, *, fresh: bool) -> None:
        """It is there."""
        log.info("media.io_connected", fresh=fresh)

    def away(self, client: ControlClient, reason: str) -> None:
        """It is not connected any more: nobody tells what becomes of prompts."""
        self.load = None
        log.warning("media.io_away", reason=reason)
        for future in self._prompts.values():
            if not future.done():
                future.set_exception(MediaAway("Media I/O is gone."))
                future.exception()  # seen, also when nobody waits any more

    def lost(self, client: ControlClient) -> None:
        """It is gone with its recordings."""
        self.restarts += 1
        log.error("media.io_lost")
        self._listener.recordings_lost()
