"""A worker as the gateway knows it: its socket, kept and found again, and the datagram that wakes it.

A connection that ends does not say whether the worker has: it lets go of a gateway that is too slow. So the
socket is tried again at once. Nobody listens, or somebody with another process id: that worker is lost with
its calls. The same one: it says what it holds.
"""

import asyncio
import errno
import os
import signal
import socket
import struct
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from sip.workers.messages import MAX_PACKET, Command, Event, Ping, Pong, Ready

log = structlog.get_logger(__name__)

GREETING_SECONDS: Final = 1.5
"""How long a worker may take until it greets: its loop looks at its socket every half second without being
woken. One that takes longer hangs, and counts as lost within the two seconds of R11."""

PING_SECONDS: Final = 5.0
"""How often a worker is asked whether it is alive."""

PATIENCE: Final = 1.5
"""Seconds for its answer: three turns of its loop. One that hangs is killed, as if it had died by itself."""

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
"""Seconds between tries to connect; they double. Replacements are there within two seconds."""

MOST_WAITING: Final = 1000
"""Commands that a worker may leave unread: far more than its few calls have."""

ANY: Final = "0.0.0.0"  # noqa: S104 - as a setting has it; nothing is bound here
"""Every address of the machine, the loopback among them."""

_PEER: Final = struct.Struct("iII")
"""struct ucred (unix(7)): process, user, group."""

WAKE: Final = b"\r\n\r\n"
"""RFC 5626 §3.5.1: nothing to a SIP stack, and enough to wake its loop."""


class WorkerAway(Exception):
    """A worker is not connected; nothing was told to it."""


class Watcher(Protocol):
    """What the owner of a worker's client is told, in order and at once; must not block."""

    def worker_back(self, number: int, ready: Ready, *, fresh: bool) -> None:
        """A worker is there; `fresh`: that process was not known before."""
        ...

    def worker_event(self, number: int, event: Event) -> None:
        """A worker told something; everything but `Ready`."""
        ...

    def worker_settled(self, number: int) -> None:
        """Its greeting is over: what it holds was told."""
        ...

    def worker_away(self, number: int) -> None:
        """Its connection ended; its calls may go on."""
        ...

    def worker_lost(self, number: int) -> None:
        """That process is gone with its calls."""
        ...


class WorkerClient:
    """A client of one worker. `start` returns at once; the connection is made, and made again, behind it."""

    def __init__(
        self,
        number: int,
        path: Path,
        *,
        host: str,
        port: int,
        watcher: Watcher,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        """`path` is the worker's socket; `host` and `port` where a datagram wakes it, 0: not known yet."""
        self._ping_seconds = ping_seconds
        self._heard = False
        self.number = number
        self.ready: Ready | None = None
        """What it said of itself; None while it is not connected."""
        self._path = path
        self._target = (host if host != ANY else "127.0.0.1", port)
        self._watcher = watcher
        self._pid = 0
        self._left = 0
        """Packets of the greeting that are still to come."""
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        self._waking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._ended: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._events: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
        self._encoder = msgspec.msgpack.Encoder()

    def start(self) -> None:
        """Begin to keep a connection."""
        self._task = asyncio.create_task(self._keep(), name=f"worker-{self.number}")

    async def stop(self) -> None:
        """Close; the worker goes on. Works twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._waking.close()

    def send(self, command: Command) -> None:
        """Tell it something and wake it. Raises WorkerAway."""
        if self.ready is None or len(self._waiting) >= MOST_WAITING:
            raise WorkerAway(f"The SIP worker {self.number} is not connected.")
        self._waiting.append(self._encoder.encode(command))
        if len(self._waiting) == 1:
            self._flush()
        self._wake()

    # --------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            connected = self._connect()
            if connected is not None and await self._serve(connected):
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connect(self) -> socket.socket | None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        code = connected.connect_ex(str(self._path))
        if code == 0:
            return connected
        connected.close()
        if code in {errno.ECONNREFUSED, errno.ENOENT}:  # nobody listens: that process has ended
            self._lost()
        return None

    async def _serve(self, connected: socket.socket) -> bool:
        """Be connected until that ends; tell whether the worker ever greeted."""
        loop = asyncio.get_running_loop()
        ended = self._ended = loop.create_future()
        self._socket = connected
        loop.add_reader(connected.fileno(), self._read)
        try:
            if self._target[1]:
                self._wake()
            await asyncio.wait([ended], timeout=GREETING_SECONDS)
            if self.ready is None:
                if not ended.done() and self._pid:
                    self._kill(connected)
                return False
            while not ended.done():
                if not await self._alive(ended):
                    self._kill(connected)
                    return False
        finally:
            loop.remove_reader(connected.fileno())
            loop.remove_writer(connected.fileno())
            connected.close()
            self._socket = None
            self._waiting.clear()
            if self.ready is not None:
                self.ready = None
                if self._task is not None:  # whoever stops us knows
                    self._watcher.worker_away(self.number)
        return True

    async def _alive(self, ended: "asyncio.Future[None]") -> bool:
        """Wait a while, then ask whether it is alive; False when it does not say so."""
        await asyncio.wait([ended], timeout=self._ping_seconds)
        if ended.done():
            return True
        self._heard = False
        with suppress(WorkerAway):
            self.send(Ping())
        await asyncio.wait([ended], timeout=PATIENCE)
        return self._heard or ended.done()

    def _kill(self, connected: socket.socket) -> None:
        """End a worker that hangs: the kernel says which process listens there."""
        said = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid = _PEER.unpack(said)[0]
        log.error("sip.worker_hangs", worker=self.number, pid=pid)
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        self._lost()

    def _read(self) -> None:
        while self._socket is not None:
            try:
                packet = self._socket.recv(MAX_PACKET)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet = b""
            if not packet:
                self._end()
                return
            self._heard = True
            try:
                event = self._events.decode(packet)
            except msgspec.MsgspecError as error:
                log.warning("sip.worker_unreadable", worker=self.number, reason=str(error))
                continue
            try:
                self._take(event)
            except Exception:  # a mistake over one call must not end the others
                log.exception("sip.worker_event_failed", worker=self.number, told=type(event).__name__)

    def _take(self, event: Event) -> None:
        if isinstance(event, Pong):
            return
        if isinstance(event, Ready):
            fresh = event.pid != self._pid
            if fresh:
                self._lost()
            self._pid, self.ready, self._left = event.pid, event, event.following
            self._target = (self._target[0], event.port)
            self._watcher.worker_back(self.number, event, fresh=fresh)
        else:
            self._watcher.worker_event(self.number, event)
            if not self._left:
                return
            self._left -= 1
        if not self._left:
            self._watcher.worker_settled(self.number)

    def _lost(self) -> None:
        if self._pid:
            self._pid = 0
            self._watcher.worker_lost(self.number)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._socket is not None:
            try:
                self._socket.send(self._waiting[0])
            except (BlockingIOError, InterruptedError):
                loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:
                self._end()
                return
            self._waiting.popleft()
        if self._socket is not None:
            loop.remove_writer(self._socket.fileno())

    def _wake(self) -> None:
        with suppress(OSError):  # it looks by itself every half second
            self._waking.sendto(WAKE, self._target)

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
