"""Media I/O's end of its control protocol: connections, and which request goes where."""

import asyncio
import os
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from sip.media.channel import Channel, ChannelFull
from sip.media.framing import Malformed, Received
from sip.media.io.desk import Desk
from sip.media.io.owners import Owner
from sip.media.io.protocol import (
    PROTOCOL,
    Answer,
    AskLoad,
    Command,
    Done,
    Event,
    Frame,
    Hello,
    PauseRecording,
    PreparePrompt,
    Refusal,
    Refused,
    Reply,
    Request,
    ResumeRecording,
    StartRecording,
    StopRecording,
    Welcome,
)

log = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 16
"""A gateway, its successor, and somebody who looks."""

MAX_WAITING: Final = 1000
"""Requests without an answer: they wait only for a disk that is stuck."""


class _Connection:
    """A connection: it says hello, then asks."""

    def __init__(self) -> None:
        self.channel: Channel[Frame] | None = None
        self.owner: Owner | None = None
        self.turn = asyncio.Lock()


class Server:
    """Serves a control socket, from `listen` to `stop`."""

    def __init__(self, start: str, desk: Desk, left: list[Event]) -> None:
        """`start` names this start of the process; `left` is told to the first owner that connects."""
        self._start, self._desk, self._left = start, desk, left
        self._owners: dict[str, Owner] = {}
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._path = Path()

    def listen(self, path: Path) -> None:
        """Take connections at `path`; a socket that is left there is replaced. Raises OSError."""
        with suppress(FileNotFoundError):
            path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setblocking(False)
        try:
            listener.bind(os.fspath(path))
            path.chmod(0o600)
            listener.listen(MAX_CONNECTIONS)
        except OSError:
            listener.close()
            raise
        self._listener, self._path = listener, path
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    async def stop(self) -> None:
        """Take nothing new, end every recording properly and tell it, close."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()
            with suppress(FileNotFoundError):
                self._path.unlink()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.stop()
        for connection in tuple(self._connections):
            if connection.channel is not None:
                connection.channel.close("media I/O ends")

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            accepted, _ = self._listener.accept()
        except OSError:  # it is gone again, or we have no descriptors: it tries again
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            accepted.close()
            return
        connection = _Connection()
        self._connections.add(connection)
        connection.channel = Channel(
            accepted,
            Frame,
            frame=partial(self._take, connection),
            ended=lambda _: self._connections.discard(connection),
        )

    def _take(self, connection: _Connection, received: Received[Frame]) -> None:
        for descriptor in received.descriptors:
            os.close(descriptor)  # nothing that we are told comes with any
        value = received.value
        if isinstance(value, Request) and len(self._tasks) >= MAX_WAITING:
            self._reply(connection, value.id, Refused(Refusal.FULL, f"{MAX_WAITING} requests wait already"))
        elif isinstance(value, Request):
            task = asyncio.create_task(self._answer(connection, value), name="media-io-request")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(value, Malformed):
            self._reply(connection, value.id or 0, Refused(Refusal.MALFORMED, value.text))
        elif connection.channel is not None:
            connection.channel.close("it sent what only we send")

    async def _answer(self, connection: _Connection, request: Request) -> None:
        async with connection.turn:  # one after the other, as they came
            reply = await self._do(connection, request.command)
            self._reply(connection, request.id, reply)
            if isinstance(reply, Welcome) and connection.owner is not None:
                connection.owner.catch_up()

    def _reply(self, connection: _Connection, number: int, reply: Reply) -> None:
        assert connection.channel is not None
        try:
            connection.channel.send(Answer(number, reply))
        except ChannelFull as error:
            connection.channel.close(error.message)

    async def _do(self, connection: _Connection, command: Command) -> Reply:
        if isinstance(command, Hello):
            return self._hello(connection, command)
        owner = connection.owner
        if owner is None:
            return Refused(Refusal.MALFORMED, "a connection begins with a hello")
        if isinstance(command, AskLoad):
            return self._desk.load()
        if isinstance(command, PreparePrompt):
            return self._desk.prepare(owner, command)
        if isinstance(command, StartRecording):
            return await self._desk.record(owner, command)
        recorder = self._desk.running(owner, command.recording)
        if recorder is None:
            return Refused(Refusal.UNKNOWN, f"no recording {command.recording} runs")
        if isinstance(command, PauseRecording):
            recorder.pause()
        elif isinstance(command, ResumeRecording):
            recorder.resume()
        elif isinstance(command, StopRecording):
            recorder.stop()
        return Done()

    def _hello(self, connection: _Connection, hello: Hello) -> Reply:
        if hello.protocol != PROTOCOL:
            return Refused(Refusal.VERSION, f"protocol {hello.protocol}: this is {PROTOCOL}")
        owner = self._owners.setdefault(hello.owner, Owner(hello.owner))
        connection.owner = owner
        assert connection.channel is not None
        owner.connect(connection.channel)
        for event in self._left:
            owner.keep(event)
        self._left.clear()
        return Welcome(self._start, PROTOCOL, self._desk.recordings(hello.owner))
