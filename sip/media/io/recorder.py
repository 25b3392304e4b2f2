"""A recording: the sockets of its tracks, its timeline, its file, written by a thread beside the loop."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import structlog

from sip.media import pcm
from sip.media.io import wav
from sip.media.io.protocol import (
    End,
    Event,
    Layout,
    RecordingFailed,
    RecordingFinished,
    RecordingProgress,
    StartRecording,
)
from sip.media.io.streams import Inlet
from sip.media.io.timeline import Block, Timeline
from sip.media.io.wav_file import WavFile

log = structlog.get_logger(__name__)

T = TypeVar("T")

BACKLOG_SECONDS: Final = 10.0
"""Sound that may wait for the disk; a disk that is slower than that is as good as full."""

Finish = Callable[[Path], Awaitable[Path]]
"""What is done to a whole file, and its new path: MP3. Raises OSError when the disk refuses."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recording is kept, and what it may take."""

    folder: Path
    file: str
    """Below the folder, without its ending."""
    max_seconds: float
    sync_seconds: float

    @property
    def path(self) -> Path:
        """The finished file."""
        return self.folder / f"{self.file}.wav"


class Recorder:
    """Records from `start` until it is stopped, every track ended, it is full, or the disk refuses.

    `tell` gets its events; `ended` is called once, after the last of them.
    """

    def __init__(
        self,
        order: StartRecording,
        place: Place,
        *,
        writers: Executor,
        tell: Callable[[Event], None],
        ended: Callable[[], None],
        flush: Callable[[], float],
        finish: Finish | None = None,
    ) -> None:
        """`flush` tells how many seconds of sound make a write."""
        self.order = order
        self._place, self._writers, self._finish = place, writers, finish
        self._tell, self._ended, self._flush = tell, ended, flush
        mixed = order.layout is Layout.MIXED
        self._channels = 1 if mixed else len(order.tracks)
        frame = wav.WIDTH * self._channels
        limit = min(int(place.max_seconds * order.rate), wav.MAX_DATA // frame)
        self._timeline = Timeline(len(order.tracks), order.rate, mixed=mixed, limit=limit)
        self._inlets: list[Inlet] = []
        self._blocks: list[Block] = []
        self._writing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._file: WavFile | None = None
        self._heard = False
        self._refused = 0

    @property
    def peers(self) -> tuple[str, ...]:
        """The sockets of the tracks, in their order."""
        return tuple(os.fspath(inlet.path) for inlet in self._inlets)

    @property
    def dropped(self) -> int:
        """Frames that had no place in it."""
        malformed = sum(inlet.malformed for inlet in self._inlets)
        return self._timeline.dropped + self._refused + malformed

    async def start(self, sockets: list[Path]) -> None:
        """Make the file, and a socket for each track. Raises OSError; then nothing is left behind."""
        place = self._place
        self._file = await self._in_thread(
            partial(
                WavFile,
                place.path,
                rate=self.order.rate,
                channels=self._channels,
                sync_seconds=place.sync_seconds,
            )
        )
        try:
            for track, path in enumerate(sockets):
                self._inlets.append(Inlet(path, partial(self._take, track)))
        except OSError:
            self._close_inlets()
            await self._in_thread(self._file.remove)
            raise

    def pause(self) -> None:
        """Leave out what comes from now on."""
        for inlet in self._inlets:
            inlet.drain()
        self._timeline.pause()

    def resume(self) -> None:
        """Go on."""
        for inlet in self._inlets:
            inlet.drain()
        self._timeline.resume()

    def stop(self, reason: End = End.STOPPED, text: str = "") -> None:
        """End it; what the kernel holds already is recorded. Works twice: the first reason counts."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason, text), name="recording-close")

    async def wait(self) -> None:
        """Return when it has ended."""
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def _take(self, track: int, frame: pcm.Frame) -> None:
        if frame.rate != self.order.rate:
            self._refused += 1
            return
        samples = np.frombuffer(frame.samples, np.int16)
        last = bool(frame.flags & pcm.LAST)
        self._timeline.put(track, frame.sequence, frame.time, samples, last=last)
        if not self._heard:
            self._heard = True
            self._tell(RecordingProgress(self.order.recording, 0.0, wav.HEADER_OCTETS))
        self._blocks += self._timeline.take(self._flush())
        if self._closing is not None:
            return
        if self._blocks and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="recording-write")
        if self._timeline.full:
            self.stop(End.LIMIT)
        elif self._timeline.over:
            self.stop()
        elif sum(len(block.samples) for block in self._blocks) > BACKLOG_SECONDS * self.order.rate:
            self.stop(End.DISK, "The disk is too slow.")

    async def _write(self) -> None:
        """Write until nothing waits."""
        assert self._file is not None
        try:
            while self._blocks:
                blocks, self._blocks = self._blocks, []
                if await self._in_thread(partial(self._file.write, blocks)):
                    self._tell(RecordingProgress(self.order.recording, self._file.seconds, self._file.octets))
        except OSError as error:
            self.stop(End.DISK, _words(error))
        finally:
            self._writing = None

    async def _close(self, reason: End, text: str) -> None:
        file = self._file
        assert file is not None
        if reason is End.STOPPED:
            for inlet in self._inlets:
                inlet.drain()
        self._close_inlets()
        if self._writing is not None:
            await self._writing
        event: Event
        try:
            if reason is not End.DISK:
                await self._in_thread(partial(file.write, [*self._blocks, *self._timeline.finish()]))
                await self._in_thread(partial(file.finish, self._timeline.length))
                event = await self._whole(file, reason)
            else:
                event = await self._broken(file, text)
        except OSError as error:
            event = await self._broken(file, _words(error))
        self._tell(event)
        self._ended()
        log.info("recording.ended", recording=self.order.recording, reason=str(event.reason))

    async def _whole(self, file: WavFile, reason: End) -> RecordingFinished:
        path = file.final
        if self._finish is not None:
            path = await self._finish(path)
        octets = (await self._in_thread(path.stat)).st_size
        return RecordingFinished(
            self.order.recording,
            os.fspath(path.relative_to(self._place.folder)),
            file.seconds,
            octets,
            reason,
            late=self._timeline.late,
            lost=self._timeline.lost,
        )

    async def _broken(self, file: WavFile, text: str) -> RecordingFailed:
        """Keep what there is of a file that the disk does not take."""
        log.warning("recording.failed", recording=self.order.recording, reason=text)
        name, seconds = "", 0.0
        try:
            seconds = await self._in_thread(file.abandon)
            name = os.fspath(file.final.relative_to(self._place.folder)) if seconds else ""
        except OSError as error:  # what is left is repaired at the next start
            log.warning("recording.unrepaired", recording=self.order.recording, reason=_words(error))
        return RecordingFailed(self.order.recording, name, seconds, End.DISK, text)

    def _close_inlets(self) -> None:
        for inlet in self._inlets:
            inlet.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writers, work)


def _words(error: OSError) -> str:
    return f"{error.strerror or error}."
