"""How a gateway hears of tokens that another one ended: it reads the newest revocations from the store.

Whatever is remembered of users and keys may be believed while `fresh` says so: for at most STALE_SECONDS
after a moment at which every revocation before it had been read. A revocation that was committed is therefore
in force everywhere that much later at the latest, also when the database is away: then nothing remembered is
believed any more, and what cannot be asked is refused.

Rows are read again for OVERLAP_SECONDS, because a transaction that began earlier may commit later. Nothing is
read while nobody asks.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self

import structlog
from sqlalchemy import Connection, select

from telephony.identity.key_store import KEYS_CHANGED
from telephony.identity.names import UserId
from telephony.identity.store import DELETED, FIRST_GENERATION, KEPT
from telephony.identity.tables import token_revocations
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import database_now
from telephony.kernel.watch import Watch

log = structlog.get_logger(__name__)

STALE_SECONDS: Final = 0.9
"""How long a revocation through another gateway may go unnoticed: with what a request takes, a second."""

POLL_SECONDS: Final = 0.3
"""How often revocations are read: two tries may fail before nothing is believed."""

OVERLAP_SECONDS: Final = 60
"""How long before its commit a revocation may have been written: a transaction that stands still is ended
after 15 s."""

IDLE_SECONDS: Final = 30.0
"""How long reading goes on after the last question."""

GAP_SECONDS: Final = KEPT // SECOND / 2
"""How long reading may fail or pause before everything that is remembered is forgotten."""

Who = tuple[ResourceId, UserId]


class Observer(Protocol):
    """Who holds on to tokens for longer than a request: sockets, calls."""

    def revoked(self, resource: ResourceId, user: UserId, generation: int) -> None:
        """A user's tokens below `generation` are dead; DELETED when the user is."""
        ...

    def keys_changed(self, resource: ResourceId) -> None:
        """A resource's signing keys changed: a token may be dead with its key."""
        ...

    def lost(self) -> None:
        """Revocations may have been missed: every token has to be verified again."""
        ...


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of a user below a generation are dead."""

    resource: ResourceId
    user: UserId
    generation: int


@dataclass(frozen=True, slots=True)
class ReadRevocations:
    """A query for what was revoked after `since` on the database's clock; None: lately."""

    since: int | None

    def __call__(self, tx: Connection) -> tuple[int, list[Revocation]]:
        """Return the database's time, and the revocations."""
        now = database_now(tx)
        since = now - OVERLAP_SECONDS * SECOND
        if self.since is not None:
            since = min(since, self.since)  # a clock that went back hides nothing
        rows = tx.execute(select(token_revocations).where(token_revocations.c.at >= since))
        return now, [
            Revocation(ResourceId(bytes(row.resource)), UserId(bytes(row.user)), row.generation)
            for row in rows
        ]


class Revocations:
    """What was revoked lately, and whether that is all. `start` before the first question, `stop` after."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._observers: list[Observer] = []
        self._lasting = 0
        self._heard: dict[Revocation, float] = {}
        self._floors: dict[Who, int] = {}
        self._complete_at = -float("inf")  # monotonic: when the last reading began that succeeded
        self._since: int | None = None
        self._asked = -float("inf")
        self._wanted = asyncio.Event()
        self._watch = Watch("identity.revocations", self._poll, POLL_SECONDS)

    def observe(self, observer: Observer, *, lasting: bool = True) -> Callable[[], None]:
        """Tell `observer` of every revocation from now on; returns what ends that.

        `lasting` keeps this reading even while nobody asks: for sockets, which verify nothing for hours.
        """
        self._observers.append(observer)
        if lasting:
            self._lasting += 1
            self._wanted.set()

        def end() -> None:
            if observer in self._observers:
                self._observers.remove(observer)
                self._lasting -= lasting

        return end

    def start(self) -> Self:
        """Begin to listen."""
        self._watch.start()
        return self

    async def stop(self) -> None:
        """Stop listening."""
        await self._watch.stop()

    def fresh(self) -> bool:
        """Tell whether what is remembered may be believed, and keep it so."""
        now = self._clock.monotonic()
        self._asked = now
        self._wanted.set()
        return now - self._complete_at <= STALE_SECONDS

    def floor(self, resource: ResourceId, user: UserId) -> int:
        """Return the generation from which a user's tokens count at least, as far as was heard lately."""
        return self._floors.get((resource, user), FIRST_GENERATION)

    def tell(self, resource: ResourceId, user: UserId, generation: int) -> None:
        """Take note of a revocation of this gateway's own, right after its commit."""
        self._take(Revocation(resource, user, generation))

    async def refresh(self) -> None:
        """Read once. Raises Unavailable when the database is away."""
        began = self._clock.monotonic()
        # After so long, what was revoked may be gone from the store already.
        lost = self._since is not None and began - self._complete_at > GAP_SECONDS
        now, found = await self._store.read(ReadRevocations(None if lost else self._since))
        if lost:
            for observer in tuple(self._observers):
                observer.lost()
        for revocation in found:
            self._take(revocation)
        self._since, self._complete_at = now - OVERLAP_SECONDS * SECOND, began
        self._forget_old(began - 2 * OVERLAP_SECONDS)

    def _take(self, revocation: Revocation) -> None:
        heard = revocation in self._heard
        self._heard[revocation] = self._clock.monotonic()
        if heard:
            return
        who = revocation.resource, revocation.user
        self._floors[who] = max(revocation.generation, self._floors.get(who, FIRST_GENERATION))
        for observer in tuple(self._observers):
            try:
                if revocation.user == KEYS_CHANGED:
                    observer.keys_changed(revocation.resource)
                else:
                    observer.revoked(revocation.resource, revocation.user, revocation.generation)
            except Exception:  # one that fails must not keep the others from hearing it
                log.exception("identity.observer_failed")

    def _forget_old(self, before: float) -> None:
        """Forget what was heard before a time, monotonic: it is never read again."""
        if all(at >= before for at in self._heard.values()):
            return
        self._heard = {each: at for each, at in self._heard.items() if at >= before}
        self._floors = {}
        for each in self._heard:
            who = each.resource, each.user
            self._floors[who] = max(each.generation, self._floors.get(who, FIRST_GENERATION))

    async def _poll(self) -> None:
        """Read while somebody asks; what cannot be read is not believed meanwhile."""
        if not self._lasting and self._clock.monotonic() - self._asked > IDLE_SECONDS:
            self._wanted.clear()
        await self._wanted.wait()
        await self.refresh()


__all__ = ["DELETED", "Observer", "Revocation", "Revocations"]
