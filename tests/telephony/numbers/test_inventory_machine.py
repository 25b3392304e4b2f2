"""Whatever buyers, owners, operators and clocks do, in any order: the inventory stays what it should be."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from telephony.kernel.e164 import E164
from telephony.kernel.errors import CallerError
from telephony.kernel.http.longrunning import OperationStatus
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import metadata
from telephony.kernel.store.engine import open_engine
from telephony.numbers.hold_time import Look
from telephony.numbers.holds import HoldKind
from telephony.numbers.reservations import ChangeReservation, DeleteReservation, Pick
from telephony.numbers.search import SearchNumbers
from telephony.numbers.states import NUMBER, NumberState
from telephony.numbers.stock import StockNumbers, WithdrawNumber
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.numbers.tables import hold_time, holds, inventory, lots, numbers, operations
from telephony.numbers.trade import CancelSearch, Purchase, ReleaseNumber
from tests.support.numbers import CARRIER, SEATTLE, SETTINGS, TEXTS, consistent, let_time_pass, wanted
from tests.support.scale import scale

pytestmark = pytest.mark.wire

RESOURCES = st.sampled_from([ResourceId(bytes([place]) * 16) for place in range(3)])
NUMBERS = st.sampled_from([f"+1206555010{digit}" for digit in range(6)])
RESERVATIONS = st.sampled_from([bytes([place]) * 16 for place in range(2)])
PICK = Pick(SEATTLE.country, SEATTLE.type, SEATTLE.assignment, TEXTS)


class Inventory(RuleBasedStateMachine):
    """Six numbers, three resources."""

    searches = Bundle("searches")

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_engine("sqlite:///:memory:", connections=1)
        tables = [numbers, lots, inventory, holds, operations, hold_time]
        metadata.create_all(self.engine, tables=tables)
        self.before: dict[str, NumberState] = {}
        self.do(Look())

    def teardown(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def do(self, job: Any) -> Any:
        """Run a job; one that is refused changes nothing, and is refused with an error for callers."""
        with self.engine.connect() as tx:
            transaction = tx.begin()
            try:
                result = job(tx)
            except CallerError:
                transaction.rollback()
                return None
            transaction.commit()
            return result

    @rule(some=st.sets(NUMBERS, min_size=1))
    def stock(self, some: set[str]) -> None:
        self.do(StockNumbers((SEATTLE,), [(number, 0) for number in some]))

    @rule(number=NUMBERS)
    def withdraw(self, number: str) -> None:
        self.do(WithdrawNumber(number))

    @rule(number=NUMBERS, resource=RESOURCES)
    def assign(self, number: str, resource: ResourceId) -> None:
        self.do(AcquireNumber(OwnedNumber(resource, E164(number), CARRIER), 1))

    @rule(target=searches, resource=RESOURCES, quantity=st.integers(1, 4))
    def search(self, resource: ResourceId, quantity: int) -> tuple[ResourceId, bytes]:
        done = self.do(SearchNumbers(resource, wanted(quantity), SETTINGS))
        free = sum(state is NumberState.FREE for state in self.before.values())
        assert (done.status is OperationStatus.SUCCEEDED) == (free > 0)
        return resource, done.id

    @rule(search=searches)
    def cancel(self, search: tuple[ResourceId, bytes]) -> None:
        self.do(CancelSearch(*search))

    @rule(search=searches)
    def buy_search(self, search: tuple[ResourceId, bytes]) -> None:
        self.do(Purchase(search[0], HoldKind.SEARCH, search[1], True, SETTINGS))

    @rule(
        resource=RESOURCES, mine=RESERVATIONS, changes=st.dictionaries(NUMBERS, st.sampled_from([PICK, None]))
    )
    def reserve(self, resource: ResourceId, mine: bytes, changes: dict[str, Pick | None]) -> None:
        self.do(ChangeReservation(resource, mine, changes, SETTINGS))

    @rule(resource=RESOURCES, mine=RESERVATIONS)
    def delete_reservation(self, resource: ResourceId, mine: bytes) -> None:
        self.do(DeleteReservation(resource, mine))

    @rule(resource=RESOURCES, mine=RESERVATIONS)
    def buy_reservation(self, resource: ResourceId, mine: bytes) -> None:
        self.do(Purchase(resource, HoldKind.RESERVATION, mine, True, SETTINGS))

    @rule(resource=RESOURCES, number=NUMBERS)
    def release(self, resource: ResourceId, number: str) -> None:
        self.do(ReleaseNumber(resource, number, SETTINGS))

    @rule(seconds=st.sampled_from([60, 600, 1000, 31 * 86_400]), look=st.booleans())
    def let_time_pass(self, seconds: int, look: bool) -> None:
        self.do(let_time_pass(seconds))
        if look:
            self.do(Look())

    @invariant()
    def everything_fits_together(self) -> None:
        with self.engine.connect() as tx, tx.begin():
            consistent(tx)
            now = {row.number: NumberState(row.state) for row in tx.execute(select(inventory))}
        for number, state in now.items():
            old = self.before.get(number, NumberState.FREE)
            assert state is old or state in _reachable(old), (number, old, state)
        self.before = now


def _reachable(state: NumberState) -> set[NumberState]:
    """Return where one step can lead; a look may free what a step before let lapse."""
    return {new for (old, _), new in NUMBER.table.items() if old is state}


TestInventory = Inventory.TestCase
TestInventory.settings = settings(
    max_examples=scale(12, 500), stateful_step_count=scale(16, 60), deadline=None
)
