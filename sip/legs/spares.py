"""Legs of engines that stand ready for calls that come: when one does, nothing has to be waited for."""

import asyncio
import base64
import secrets
from dataclasses import dataclass
from typing import Final

import structlog

from sip.legs.line import TROUBLES
from sip.legs.negotiation import KEY_OCTETS, SPARE
from sip.media.client.engines import Engines
from sip.media.protocol import CloseLeg, Opened, OpenRtp
from sip.workers.fleet import Fleet
from sip.workers.messages import Place, Spare, Withdraw

log = structlog.get_logger(__name__)

AHEAD: Final = 1
"""More than a worker has free places: one that becomes free is taken before a new leg is open."""

FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
"""Seconds until an engine that refused is asked again; they double. One that has just come takes legs with
its first word of its load; one that is full says so each second."""


def new_place(leg: str, opened: Opened) -> Place:
    """Return an engine's leg as workers write it into SDP, with a new key."""
    assert opened.local is not None, "a leg of RTP has an address"
    key = base64.b64encode(secrets.token_bytes(KEY_OCTETS)).decode()
    return Place(leg, opened.local.host, opened.local.port, key)


@dataclass(frozen=True, slots=True)
class Ready:
    """A leg that stands ready."""

    place: Place
    engine: str


class Spares:
    """The legs that stand ready, by worker."""

    def __init__(self, engines: Engines, fleet: Fleet) -> None:
        self._engines, self._fleet = engines, fleet
        self._ready: dict[int, dict[str, Ready]] = {number: {} for number in fleet.ins}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Stop opening; what stands ready stays, for the gateway to come closes it."""
        tasks = [*self._opening.values(), *self._closing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def knows(self, leg: str) -> bool:
        """Tell whether a leg stands ready."""
        return any(leg in ready for ready in self._ready.values())

    def take(self, worker: int, leg: str) -> Ready | None:
        """Take the leg that a call took; None when it is not known."""
        return self._ready.get(worker, {}).pop(leg, None)

    def ready(self) -> int:
        """Return how many stand ready."""
        return sum(map(len, self._ready.values()))

    def came(self, worker: int, known: tuple[str, ...]) -> None:
        """A worker is there, with these legs: let it forget those of a gateway before, give it ours."""
        ready = self._ready.get(worker)
        if ready is None:
            return
        for leg in known:
            if leg not in ready:
                self._fleet.send(worker, Withdraw(leg))
        for leg, each in ready.items():
            if leg not in known:
                self._fleet.send(worker, Spare(each.place))

    def lost_engine(self, engine: str) -> None:
        """An engine is gone: its legs are no use."""
        for worker, ready in self._ready.items():
            for leg in [leg for leg, each in ready.items() if each.engine == engine]:
                del ready[leg]
                self._fleet.send(worker, Withdraw(leg))
            self.fill(worker)

    def fill(self, worker: int) -> None:
        """See that a worker has enough of them, in a moment."""
        if worker in self._ready and worker not in self._opening and self._missing(worker) > 0:
            task = asyncio.create_task(self._fill(worker), name=f"spares-{worker}")
            self._opening[worker] = task
            task.add_done_callback(lambda _: self._opening.pop(worker, None))

    def _missing(self, worker: int) -> int:
        free = self._fleet.free(worker)
        return free + AHEAD - len(self._ready[worker]) if free else 0

    async def _fill(self, worker: int) -> None:
        pause = FIRST_PAUSE
        while self._missing(worker) > 0:
            leg = f"in-{secrets.token_hex(12)}"
            try:
                engine = self._engines.place(leg, 1)
                opened = await self._engines.ask(engine, OpenRtp(leg, SPARE))
            except TROUBLES as error:
                self._engines.ended(leg)
                log.debug("sip.no_spare", worker=worker, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            assert isinstance(opened, Opened)
            place = new_place(leg, opened)
            self._ready[worker][leg] = Ready(place, engine)
            if not self._fleet.send(worker, Spare(place)):
                return  # it gets this one when it comes again

    def close(self, leg: str, engine: str) -> None:
        """Close a leg that no call has, in a moment."""
        task = asyncio.create_task(self._close(leg, engine), name="close-spare")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, leg: str, engine: str) -> None:
        try:
            await self._engines.ask(engine, CloseLeg(leg))
        except TROUBLES as error:
            log.debug("sip.leg_gone", engine=engine, reason=str(error))
        finally:
            self._engines.ended(leg)
