"""The callbacks' endpoint, the same for everybody: a process that says 200 to every request and counts."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import cast

import uvloop

from tests.support.node import free_ports

ANSWER = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Sink:
    """A running endpoint."""

    port: int
    pid: int
    calls: "Synchronized[int]"


@contextmanager
def sink() -> Iterator[Sink]:
    """Run the endpoint for the length of a `with` block."""
    (port,) = free_ports(1)
    context = multiprocessing.get_context("spawn")
    calls = context.Value("q", 0, lock=False)
    # A pipe, not an Event: its semaphores would be left to the resource tracker, which complains of a leak.
    listens, tell = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(port, calls, tell), daemon=True)
    process.start()
    try:
        assert listens.poll(30), "the sink does not listen"
        assert process.pid is not None
        yield Sink(port, process.pid, cast("Synchronized[int]", calls))
    finally:
        process.terminate()
        process.join()
        listens.close()
        tell.close()


def _serve(port: int, calls: "Synchronized[int]", tell: Connection) -> None:
    class Endpoint(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            self.rest = b""

        def data_received(self, data: bytes) -> None:
            self.rest += data
            while (end := self.rest.find(b"\r\n\r\n")) >= 0:
                head = self.rest[:end].lower() + b"\r\n"
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                if len(self.rest) < end + 4 + length:
                    return
                self.rest = self.rest[end + 4 + length :]
                calls.value += 1
                self.transport.write(ANSWER)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", port)
        tell.send(None)
        await server.serve_forever()

    uvloop.run(serve())
