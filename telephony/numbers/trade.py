"""Buying, changing and giving back numbers; each is one transaction, with its operation."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from telephony.kernel.clock import DAY
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.longrunning import OperationKind, OperationStatus
from telephony.kernel.ids import ResourceId, new_id
from telephony.numbers.hold_time import moment
from telephony.numbers.holds import HoldKind, change_hold, find_to_change, give_back, take_over
from telephony.numbers.kinds import Capabilities, Capability
from telephony.numbers.operations import FindOperation, StoredOperation, fail, keep
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import NUMBER, HoldEvent, HoldState, NumberEvent, NumberState
from telephony.numbers.stock import lot_of
from telephony.numbers.store import insert_owned
from telephony.numbers.tables import inventory, lots, numbers, one_of
from telephony.resources.audit import Trail

_OPERATION = {
    HoldKind.SEARCH: OperationKind.PURCHASE,
    HoldKind.RESERVATION: OperationKind.RESERVATION_PURCHASE,
}
_TARGET = {HoldKind.SEARCH: "searchId", HoldKind.RESERVATION: "reservationId"}


@dataclass(frozen=True, slots=True)
class Bought:
    """What came of a purchase."""

    operation: StoredOperation
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purchase:
    """Job: buy what a search or a reservation holds.

    A second purchase of the same hold returns the first one's operation: clients repeat what got no answer.
    Raises NotFound for a hold that the resource does not have, InvalidRequest when its time is over, when it
    holds nothing, or when the agreement not to resell is missing.
    """

    resource: ResourceId
    kind: HoldKind
    id: bytes
    agreed: bool
    settings: NumberSettings
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> Bought:
        """See the class."""
        target = _TARGET[self.kind]
        at = moment(tx)
        hold = find_to_change(tx, self.resource, self.kind, self.id, at)
        if hold is None or hold.state is HoldState.CANCELLED:
            raise NotFound(f"There is no such {self.kind.value}.", target=target)
        kind = _OPERATION[self.kind]
        names = tuple(held.number for held in hold.numbers)
        if hold.state is HoldState.COMPLETED:
            first = FindOperation(self.resource, kind, self.id)(tx)
            if first is None:
                raise Conflict(f"The {self.kind.value} was purchased already.", target=target)
            return Bought(first, names)
        if hold.state is HoldState.EXPIRED:
            text = f"The {self.kind.value} has expired: its numbers are not held any more."
            raise InvalidRequest(text, code="ReservationExpired", target=target)
        if not names:
            raise InvalidRequest("The reservation has no numbers.", code="InvalidInput", target=target)
        if not self.agreed and any(held.agreement for held in hold.numbers):
            raise InvalidRequest(
                "These numbers are sold only with the agreement not to resell them.",
                code="InvalidInput",
                target="agreeToNotResell",
            )
        now = at.wall
        take_over(tx, hold)
        query = (
            select(inventory.c.number, *lots.columns)
            .join(lots, lots.c.id == inventory.c.lot)
            .where(one_of(tx, names))
        )
        kept = {row.number: lot_of(row) for row in tx.execute(query)}
        bought = [
            # The price is the one that was shown, whatever the operator did to the lot meanwhile.
            (
                held.number,
                replace(
                    kept[held.number],
                    cost=replace(kept[held.number].cost, micros=held.cost, currency=held.currency),
                ),
                Capabilities.of(held.capabilities),
            )
            for held in hold.numbers
        ]
        try:
            with tx.begin_nested():
                insert_owned(tx, self.resource, bought, now)
        except IntegrityError:
            raise Conflict("One of the numbers is owned already.", target=target) from None
        change_hold(tx, hold, HoldEvent.PURCHASE)
        if self.trail is not None:
            self.trail.leave(tx, now, after={"numbers": names})
        done = StoredOperation(kind, self.id, OperationStatus.SUCCEEDED, now, now)
        return Bought(keep(tx, self.resource, done, self.settings.operation_days), names)


@dataclass(frozen=True, slots=True)
class CancelSearch:
    """Job: give back what a search holds. Raises NotFound, and Conflict when it was bought."""

    resource: ResourceId
    id: bytes

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        at = moment(tx)
        hold = find_to_change(tx, self.resource, HoldKind.SEARCH, self.id, at)
        if hold is None:  # it found nothing
            if FindOperation(self.resource, OperationKind.SEARCH, self.id)(tx) is None:
                raise NotFound("There is no such operation.", target="operationId")
            return
        if hold.state is HoldState.COMPLETED:
            raise Conflict("What the search found was bought.", target="operationId")
        if hold.state is not HoldState.ACTIVE:
            return
        give_back(tx, hold, [held.number for held in hold.numbers])
        change_hold(tx, hold, HoldEvent.CANCEL)
        why = ErrorDetail("Cancelled", "The search was cancelled.")
        fail(tx, self.resource, OperationKind.SEARCH, self.id, at.wall, why)


@dataclass(frozen=True, slots=True)
class UpdateCapabilities:
    """Job: change what a number can do, within what its lot can. None leaves a half as it is.

    Raises NotFound when the number is not the resource's, InvalidRequest when the lot cannot do it.
    """

    resource: ResourceId
    number: str
    calling: Capability | None
    sms: Capability | None
    settings: NumberSettings
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> StoredOperation:
        """See the class."""
        mine = (numbers.c.resource == self.resource, numbers.c.number == self.number)
        query = (
            select(numbers.c.capabilities, lots.c.capabilities.label("most"))
            .select_from(numbers)
            .join(inventory, inventory.c.number == numbers.c.number)
            .join(lots, lots.c.id == inventory.c.lot)
            .where(*mine)
        )
        row = tx.execute(query).first()
        if row is None:
            raise not_owned(self.number)
        before, most = Capabilities.of(row.capabilities), Capabilities.of(row.most)
        after = Capabilities(self.calling or before.calling, self.sms or before.sms)
        if not most.includes(after):
            raise InvalidRequest(
                f"The number can do no more than calling {most.calling.value}, sms {most.sms.value}.",
                code="InvalidInput",
                target="capabilities",
            )
        tx.execute(update(numbers).where(*mine).values(capabilities=after.mask))
        now = moment(tx).wall
        if self.trail is not None:
            self.trail.leave(tx, now, before=_shown(before), after=_shown(after))
        done = StoredOperation(
            OperationKind.UPDATE_CAPABILITIES,
            new_id(now),
            OperationStatus.SUCCEEDED,
            now,
            now,
            f"/phoneNumbers/{self.number}",
        )
        return keep(tx, self.resource, done, self.settings.operation_days)


@dataclass(frozen=True, slots=True)
class ReleaseNumber:
    """Job: give a number up. Nobody gets it until its quarantine is over. Raises NotFound."""

    resource: ResourceId
    number: str
    settings: NumberSettings
    trail: Trail | None = None

    def __call__(self, tx: Connection) -> StoredOperation:
        """See the class."""
        mine = (numbers.c.resource == self.resource, numbers.c.number == self.number)
        if tx.execute(delete(numbers).where(*mine)).rowcount == 0:
            raise not_owned(self.number)
        days, at = self.settings.quarantine_days, moment(tx)
        released = NUMBER.fire(NumberState.OWNED, NumberEvent.RELEASE)
        state = released if days else NUMBER.fire(released, NumberEvent.RECOVER)
        tx.execute(
            update(inventory)
            .where(inventory.c.number == self.number, inventory.c.state == NumberState.OWNED.value)
            .values(
                state=state.value,
                version=inventory.c.version + 1,
                resource=None,
                until=at.now + days * DAY if days else None,
            )
        )
        now = at.wall
        if self.trail is not None:
            self.trail.leave(tx, now)
        done = StoredOperation(OperationKind.RELEASE, new_id(now), OperationStatus.SUCCEEDED, now, now)
        return keep(tx, self.resource, done, self.settings.operation_days)


def _shown(capabilities: Capabilities) -> dict[str, str]:
    return {"calling": capabilities.calling.value, "sms": capabilities.sms.value}


def not_owned(number: str) -> NotFound:
    """Return the error for a number that is not the caller's, in Azure's words."""
    return NotFound(f"Input phoneNumber {number} cannot be found.", target="phonenumber")
