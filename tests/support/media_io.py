"""Media I/O with a client, in this process or as one of its own."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sip.media.client.media_io import MediaIo
from sip.media.io.main import serve
from sip.media.io.protocol import Event, RecordingProgress
from sip.media.io.settings import IoSettings
from telephony.kernel.http.outbound_addresses import OutboundSettings
from tests.support.media_fakes import json_of


class Recordings:
    """Hears of recordings."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.lost = asyncio.Event()

    def recording_event(self, event: Event) -> None:
        """Keep what is told."""
        self.events.put_nowait(event)

    def recordings_lost(self) -> None:
        """Keep that, too."""
        self.lost.set()

    async def next(self) -> Event:
        """Return the next event that is no progress."""
        async with asyncio.timeout(10):
            while isinstance(event := await self.events.get(), RecordingProgress):
                pass
        return event

    async def begun(self) -> None:
        """Wait until sound has come."""
        async with asyncio.timeout(10):
            assert isinstance(await self.events.get(), RecordingProgress)


class Service:
    """Media I/O with a client."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.recordings = folder / "recordings"
        self.store = folder / "prompts"
        self.settings = IoSettings(
            control=folder / "io",
            sockets=folder / "s",
            recordings_folder=self.recordings,
            prompts_folder=self.store,
            outbound=OutboundSettings(allow=("127.0.0.1",)),
            **settings,  # type: ignore[arg-type]
        )
        self.told = Recordings()
        self.client = MediaIo(self.settings.control, owner="gateway", listener=self.told)

    async def connected(self) -> None:
        """Wait for the connection."""
        async with asyncio.timeout(20):
            while not self.client.client.connected:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it in this process, with the client connected."""
        stop = asyncio.Event()
        ready = asyncio.Event()
        task = asyncio.create_task(serve(self.settings, ready=ready.set, stop=stop))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set(), await task
        self.client.start()
        try:
            await self.connected()
            yield
        finally:
            stop.set()
            await task
            await self.client.stop()

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it as a process of its own."""
        command = [sys.executable, "-m", "sip.media.io", "--settings", json_of(self.settings)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)
