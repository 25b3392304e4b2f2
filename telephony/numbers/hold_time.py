"""The time that holds and quarantines are measured in: the database's clock, without its jumps.

A hold lasts fifteen minutes for whoever has it, whatever is done to a clock meanwhile. Every gateway looks at
the database's clock every few seconds and compares what has passed there with what has passed on its own
monotonic clock. Where they differ, the database's clock was set: the difference goes into an offset that all
gateways use, so that only one corrects it. Between two looks the time never goes back, and never forward by
more than `SLACK`. Nothing becomes free but at such a look.

Nobody can tell how long nothing ran: at a gateway's start the database's clock is believed, but not when it
went back. While a machine sleeps its monotonic clock stands still, so on SQLite holds stand still too.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store.leases import database_now
from telephony.numbers.states import NUMBER, NumberEvent, NumberState
from telephony.numbers.tables import hold_time, inventory, one_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
"""How often a gateway looks: how late a number may become free."""

TOLERANCE: Final = 5 * SECOND
"""Differences up to this are a busy machine, not a clock that was set."""

SLACK: Final = 60 * SECOND
"""How far the time may go on since the last look; beyond, either nothing runs or the clock was set."""

SLICE: Final = 1000
"""Numbers that become free in one job: some milliseconds of the writer."""

_ROW: Final = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of holds in microseconds, what it adds to the database's clock, and that clock."""

    now: int
    offset: int
    wall: int


def moment(tx: Connection) -> Moment:
    """Return the time of holds."""
    row = tx.execute(select(hold_time.c.offset, hold_time.c.seen)).first()
    now = database_now(tx)
    if row is None:
        return Moment(now, 0, now)
    return Moment(min(max(now + row.offset, row.seen), row.seen + SLACK), row.offset, now)


def hold_now(tx: Connection) -> int:
    """Return the time of holds, in microseconds."""
    return moment(tx).now


@dataclass(frozen=True, slots=True)
class Look:
    """Job: look at the clock, and free what is due; returns the time and how many numbers became free.

    `expected` is what the time should be by this gateway's monotonic clock; None at its start.
    """

    expected: int | None = None

    def __call__(self, tx: Connection) -> tuple[int, int]:
        """See the class."""
        query = select(hold_time.c.offset, hold_time.c.seen)
        if tx.dialect.name == "postgresql":
            query = query.with_for_update()
        row = tx.execute(query).first()
        clock = database_now(tx)
        if row is None:
            dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
            first = dialect.insert(hold_time).values(id=_ROW, offset=0, seen=clock)
            tx.execute(first.on_conflict_do_nothing())  # another gateway starts too
            return clock, free_due(tx, clock)
        now = max(clock + row.offset, row.seen) if self.expected is None else clock + row.offset
        if self.expected is not None and abs(now - self.expected) > TOLERANCE:
            log.warning("numbers.clock_was_set", seconds=round((now - self.expected) / SECOND))
            now = max(self.expected, row.seen)
        elif now < row.seen:
            now = row.seen
        offset = now - clock
        if abs(offset - row.offset) <= TOLERANCE:
            offset = row.offset  # looks take time; only jumps count
        tx.execute(update(hold_time).values(offset=offset, seen=now))
        return now, free_due(tx, now)


def free_due(tx: Connection, now: int) -> int:
    """Free at most SLICE numbers whose hold or quarantine is over; return how many."""
    due = select(inventory.c.number).where(inventory.c.until <= now).order_by(inventory.c.number).limit(SLICE)
    if tx.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    found = tx.execute(due).scalars().all()
    freed = 0
    for state, event in (
        (NumberState.RESERVED, NumberEvent.LAPSE),
        (NumberState.RELEASED, NumberEvent.RECOVER),
    ):
        changed = (
            update(inventory)
            .where(one_of(tx, found), inventory.c.state == state.value, inventory.c.until <= now)
            .values(
                state=NUMBER.fire(state, event).value,
                version=inventory.c.version + 1,
                resource=None,
                hold=None,
                until=None,
            )
        )
        freed += tx.execute(changed).rowcount if found else 0
    return freed


async def watch_holds(store: Store, clock: Clock, *, seconds: float = LOOK_SECONDS) -> None:
    """Look for ever, every so many seconds."""
    expected: int | None = None
    while True:
        freed = SLICE
        before = clock.monotonic()
        try:
            while freed >= SLICE:
                passed = round((clock.monotonic() - before) * SECOND)
                now, freed = await store.write(Look(None if expected is None else expected + passed))
                expected, before = now, clock.monotonic()
                if freed:
                    log.info("numbers.free_again", numbers=freed)
        except Unavailable as error:
            log.debug("numbers.not_looked", error=error.message)
        except Exception:  # a watch that ends would hold numbers for ever
            log.exception("numbers.watch_failed")
        await asyncio.sleep(seconds)
        if expected is not None:
            expected += round((clock.monotonic() - before) * SECOND)
