"""What was used of a limit, counted where it cannot be overshot: in the transaction that accepts.

A compare-and-add is one statement: it adds when the sum stays within the limit, and says nothing otherwise.
SQLite has one writer; on PostgreSQL the row is locked until the commit, so that gateways go one after the
other, and jobs name the resources whose counters they add to beforehand (`lock_of`). Days are UTC's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from telephony.kernel.clock import DAY
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.engine import run
from telephony.usage.tables import limit_counters, running_calls

MESSAGES: Final = "messages"
SPENT: Final = "spent"
"""Followed by a colon and the currency: `spent:USD`."""

CALLS: Final = "calls"
"""The row that whoever begins a call locks first."""

NO_DAY: Final = 0

_ADD: Final = (
    "INSERT INTO limit_counters (resource, day, name, used) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (resource, day, name) DO UPDATE SET used = limit_counters.used + excluded.used "
    "WHERE limit_counters.used + excluded.used <= ? RETURNING used"
)
_TOUCH: Final = (
    "INSERT INTO limit_counters (resource, day, name, used) VALUES (?, ?, ?, 0) "
    "ON CONFLICT (resource, day, name) DO UPDATE SET used = limit_counters.used"
)


def lock_of(resource: ResourceId) -> int:
    """Return the key under which a resource's counters are locked.

    Whatever job adds to counters names it (`telephony.kernel.store.jobs.LockingJob`): jobs of several
    resources stand in one group, and those of another gateway in another order.
    """
    return int.from_bytes(blake2b(resource, digest_size=8, person=b"counters").digest(), "big", signed=True)


def spent(currency: str) -> str:
    """Return the counter of what was spent in a currency."""
    return f"{SPENT}:{currency}"


def day_of(at: int) -> int:
    """Return the day of a moment (microseconds UTC): days since the epoch."""
    return at // DAY


@dataclass(frozen=True, slots=True)
class Most:
    """A counter that may not pass a limit."""

    name: str
    most: int


class OverLimit(Exception):
    """A counter that would have passed its limit: what was to be accepted is undone."""

    def __init__(self, resource: ResourceId, counter: Most, amount: int) -> None:
        super().__init__(f"{counter.name} would pass {counter.most}")
        self.resource, self.counter, self.amount = resource, counter, amount


def add(tx: Connection, resource: ResourceId, day: int, counter: Most, amount: int) -> bool:
    """Add to a counter unless that would pass its limit; tell whether it was added."""
    if amount > counter.most:
        return False
    if amount <= 0:  # what is free is never refused, not even with a budget that is used up
        return True
    return bool(run(tx, _spelled(tx, _ADD), (resource, day, counter.name, amount, counter.most)))


def give_back(tx: Connection, resource: ResourceId, day: int, name: str, amount: int) -> None:
    """Take off a counter what was added for nothing."""
    if amount > 0:
        statement = (
            "UPDATE limit_counters SET used = CASE WHEN used > ? THEN used - ? ELSE 0 END "
            "WHERE resource = ? AND day = ? AND name = ?"
        )
        run(tx, _spelled(tx, statement), (amount, amount, resource, day, name))


def used(tx: Connection, resource: ResourceId, day: int) -> Mapping[str, int]:
    """Return what was used of a resource's counters on a day."""
    column = limit_counters.c
    query = select(column.name, column.used).where(column.resource == resource, column.day == day)
    return {row.name: row.used for row in tx.execute(query)}


def begin_call(
    tx: Connection,
    resource: ResourceId,
    interaction: InteractionId,
    node: NodeId,
    at: int,
    most: int | None,
) -> bool:
    """Count a call from now until `end_call`, unless there are `most` already; tell whether it is counted."""
    column = running_calls.c
    if most is not None:
        # The count must not change before ours is in it: whoever begins a call of this resource waits here.
        run(tx, _spelled(tx, _TOUCH), (resource, NO_DAY, CALLS))
        running = tx.execute(
            select(func.count()).select_from(running_calls).where(column.resource == resource)
        ).scalar_one()
        if running >= most:
            return False
    tx.execute(insert(running_calls).values(resource=resource, interaction=interaction, node=node, since=at))
    return True


def end_call(tx: Connection, resource: ResourceId, interaction: InteractionId) -> None:
    """Stop counting a call; nothing happens when it was not counted."""
    column = running_calls.c
    tx.execute(delete(running_calls).where(column.resource == resource, column.interaction == interaction))


def forget_days(tx: Connection, before: int) -> int:
    """Delete the counters of days before one; return how many rows were."""
    column = limit_counters.c
    return tx.execute(delete(limit_counters).where(column.day < before, column.day != NO_DAY)).rowcount


def add_all(tx: Connection, amounts: Mapping[tuple[ResourceId, int, Most], int]) -> None:
    """Add amounts to counters, by resource, day and counter. Raises OverLimit: then the caller undoes all."""
    for key in sorted(amounts, key=_order):  # one order of locking: no two gateways wait for each other
        resource, day, counter = key
        if not add(tx, resource, day, counter, amounts[key]):
            raise OverLimit(resource, counter, amounts[key])


def _order(key: tuple[ResourceId, int, Most]) -> tuple[bytes, int, str]:
    return key[0], key[1], key[2].name


def _spelled(tx: Connection, statement: str) -> str:
    return statement if tx.dialect.name == "sqlite" else statement.replace("?", "%s")
