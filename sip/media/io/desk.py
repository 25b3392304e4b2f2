"""What media I/O does when it is asked: prompts, recordings, its load."""

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import structlog

from sip.media import pcm
from sip.media.clips import Memory
from sip.media.io.owners import Owner
from sip.media.io.prompts import Prompts
from sip.media.io.protocol import (
    Done,
    Kind,
    Layout,
    Load,
    PreparePrompt,
    PromptFailed,
    PromptReady,
    Recording,
    RecordingFailed,
    Refusal,
    Refused,
    Reply,
    StartRecording,
)
from sip.media.io.recorder import Place, Recorder
from sip.media.io.settings import RecordingSettings
from sip.media.io.transcoders import PromptUnusable, Transcoders

log = structlog.get_logger(__name__)

MAX_PREPARING: Final = 200
"""Prompts that are waited for at once: more than that no node decodes in the seconds that a caller waits."""

WRITERS: Final = 4
"""Threads that write: a disk that is stuck holds them all, however many."""

FLUSH_SECONDS: Final = 0.04
FLUSH_MORE: Final = 0.001
"""Seconds of sound a write, and more for each recording that runs: a crash costs little while there are few,
and the writers have a thousand a second to do at most."""

MP3_CHANNELS: Final = 2
"""Channels of an MP3 (ISO/IEC 11172-3)."""


class Desk:
    """Carries requests out. `stop` ends every recording properly."""

    def __init__(
        self,
        *,
        prompts: Prompts,
        transcoders: Transcoders,
        settings: RecordingSettings,
        folder: Path,
        sockets: Path,
    ) -> None:
        """`folder` is where recordings are kept, `sockets` where their sockets are made."""
        self._prompts, self._transcoders = prompts, transcoders
        self._settings, self._folder, self._sockets = settings, folder, sockets
        self._recordings: dict[tuple[str, str], Recorder] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="recording")
        self._preparing = self._counter = self._dropped = self._failed = 0

    def recordings(self, owner: str) -> tuple[str, ...]:
        """Return the names of an owner's recordings that run."""
        return tuple(sorted(name for whose, name in self._recordings if whose == owner))

    def load(self) -> Load:
        """Return how busy it is."""
        return Load(
            recordings=len(self._recordings),
            max_recordings=self._settings.at_once,
            decoding=self._prompts.decoding,
            cached=self._prompts.kept,
            cached_octets=self._prompts.octets,
            dropped=self._dropped + sum(each.dropped for each in self._recordings.values()),
            failed=self._failed,
        )

    async def stop(self) -> None:
        """End what runs; recordings are finished and told."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        running = tuple(self._recordings.values())
        for recorder in running:
            recorder.stop()
        for recorder in running:
            await recorder.wait()
        await asyncio.to_thread(self._writers.shutdown)

    def prepare(self, owner: Owner, order: PreparePrompt) -> Reply:
        """Begin to fetch and decode a prompt."""
        if order.rate not in pcm.RATES:
            return Refused(Refusal.UNSUPPORTED, f"{order.rate} samples a second: expected {_RATES}")
        if self._preparing >= MAX_PREPARING:
            return Refused(Refusal.FULL, f"{MAX_PREPARING} prompts are being prepared already")
        self._preparing += 1
        self._spawn(self._prepare(owner, order))
        return Done()

    async def _prepare(self, owner: Owner, order: PreparePrompt) -> None:
        try:
            sound = await self._prompts.get(order.source, order.rate)
        except PromptUnusable as error:
            log.info("prompt.unusable", prompt=order.prompt, reason=str(error.failure), text=error.message)
            owner.tell(PromptFailed(order.prompt, error.failure, error.message, error.answered))
        else:
            owner.tell(PromptReady(order.prompt, sound.clip, sound.rate, sound.samples), sound.memory)
        finally:
            self._preparing -= 1

    async def record(self, owner: Owner, order: StartRecording) -> Reply:
        """Begin a recording."""
        if order.rate not in pcm.RATES:
            return Refused(Refusal.UNSUPPORTED, f"{order.rate} samples a second: expected {_RATES}")
        channels = 1 if order.layout is Layout.MIXED else len(order.tracks)
        if order.kind is Kind.MP3 and channels > MP3_CHANNELS:
            return Refused(Refusal.UNSUPPORTED, f"{channels} channels: an MP3 has {MP3_CHANNELS} at most")
        key = (owner.name, order.recording)
        known = self._recordings.get(key)
        if known is not None:
            if known.order == order:
                return Recording(known.peers)
            return Refused(Refusal.CONFLICT, f"the recording {order.recording} runs with other settings")
        if len(self._recordings) >= self._settings.at_once:
            return Refused(Refusal.FULL, f"{self._settings.at_once} recordings run already")
        ceiling = self._settings.seconds
        place = Place(
            self._folder,
            order.file,
            min(order.max_seconds or ceiling, ceiling),
            self._settings.sync_seconds,
        )

        def tell(event: Any) -> None:  # noqa: ANN401 - one of the events
            self._failed += isinstance(event, RecordingFailed)
            owner.tell(event)

        recorder = Recorder(
            order,
            place,
            writers=self._writers,
            tell=tell,
            ended=lambda: self._ended(key),
            flush=self._flush,
            finish=self._as_mp3 if order.kind is Kind.MP3 else None,
        )
        self._recordings[key] = recorder
        self._counter += 1
        names = [self._sockets / f"r{self._counter}-{track}" for track in range(len(order.tracks))]
        try:
            await recorder.start(names)
        except FileExistsError:
            del self._recordings[key]
            return Refused(Refusal.CONFLICT, f"there is a recording {order.file} already")
        except OSError as error:
            del self._recordings[key]
            return Refused(Refusal.DISK, f"the file cannot be made: {error.strerror}")
        return Recording(recorder.peers)

    def running(self, owner: Owner, name: str) -> Recorder | None:
        """Return an owner's recording."""
        return self._recordings.get((owner.name, name))

    def _flush(self) -> float:
        return FLUSH_SECONDS + FLUSH_MORE * len(self._recordings)

    def _ended(self, key: tuple[str, str]) -> None:
        self._dropped += self._recordings.pop(key).dropped

    async def _as_mp3(self, path: Path) -> Path:
        """Encode a WAV file, and remove it. What cannot be encoded stays a WAV file."""
        final = path.with_suffix(".mp3")
        part = final.with_name(final.name + ".new")
        source = Memory(await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC))
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        target = Memory(await asyncio.to_thread(os.open, part, flags, 0o600))
        try:
            await self._transcoders.encode(source.descriptor, target.descriptor)
            await asyncio.to_thread(os.fsync, target.descriptor)
        except (PromptUnusable, OSError) as error:
            log.warning("recording.not_encoded", reason=str(error))
            await asyncio.to_thread(part.unlink)
            return path
        await asyncio.to_thread(part.rename, final)
        await asyncio.to_thread(path.unlink)
        return final

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="media-io")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_RATES: Final = ", ".join(map(str, pcm.RATES))
