"""Who works on what: nodes, their leases, and taking over what a dead one left.

A row that somebody has to work on carries the node in a `node` column; its table says so by `info=WORK`. The
lease is the node's, on the database's clock. A node whose lease ran out is dead to the others: one of them
takes its work over, a slice at a time, and raises each row's `version`, so that a node that only slept loses
every compare-and-set it still had in mind. Such a node learns it from `RenewLease`, which raises LeaseLost.

What such a node wrote while it did not know yet stands under an id that is settled already, and is taken over
as well.

SQLite allows one gateway: `hold` takes a lock on the file beside the database, and whoever has it may take
over from every other node at once.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, cast

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    insert,
    make_url,
    not_,
    or_,
    select,
    text,
    tuple_,
    update,
)

from telephony.kernel.clock import SECOND
from telephony.kernel.errors import ConfigurationError, NodeError, Unavailable
from telephony.kernel.ids import NodeId, new_id
from telephony.kernel.store.schema import metadata, nodes
from telephony.kernel.store.store import Store

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 15.0
"""How long a lease lasts: a database that is away for 10 s costs no node its work (R35)."""

RENEWALS: Final = 5
"""Tries to renew a lease while it lasts."""

RENEW_SECONDS: Final = LEASE_SECONDS / RENEWALS
"""How often the usual one is renewed. So a dead node's work is another's after 15 to 18 seconds."""

SLICE: Final = 5000
"""Rows that change hands in one transaction: some tenths of a second. Half a million in one took longer than
PostgreSQL may work on a statement of ours, and would hold up the survivor's own work and lease."""

SETTLED: Final = 0
"""`lease_until` of a node that has nothing left to take over."""

_POSTGRESQL_NOW: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


class LeaseLost(NodeError):
    """Another node took this one's work over: whatever it still does is no longer its to do."""

    metric = "lease_lost"


def database_now(tx: Connection) -> int:
    """Return microseconds UTC on the clock that all gateways of this database share."""
    if tx.dialect.name == "postgresql":
        return cast("int", tx.execute(_POSTGRESQL_NOW).scalar_one())
    return time.time_ns() // 1000  # SQLite's clock is this machine's


def work_tables() -> tuple[Table, ...]:
    """Return the tables whose rows a node works on: those of `info=WORK`."""
    return tuple(table for table in metadata.sorted_tables if table.info.get("work"))


def expired_nodes(tx: Connection) -> list[NodeId]:
    """Return the nodes whose lease ran out and whose work, or the rest of it, nobody took over yet."""
    query = select(nodes.c.id).where(_dead(database_now(tx)))
    return [NodeId(found) for found in tx.execute(query.order_by(nodes.c.id)).scalars()]


def _dead(now: int) -> ColumnElement[bool]:
    return or_(and_(nodes.c.lease_until > SETTLED, nodes.c.lease_until <= now), _left_something())


def _left_something() -> ColumnElement[bool]:
    """A node that was taken for dead, and accepted work before it noticed, or whose last commit came late."""
    left = [exists().where(table.c.node == nodes.c.id) for table in work_tables()]
    return and_(nodes.c.lease_until == SETTLED, or_(*left))


@dataclass(frozen=True, slots=True)
class RegisterNode:
    """Job: begin a life of a gateway process; returns its id."""

    name: str
    """What people call the machine or container; need not be unique."""
    seconds: float = LEASE_SECONDS

    def __call__(self, tx: Connection) -> NodeId:
        now = database_now(tx)
        node = NodeId(new_id(now))
        until = now + round(self.seconds * SECOND)
        tx.execute(insert(nodes).values(id=node, name=self.name[:64], started=now, lease_until=until))
        return node


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Job: prolong the node's lease by `seconds` from now. Raises LeaseLost when its work was taken over."""

    node: NodeId
    seconds: float = LEASE_SECONDS

    def __call__(self, tx: Connection) -> None:
        until = database_now(tx) + round(self.seconds * SECOND)
        renewed = tx.execute(
            update(nodes)
            .where(nodes.c.id == self.node, nodes.c.lease_until > SETTLED)
            .values(lease_until=until)
        )
        if renewed.rowcount == 0:
            raise LeaseLost("Another node took this node's work over.")


@dataclass(frozen=True, slots=True)
class EndLease:
    """Job: the node stops in order; what it leaves may be taken over at once."""

    node: NodeId

    def __call__(self, tx: Connection) -> None:
        now = database_now(tx)
        tx.execute(
            update(nodes).where(nodes.c.id == self.node, nodes.c.lease_until > now).values(lease_until=now)
        )


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Job: make the work of dead nodes this node's; returns how many rows changed hands.

    SLICE means that there may be more: run it again.
    """

    node: NodeId
    alone: bool = False
    """Whether this is the only gateway there can be (`hold` on SQLite): then every other node is dead."""

    def __call__(self, tx: Connection) -> int:
        # A row lock each, so that of two survivors one takes a dead node's work, and the dead node's own late
        # renewal comes either before (it lives) or after (it learns that it lost).
        which = (
            or_(nodes.c.lease_until > SETTLED, _left_something()) if self.alone else _dead(database_now(tx))
        )
        dead = select(nodes.c.id).where(nodes.c.id != self.node, which).order_by(nodes.c.id)
        found = list(tx.execute(dead.with_for_update(skip_locked=True, of=nodes)).scalars())
        if not found:
            return 0
        moved = 0
        for table in work_tables():
            values: dict[str, object] = {"node": self.node}
            if "version" in table.c:
                values["version"] = table.c.version + 1
            key = table.primary_key.columns
            theirs = table.c.node.in_(found)
            some = select(*key).where(theirs).limit(SLICE - moved)
            # Theirs still: one that only slept may have ended it since it was looked up.
            moved += tx.execute(update(table).where(theirs, tuple_(*key).in_(some)).values(values)).rowcount
            if moved == SLICE:
                break
        tx.execute(update(nodes).where(nodes.c.id.in_(found)).values(lease_until=SETTLED))
        return moved


@dataclass(frozen=True, slots=True)
class PurgeNodes:
    """Job: forget settled nodes that started before a time; returns how many."""

    before: int
    """Microseconds UTC."""

    def __call__(self, tx: Connection) -> int:
        return tx.execute(
            delete(nodes).where(
                nodes.c.lease_until == SETTLED, nodes.c.started < self.before, not_(_left_something())
            )
        ).rowcount


async def keep_lease(
    store: Store,
    node: NodeId,
    taken: Callable[[int], None],
    *,
    seconds: float = LEASE_SECONDS,
    every: float | None = None,
) -> NoReturn:
    """Renew a node's lease of `seconds` until cancelled, and take over what dies beside it.

    It looks `every` so many seconds; unset, RENEWALS times in a lease. `taken` is told how many rows came
    over, to look for them. Raises LeaseLost when this node itself was taken for dead: it must stop what it
    does and register anew.
    """
    pause = seconds / RENEWALS if every is None else every
    while True:
        moved = 0
        try:
            await store.write(RenewLease(node, seconds))
            if await store.read(expired_nodes) and (moved := await store.write(TakeOver(node))):
                taken(moved)
        except Unavailable as error:  # there are five tries in a lease
            log.warning("lease.waits", reason=error.message)
        if moved < SLICE:
            await asyncio.sleep(pause)


class Hold:
    """The right to be the gateway of a SQLite database; kept until `release` or the end of the process."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def alone(self) -> bool:
        """Whether no other gateway can be at this database: what `TakeOver.alone` wants to know."""
        return self._descriptor is not None

    def release(self) -> None:
        """Let another gateway start. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Occupied(ConfigurationError):
    """Another process has what one alone may have; it may end soon."""

    def __init__(self, message: str, process: int | None) -> None:
        super().__init__(message)
        self.process = process
        """Its id, when it says so."""


def lock(path: Path) -> int:
    """Lock a file and return its descriptor; the system drops the lock with the process, however it dies.

    Raises Occupied when another process has it, ConfigurationError when the folder takes no file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be opened ({error.strerror}); the data folder must be writable."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).split(b"\n")[0]
        os.close(descriptor)
        process = int(holder) if holder.isdigit() else None
        raise Occupied(f"Another process has {path}.", process) from error
    return descriptor


def sign_lock(descriptor: int, *more: str) -> None:
    """Write who has a lock into its file, for those who wait, and `more` lines; a full disk is no error."""
    with contextlib.suppress(OSError):
        lines = "\n".join((str(os.getpid()), *more, "")).encode()
        os.pwrite(descriptor, lines, 0)
        os.ftruncate(descriptor, len(lines))


def hold(url: str) -> Hold:
    """Take the right to be the gateway of the database at `url`.

    SQLite: locks `FILE.lock` beside the database. PostgreSQL: nothing to take, leases do it. Raises Occupied
    when another gateway has it, ConfigurationError when the folder takes no file.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return Hold(None)
    try:
        descriptor = lock(Path(f"{parsed.database}.lock"))
    except Occupied as error:
        raise Occupied(
            f"Another gateway works on {parsed.database}. SQLite allows one: stop the other, give this one a"
            " data folder of its own, or use PostgreSQL for both.",
            error.process,
        ) from error
    sign_lock(descriptor)
    return Hold(descriptor)
