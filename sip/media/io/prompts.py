"""Sounds that are played: fetched, decoded, kept in shared memory as long as there is room."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from sip.media.clips import Memory
from sip.media.io.fetching import Body, Fetcher
from sip.media.io.protocol import Failure
from sip.media.io.settings import PromptSettings
from sip.media.io.transcoders import PromptUnusable, Transcoders

log = structlog.get_logger(__name__)

CLIP_NAME: Final = 40
"""Characters of a digest in a clip's name: 160 bits."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A decoded sound."""

    clip: str
    rate: int
    samples: int
    memory: Memory


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file that was fetched."""

    body: Body
    digest: str
    checked: float


class Prompts:
    """Gives sounds. Whoever asks for what is being made waits for the same."""

    def __init__(
        self,
        settings: PromptSettings,
        fetcher: Fetcher,
        transcoders: Transcoders,
        monotonic: Callable[[], float],
    ) -> None:
        """`monotonic` tells seconds."""
        self._settings, self._fetcher, self._transcoders = settings, fetcher, transcoders
        self._monotonic = monotonic
        self._files: OrderedDict[str, _Kept] = OrderedDict()
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._running: dict[tuple[str, int], asyncio.Task[Sound]] = {}
        self.octets = 0
        """Octets that are kept."""

    @property
    def decoding(self) -> int:
        """Sounds in the making."""
        return len(self._running)

    @property
    def kept(self) -> int:
        """Sounds that are kept."""
        return len(self._sounds)

    async def get(self, source: str, rate: int) -> Sound:
        """Return a source's sound at `rate`. Raises PromptUnusable."""
        key = (source, rate)
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._make(source, rate), name="prompt")
            task.add_done_callback(lambda done: self._made(key, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up what is in the making, forget what is kept."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._sounds.clear()
        self._files.clear()
        self.octets = 0

    def _made(self, key: tuple[str, int], task: asyncio.Task[Sound]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more

    async def _make(self, source: str, rate: int) -> Sound:
        kept = await self._file(source)
        name = f"{kept.digest}-{rate}"
        sound = self._sounds.get(name)
        if sound is not None:
            self._sounds.move_to_end(name)
            return sound
        memory, samples = await self._transcoders.decode(
            name, kept.body.octets, rate=rate, max_seconds=self._settings.seconds
        )
        made = Sound(name, rate, samples, memory)
        other = self._sounds.get(name)
        if other is not None:  # two sources with the same octets were decoded at once
            return other
        self._sounds[name] = made
        self.octets += 2 * samples
        self._trim(keep=name)
        return made

    async def _file(self, source: str) -> _Kept:
        """Return a source's file, asked for again when it is not fresh."""
        known = self._files.get(source)
        now = self._monotonic()
        if known is not None and now - known.checked < self._settings.fresh_seconds:
            self._files.move_to_end(source)
            return known
        try:
            body = await self._fetcher.fetch(source, known.body if known else None)
        except PromptUnusable as error:
            if known is None or error.failure is not Failure.UNREACHABLE:
                self._drop(source)
                raise
            # A caller who hears the sound of a minute ago is better off than one who hears nothing.
            log.warning("prompt.stale", reason=error.message)
            body = known.body
        self._drop(source)
        if known is not None and body is known.body:
            kept = replace(known, checked=now)
        else:
            kept = _Kept(body, hashlib.sha256(body.octets).hexdigest()[:CLIP_NAME], now)
        self._files[source] = kept
        self.octets += len(body.octets)
        self._trim(keep="")
        return kept

    def _drop(self, source: str) -> None:
        dropped = self._files.pop(source, None)
        if dropped is not None:
            self.octets -= len(dropped.body.octets)

    def _trim(self, keep: str) -> None:
        """Forget what was used longest ago, beyond what may be kept: files first, they are fetched again."""
        while self.octets > self._settings.cache_octets and self._files:
            self._drop(next(iter(self._files)))
        while self.octets > self._settings.cache_octets and len(self._sounds) > (keep in self._sounds):
            name = next(each for each in self._sounds if each != keep)
            self.octets -= 2 * self._sounds.pop(name).samples
