"""All workers of a node: which ones take calls, which ones make them, and where there is room.

Workers that take calls are filled by the edge alone, workers that make calls by the gateway alone, so that
neither finds taken what it counted on. A node without an edge has one worker for both.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from sip.workers.client import PING_SECONDS, WorkerAway, WorkerClient
from sip.workers.messages import (
    Admit,
    Command,
    Dial,
    Drain,
    Event,
    Failed,
    Freed,
    Holding,
    Incoming,
    Ready,
)
from sip.workers.worker_socket import socket_path

log = structlog.get_logger(__name__)


class FleetSettings(Struct, frozen=True):
    """Where workers are found; see `WorkerSettings`."""

    folder: str
    ins: int = 1
    """How many take calls: the first ones."""
    outs: int = 1
    """How many make calls: those after them. 0: those that take calls make them too."""
    host: str = "127.0.0.1"
    first_port: int = 5100
    ping_seconds: float = PING_SECONDS
    """How often each is asked whether it is alive."""


class Room(Struct, frozen=True):
    """How full the workers are."""

    connected: int
    workers: int
    calls: int
    """Places that calls have, both ways; those that ended and wait for their peer's word among them."""
    capacity: int
    draining: bool


class Listener(Protocol):
    """What whoever makes calls is told, in order and at once; must not block."""

    def worker_back(self, number: int, ready: Ready, *, fresh: bool) -> None:
        """A worker is there; `fresh`: that process was not known before."""
        ...

    def worker_event(self, number: int, event: Event) -> None:
        """A worker told something."""
        ...

    def worker_settled(self, number: int) -> None:
        """A worker has told everything that it holds."""
        ...

    def worker_lost(self, number: int) -> None:
        """A worker is gone with its calls."""
        ...


class Full(Exception):
    """No worker takes another call."""


class Fleet:
    """The clients of all workers. `start`, then `stop`."""

    def __init__(self, settings: FleetSettings, listener: Listener) -> None:
        """`listener` hears of calls."""
        total = settings.ins + settings.outs
        self.ins: tuple[int, ...] = tuple(range(settings.ins))
        self.outs: tuple[int, ...] = tuple(range(settings.ins, total)) or self.ins
        self.losses = 0
        """How many workers were lost."""
        self._listener = listener
        self._clients = {
            number: WorkerClient(
                number,
                socket_path(settings.folder, number),
                host=settings.host,
                port=settings.first_port + number if settings.first_port else 0,
                watcher=self,
                ping_seconds=settings.ping_seconds,
            )
            for number in range(total)
        }
        self._calls: dict[int, set[str]] = {number: set() for number in self._clients}
        self._sources: tuple[str, ...] | None = None
        self._draining = False

    def start(self) -> None:
        """Begin to connect; returns at once."""
        for client in self._clients.values():
            client.start()

    async def stop(self) -> None:
        """Leave the workers; their calls go on."""
        for client in self._clients.values():
            await client.stop()

    def send(self, worker: int, command: Command) -> bool:
        """Tell a worker something; False when it is away: what becomes of its calls is told later."""
        try:
            self._clients[worker].send(command)
        except WorkerAway:
            return False
        return True

    def reserve(self, call: str) -> int:
        """Take a place for a call to be dialled; return its worker. Raises Full."""
        free = [
            (self.free(number), -number)
            for number in self.outs
            if (ready := self._clients[number].ready) is not None and not ready.draining
        ]
        most, number = max(free, default=(0, 0))
        if self._draining or most <= 0:
            why = "draining" if self._draining else "each is full" if free else "none is connected"
            raise Full(f"No SIP worker takes another call ({why}).")
        self._calls[-number].add(call)
        return -number

    def release(self, worker: int, call: str) -> None:
        """Give a place back that was not used."""
        self._calls[worker].discard(call)

    def free(self, worker: int) -> int:
        """Return how many more calls a worker takes; 0 while it is away."""
        ready = self._clients[worker].ready
        return 0 if ready is None else max(0, ready.calls - len(self._calls[worker]))

    def drain(self, *, on: bool = True) -> None:
        """Take no more calls, neither way (R10); running ones go on."""
        self._draining = on
        for number in self._clients:
            self.send(number, Drain(on))

    def admit(self, sources: Sequence[str]) -> None:
        """Without an edge: take calls from these addresses and networks alone."""
        self._sources = tuple(sources)
        for number in self.ins:
            self.send(number, Admit(self._sources))

    def room(self) -> Room:
        """Return how full the workers are."""
        ready = [client.ready for client in self._clients.values() if client.ready is not None]
        return Room(
            len(ready),
            len(self._clients),
            sum(map(len, self._calls.values())),
            sum(each.calls for each in ready),
            self._draining,
        )

    def pid(self, worker: int) -> int:
        """Return a worker's process id; 0 while it is away."""
        ready = self._clients[worker].ready
        return 0 if ready is None else ready.pid

    def away(self) -> tuple[int, ...]:
        """Return the workers that are not connected."""
        return tuple(number for number, client in self._clients.items() if client.ready is None)

    # What the clients tell (`sip.workers.client.Watcher`).

    def worker_back(self, number: int, ready: Ready, *, fresh: bool) -> None:
        """Tell it what holds for all, and pass it on."""
        self._calls[number] = set(ready.lingering)
        if ready.draining is not self._draining:
            self.send(number, Drain(self._draining))
        if self._sources is not None and number in self.ins:
            self.send(number, Admit(self._sources))
        log.info("sip.worker_connected", worker=number, fresh=fresh, calls=ready.calls)
        self._listener.worker_back(number, ready, fresh=fresh)

    def worker_event(self, number: int, event: Event) -> None:
        """Count, and pass it on."""
        calls = self._calls[number]
        if isinstance(event, Incoming | Holding):
            calls.add(event.call)
        elif isinstance(event, Freed) or (isinstance(event, Failed) and event.command == Dial.__name__):
            calls.discard(event.call)
        self._listener.worker_event(number, event)

    def worker_settled(self, number: int) -> None:
        """Pass it on."""
        self._listener.worker_settled(number)

    def worker_away(self, number: int) -> None:
        """Say so."""
        log.warning("sip.worker_away", worker=number)

    def worker_lost(self, number: int) -> None:
        """Forget its calls."""
        self.losses += 1
        log.error("sip.worker_lost", worker=number, calls=len(self._calls[number]))
        self._calls[number].clear()
        self._listener.worker_lost(number)
