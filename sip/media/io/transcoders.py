"""Decoding and encoding in processes that can be given up (`sip.media.io.transcode`), a few at once."""

import asyncio
import os
import sys
from typing import Final

import msgspec
import structlog

from sip.media.clips import Memory, make_clip, open_memory, seal
from sip.media.io.protocol import Failure
from telephony.kernel.errors import RemoteError

log = structlog.get_logger(__name__)

WORKER: Final = "sip.media.io.transcode"

MAX_ANSWER: Final = 4096
"""Octets of a worker's result that are read."""


class PromptUnusable(RemoteError):
    """A sound cannot be had; `failure` says why in the protocol's word."""

    metric = "prompt_unusable"

    def __init__(self, message: str, failure: Failure, *, answered: int | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.answered = answered
        """The status that a server answered."""


class _Result(msgspec.Struct):
    samples: int = 0
    error: str = ""
    text: str = ""


class Transcoders:
    """Runs the worker processes."""

    def __init__(self, *, at_once: int, seconds: float) -> None:
        """`seconds` is how long one may take."""
        self._places = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def decode(self, name: str, body: bytes, *, rate: int, max_seconds: float) -> tuple[Memory, int]:
        """Return the sealed memory of a file's sound, and its number of samples.

        Raises PromptUnusable.
        """
        async with self._places:
            try:
                source, target = Memory(make_clip(f"{name}-source", body)), Memory(open_memory(name))
            except OSError as error:
                raise PromptUnusable(f"There is no memory: {error.strerror}.", Failure.FAILED) from error
            most = int(max_seconds * rate)
            result = await self._run(
                "decode",
                source.descriptor,
                target.descriptor,
                "--rate",
                str(rate),
                "--max-samples",
                str(most),
            )
            if result.error:
                raise PromptUnusable(result.text, Failure(result.error))
            seal(target.descriptor)
            return target, result.samples

    async def encode(self, source: int, target: int) -> None:
        """Write the WAV file behind a descriptor into another as MP3. Raises PromptUnusable."""
        async with self._places:
            result = await self._run("encode", source, target)
        if result.error:
            raise PromptUnusable(result.text, Failure(result.error))

    async def _run(self, what: str, source: int, target: int, *arguments: str) -> _Result:
        os.lseek(source, 0, os.SEEK_SET)
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", WORKER, what, "--source", str(source), "--target", str(target)),
            *("--seconds", str(max(1, round(self._seconds)))),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(source, target),
        )
        assert worker.stdout is not None
        try:
            async with asyncio.timeout(self._seconds):
                answer = await worker.stdout.read(MAX_ANSWER)
                await worker.wait()
        except TimeoutError:
            raise PromptUnusable(
                f"Decoding took more than {self._seconds:g} s.", Failure.UNREADABLE
            ) from None
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        try:
            return msgspec.json.decode(answer, type=_Result)
        except msgspec.MsgspecError:
            log.warning("media.worker_died", what=what, status=worker.returncode)
            text = f"The process that read the file ended with {worker.returncode}."
            raise PromptUnusable(text, Failure.UNREADABLE) from None
