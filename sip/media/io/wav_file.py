"""A recording's file under way. Its functions block: they are for a thread of the writers."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from sip.media.io import wav
from sip.media.io.timeline import Block, Samples

MODE: Final = 0o600
"""What was said on the telephone is for nobody else on the machine."""


class WavFile:
    """`write` blocks, then `finish`; every method raises OSError for what the disk refuses."""

    def __init__(self, final: Path, *, rate: int, channels: int, sync_seconds: float) -> None:
        """Make the file. Raises FileExistsError when there is one of that name, under way or finished."""
        self.final = final
        self._part = final.with_name(final.name + wav.PART)
        self._rate, self._channels = rate, channels
        self._sync_seconds = sync_seconds
        self._frame = wav.WIDTH * channels
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if final.exists():
            raise FileExistsError(f"{final.name} exists")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._part, flags, MODE)
        self._length = 0
        self._synced = time.monotonic()
        try:
            self._head()
        except OSError:
            self.remove()
            raise

    @property
    def octets(self) -> int:
        """Size of the file so far."""
        return wav.HEADER_OCTETS + self._length * self._frame

    @property
    def seconds(self) -> float:
        """How much sound it holds."""
        return self._length / self._rate

    def write(self, blocks: Iterable[Block]) -> bool:
        """Write blocks; tell whether they were forced to disk with all before."""
        for block in blocks:
            if block.patch:
                self._patch(block)
            else:
                self._put(block.samples, block.position)
                self._length = max(self._length, block.position + len(block.samples))
        now = time.monotonic()
        if not self._sync_seconds or now - self._synced < self._sync_seconds:
            return False
        self._head()
        os.fdatasync(self._descriptor)
        self._synced = now
        return True

    def finish(self, frames: int) -> None:
        """Make the file whole, with so many frames, and give it its name."""
        self._length = frames
        os.ftruncate(self._descriptor, self.octets)  # silence at the end was never written
        self._head()
        os.fsync(self._descriptor)
        self._close()
        wav.publish(self._part, self.final)

    def abandon(self) -> float:
        """Make whole what there is after an error; return how many seconds that are, 0 for no file at all."""
        self._close()
        try:
            _, seconds = wav.repair(self._part)
        except wav.NotWav:
            self._part.unlink()
            return 0.0
        return seconds

    def remove(self) -> None:
        """Take the file away, as if it had never been."""
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _head(self) -> None:
        self._write(wav.header(self._rate, self._channels, self._length * self._frame), 0)

    def _put(self, samples: Samples, position: int) -> None:
        self._write(samples.tobytes(), wav.HEADER_OCTETS + position * self._frame)

    def _patch(self, block: Block) -> None:
        """Add samples to what stands in the file; beyond its end that is silence."""
        count = len(block.samples)
        offset = wav.HEADER_OCTETS + block.position * self._frame
        there = os.pread(self._descriptor, count * self._frame, offset).ljust(count * self._frame, b"\0")
        before = np.frombuffer(there, np.int16).reshape(count, self._channels).astype(np.int32)
        self._put(np.clip(before + block.samples, -32768, 32767).astype(np.int16), block.position)
        self._length = max(self._length, block.position + count)

    def _write(self, octets: bytes, offset: int) -> None:
        rest = memoryview(octets)
        while rest:
            written = os.pwrite(self._descriptor, rest, offset)
            rest, offset = rest[written:], offset + written
