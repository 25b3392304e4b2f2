"""What several gateways agree about accounts that are bound to more than one of them: binds and rates.

Each gateway writes down, once a second, how many binds an account has there, how many messages a second it
would send there, and how many it may: its slice of the account's rate. A bind is let in by the same
transaction that counts it. A gateway takes no more than the others leave, so the slices never add up to more
than the rate; where more is sent they grow within two or three seconds. No message costs a statement. What a
gateway wrote that died is void after a few seconds.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import structlog
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from sms.esme.account import EsmeAccount
from sms.esme.tables import presence
from sms.smpp.reception import Reception
from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import TandemError
from telephony.kernel.ids import NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import database_now

log = structlog.get_logger(__name__)

TELL_SECONDS: Final = 1.0
"""How often a gateway tells the others."""

ALIVE: Final = 5 * SECOND
"""For how long what it told counts: some tries that a busy database makes late."""

IDLE_SHARE: Final = 0.1
"""What a gateway weighs on which nothing is sent, as a part of the rate: enough to begin with."""

LEAST_SHARE: Final = 0.001
"""Of the rate; a gateway for which nothing is left takes it back from the others within a second or two."""

UNIT: Final = 1000
"""The table counts thousandths of a message a second."""

_LOCK: Final = text("SELECT pg_advisory_xact_lock(1397575763)")
"""So that no two gateways share out at the same time: "SMPS"."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a gateway has of an account, and would like."""

    resource: ResourceId
    system_id: str
    binds: int
    most_binds: int
    wanted: float
    """Messages a second that it would send here."""
    per_second: float | None
    """What it may send in all; None: as much as it likes."""
    asking: bool = False
    """Whether one of the binds is to be let in yet."""


@dataclass(frozen=True, slots=True)
class Share:
    """What it gets."""

    let_in: bool
    per_second: float
    """Infinite for an account without a limit."""


@dataclass(frozen=True, slots=True)
class ShareOut:
    """Write down what a gateway has, and take what the others leave; returns shares by system_id."""

    node: NodeId
    needs: Sequence[Need]

    order: ClassVar[int] = -10  # its lock comes before all others

    def __call__(self, tx: Connection) -> Mapping[str, Share]:
        """See `telephony.kernel.store.jobs.Job`."""
        if tx.dialect.name == "postgresql":
            tx.execute(_LOCK)
        now = database_now(tx)
        column = presence.c
        rows = tx.execute(
            select(column.system_id, column.binds, column.wanted, column.granted).where(
                column.system_id.in_([need.system_id for need in self.needs]),
                column.node != self.node,
                column.expires > now,
            )
        ).all()
        shares: dict[str, Share] = {}
        gone: list[str] = []
        for need in self.needs:
            others = [row for row in rows if row.system_id == need.system_id]
            elsewhere = sum(row.binds for row in others)
            let_in = not need.asking or need.binds + elsewhere <= need.most_binds
            binds = need.binds if let_in else need.binds - 1
            granted = slice_of(
                need.per_second,
                need.wanted,
                [(row.wanted / UNIT, row.granted / UNIT) for row in others],
            )
            shares[need.system_id] = Share(let_in, granted)
            if binds <= 0:
                gone.append(need.system_id)
            else:
                self._write(tx, need, binds, granted, now)
        if gone:
            tx.execute(delete(presence).where(column.node == self.node, column.system_id.in_(gone)))
        return shares

    def _write(self, tx: Connection, need: Need, binds: int, granted: float, now: int) -> None:
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        said = {
            "binds": binds,
            "wanted": round(min(need.wanted, MOST) * UNIT),
            "granted": 0 if math.isinf(granted) else round(min(granted, MOST) * UNIT),
            "expires": now + ALIVE,
        }
        key = {"resource": need.resource, "system_id": need.system_id, "node": self.node}
        statement = dialect.insert(presence).values(**key, **said)
        tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=said))


MOST: Final = 1_000_000.0
"""Messages a second that the table has room for."""


def slice_of(per_second: float | None, wanted: float, others: Sequence[tuple[float, float]]) -> float:
    """Return how many messages a second a gateway may send of an account that may send `per_second` in all.

    `others` are what the other gateways want and have. Pure.
    """
    if per_second is None:
        return math.inf
    floor = per_second * IDLE_SHARE
    weights = [min(want, per_second) + floor for want, _ in others]
    mine = min(wanted, per_second) + floor
    fair = per_second * mine / (mine + sum(weights))
    left = per_second - sum(has for _, has in others)
    return max(min(fair, left), per_second * LEAST_SHARE)


@dataclass(frozen=True, slots=True)
class BindsOverall:
    """A query: how many binds accounts have at all gateways, by system_id."""

    resource: ResourceId

    def __call__(self, tx: Connection) -> Mapping[str, int]:
        """Return them, of accounts that have any."""
        column = presence.c
        query = select(column.system_id, column.binds).where(
            column.resource == self.resource, column.expires > database_now(tx)
        )
        found: dict[str, int] = {}
        for system_id, binds in tx.execute(query):
            found[system_id] = found.get(system_id, 0) + binds
        return found


class Presence:
    """One gateway's part in it, from `start` to `stop`. A `sms.smpp.reception.Shares`."""

    def __init__(
        self, *, store: Store, clock: Clock, node: NodeId, accounts: Callable[[str], EsmeAccount | None]
    ) -> None:
        self._store, self._clock, self._node, self._accounts = store, clock, node, accounts
        self._reception: Reception | None = None
        self._soon = asyncio.Event()
        self._seen: dict[str, int] = {}  # messages that came so far, by account
        self._wanted: dict[str, float] = {}
        self._told: set[str] = set()  # accounts that the others believe to be here
        self._looked = clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self, reception: Reception) -> None:
        """Tell the others what `reception` has, once a second and whenever a bind ends."""
        self._reception = reception
        self._task = asyncio.create_task(self._run(), name="esme.presence")

    async def stop(self) -> None:
        """Tell them that nobody is here any more."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        try:
            await self.tell()
        except TandemError as error:
            log.warning("esme.presence_untold", error=error.message)  # it is void in a few seconds

    def changed(self) -> None:
        """See Shares."""
        self._soon.set()

    async def take(self, system_id: str, binds: int) -> float | None:
        """See Shares. Raises Unavailable."""
        need = self._need(system_id, binds, asking=True)
        if need is None:  # removed since the gate looked
            return None
        shares = await self._store.write(ShareOut(self._node, [need]))
        self._told.add(system_id)
        share = shares[system_id]
        return share.per_second if share.let_in else None

    async def tell(self) -> None:
        """Tell the others what is here, and take what they leave. Raises Unavailable."""
        assert self._reception is not None
        self._measure(self._reception)
        binds = self._reception.binds()
        names = [name for name, count in binds.items() if count or name in self._told]
        needs = [need for name in names if (need := self._need(name, binds[name])) is not None]
        if not needs:
            return
        shares = await self._store.write(ShareOut(self._node, needs))
        for need in needs:
            (self._told.add if need.binds else self._told.discard)(need.system_id)
            if need.per_second is not None:
                self._reception.allow(need.system_id, shares[need.system_id].per_second)

    def _need(self, system_id: str, binds: int, *, asking: bool = False) -> Need | None:
        account = self._accounts(system_id)
        if account is None:
            return None
        settings = account.settings
        wanted = self._wanted.get(system_id, 0.0)
        return Need(
            account.resource, system_id, binds, settings.max_binds, wanted, settings.per_second, asking
        )

    def _measure(self, reception: Reception) -> None:
        now = self._clock.monotonic()
        elapsed = now - self._looked
        if elapsed < TELL_SECONDS / 2:
            return  # too short to tell a rate
        self._looked = now
        for name, counts in reception.counts().items():
            came = counts.submitted + counts.throttled
            self._wanted[name] = (came - self._seen.get(name, 0)) / elapsed
            self._seen[name] = came

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TELL_SECONDS):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()
            try:
                await self.tell()
            except TandemError as error:  # what was agreed stays in force; the store reports its own trouble
                log.debug("esme.presence_stale", error=error.message)
            except Exception:  # a gateway that tells nothing any more lets accounts in twice
                log.exception("esme.presence_failed")
