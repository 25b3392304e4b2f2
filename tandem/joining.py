"""Coming in and going out: the schema of the database, this process as a node of it, its lease."""

import asyncio
import contextlib
import platform
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import structlog

from tandem.migrations import migrate
from tandem.seat import Seat
from telephony.kernel.errors import ConfigurationError, Unavailable
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import EndLease, LeaseLost, RegisterNode, TakeOver, keep_lease

log = structlog.get_logger(__name__)

DATABASE_SECONDS: Final = 0.5
"""How often a database that is away is tried: part of the 5 s in which everything goes on again (R35)."""

TELL_SECONDS: Final = 10.0
"""How often it is told that the start waits."""

REFUSALS: Final = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "unable to open database file",
)
"""What PostgreSQL or SQLite says when waiting cannot help. Of a failed connection there is no error code."""


async def migrated(url: str) -> None:
    """Bring the database to this program's schema, waiting for one that is away.

    Raises ConfigurationError when waiting cannot help.
    """
    told = -TELL_SECONDS
    while True:
        try:
            await asyncio.to_thread(migrate, url)
        except Unavailable as error:
            if any(words in error.message for words in REFUSALS):
                raise ConfigurationError(
                    f"database: {error.message.rstrip('.')}. Check address, name, user and password"
                    " (database, database_password)."
                ) from error
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                log.warning("gateway.waits", reason=error.message, setting="database")
        else:
            return
        await asyncio.sleep(DATABASE_SECONDS)


async def join(
    stack: AsyncExitStack,
    store: Store,
    seat: Seat,
    lease: float,
    *,
    alone: bool,
    lost: Callable[[], None],
    taken_over: asyncio.Event,
) -> NodeId:
    """Register this process, take over what dead ones left, and keep the lease until the end.

    `taken_over` is set whenever work of others becomes this node's later on.
    """
    node = await store.write_until_done(RegisterNode(platform.node(), lease))
    seat.sit(node)
    stack.push_async_callback(_leave, store, node)
    if seat.predecessor is not None:
        await store.write_until_done(EndLease(seat.predecessor))
    moved = await store.write_until_done(TakeOver(node, alone=alone))
    log.info("gateway.joined", node=node.hex(), taken_over=moved)

    def taken(rows: int) -> None:
        log.warning("gateway.took_over", rows=rows)
        taken_over.set()

    keeping = asyncio.create_task(_keep_lease(store, node, lease, taken, lost), name="lease")
    stack.push_async_callback(_end, keeping)
    return node


async def _keep_lease(
    store: Store, node: NodeId, seconds: float, taken: Callable[[int], None], lost: Callable[[], None]
) -> None:
    try:
        await keep_lease(store, node, taken, seconds=seconds)
    except LeaseLost:
        log.error("gateway.lease_lost")  # another works on what was ours: start again as a new node
    except Exception:  # whatever it is, others will take this node for dead
        log.exception("gateway.lease_failed")
    lost()


async def _leave(store: Store, node: NodeId) -> None:
    with contextlib.suppress(Unavailable):
        await store.write(EndLease(node))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
