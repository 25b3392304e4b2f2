"""Numbers in an inventory, and what buyers do with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from telephony.kernel.clock import SECOND
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.money import Money
from telephony.kernel.store import Store
from telephony.kernel.store.leases import database_now
from telephony.numbers.holds import FindHold, Hold, HoldKind
from telephony.numbers.intake import Intake, take_in
from telephony.numbers.kinds import EVERYTHING, Assignment, Capabilities, Capability, Lot, NumberType
from telephony.numbers.ports import Offer, Rejected
from telephony.numbers.ranges import numbers_in
from telephony.numbers.search import SearchNumbers, Wanted
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import NumberState
from telephony.numbers.tables import hold_time, inventory, numbers

CARRIER = "carrier"
SETTINGS = NumberSettings()
TEXTS = Capabilities(Capability.NONE, Capability.BOTH)
SEATTLE = Lot(
    "US",
    NumberType.GEOGRAPHIC,
    Assignment.APPLICATION,
    EVERYTHING,
    CARRIER,
    Money(1_000_000, "USD"),
    "206",
    "Seattle",
    "WA",
    "Washington",
)


def lot(**changes: Any) -> Lot:
    """Return Seattle's lot with changes."""
    return replace(SEATTLE, **changes)


def wanted(quantity: int = 1, **changes: Any) -> Wanted:
    """Return a wish for numbers of Seattle that text."""
    wish = Wanted("US", NumberType.GEOGRAPHIC, Assignment.APPLICATION, TEXTS, quantity=quantity)
    return replace(wish, **changes)


@dataclass(frozen=True, slots=True)
class Listed:
    """A supply that is a list."""

    items: Sequence[Offer | Rejected]

    def offers(self) -> Iterator[Offer | Rejected]:
        """See `telephony.numbers.ports.Supply`."""
        return iter(self.items)


async def stocked(store: Store, *texts: str, of: Lot = SEATTLE) -> Intake:
    """Put numbers and ranges into the inventory."""
    return await take_in(store, Listed([Offer(of, numbers_in(text)) for text in texts]))


def somebody() -> ResourceId:
    """Return a resource."""
    return ResourceId(new_id(1))


async def searched(store: Store, resource: ResourceId, wish: Wanted | None = None) -> Hold:
    """Search, and return what is held."""
    done = await store.write(SearchNumbers(resource, wish or wanted(), SETTINGS))
    found = await store.read(FindHold(resource, HoldKind.SEARCH, done.id))
    assert found is not None
    return found


def states(tx: Connection) -> dict[str, int]:
    """Return how many numbers are in which state."""
    query = select(inventory.c.state, func.count()).group_by(inventory.c.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def consistent(tx: Connection) -> None:
    """Assert what must hold at every moment: whoever owns a number is the one that the inventory names."""
    owned = {(bytes(row.resource), row.number) for row in tx.execute(select(numbers))}
    rows = tx.execute(select(inventory)).all()
    assert owned == {
        (bytes(row.resource), row.number) for row in rows if row.state == NumberState.OWNED.value
    }
    for row in rows:
        state = NumberState(row.state)
        assert (row.resource is not None) == (state in (NumberState.RESERVED, NumberState.OWNED)), row
        assert (row.hold is not None) == (state is NumberState.RESERVED), row
        assert (row.until is not None) == (state in (NumberState.RESERVED, NumberState.RELEASED)), row


def let_time_pass(seconds: float) -> Any:
    """Return a job that lets the time of holds go on."""

    def job(tx: Connection) -> None:
        if tx.execute(select(hold_time.c.id)).first() is None:
            tx.execute(insert(hold_time).values(id=1, offset=0, seen=database_now(tx)))
        now = hold_time.c.offset + round(seconds * SECOND)
        tx.execute(update(hold_time).values(offset=now, seen=hold_time.c.seen + round(seconds * SECOND)))

    return job
