"""Reservations: numbers that a client picked one by one, held until it buys them or its time is over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, select

from telephony.kernel.clock import HOUR, SECOND
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.ids import ResourceId
from telephony.numbers.hold_time import moment
from telephony.numbers.holds import (
    Held,
    Hold,
    HoldDetail,
    HoldKind,
    change_hold,
    check_room,
    drop_hold,
    find_to_change,
    give_back,
    open_hold,
    prolong,
    reserve,
)
from telephony.numbers.kinds import Assignment, Capabilities, Lot, NumberType
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import HoldEvent, HoldState
from telephony.numbers.stock import lot_of
from telephony.numbers.tables import inventory, lots, one_of

MAX_NUMBERS: Final = 100
"""Numbers in a reservation, as in Azure."""

LONGEST: Final = 2 * HOUR
"""How long changes can prolong a reservation, from its beginning on."""

TARGET: Final = "reservationId"


@dataclass(frozen=True, slots=True)
class Pick:
    """A number that a client wants to reserve, and what it believes it is."""

    country: str
    type: NumberType
    assignment: Assignment
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation after a change."""

    hold: Hold
    created: bool
    failed: Mapping[str, Pick] = field(default_factory=dict)
    """Numbers that could not be had."""


@dataclass(frozen=True, slots=True)
class ChangeReservation:
    """Job: make a reservation, or add numbers to one and take others out of it (None).

    Its time begins anew, up to two hours in all. A number that somebody else has, that does not exist or is
    not what the client believes fails alone. Raises Conflict when the reservation is over, InvalidRequest
    when it would have too many numbers, LimitReached when the resource holds too many.
    """

    resource: ResourceId
    id: bytes
    changes: Mapping[str, Pick | None]
    """By number."""
    settings: NumberSettings

    def __call__(self, tx: Connection) -> Reserved:
        """See the class."""
        at = moment(tx)
        hold = find_to_change(tx, self.resource, HoldKind.RESERVATION, self.id, at)
        if hold is not None and hold.state is not HoldState.ACTIVE:
            raise Conflict(f"The reservation is {hold.state.value}.", target=TARGET)
        before = {held.number: held for held in hold.numbers} if hold is not None else {}
        picks = {number: pick for number, pick in self.changes.items() if pick is not None}
        dropped = [number for number, pick in self.changes.items() if pick is None and number in before]
        if len(before.keys() - set(dropped) | picks.keys()) > MAX_NUMBERS:
            raise InvalidRequest(
                f"A reservation has at most {MAX_NUMBERS} numbers.",
                code="InvalidInput",
                target="phoneNumbers",
            )
        fresh = [number for number in picks if number not in before]
        check_room(tx, self.resource, len(fresh) - len(dropped), self.settings, at)
        created = hold is None
        if hold is None:
            empty = HoldDetail(())
            hold = open_hold(tx, self.resource, HoldKind.RESERVATION, self.id, empty, self.settings, at)
            until = hold.until
        else:
            until = at.now + self.settings.hold_seconds * SECOND
            until = min(until, hold.created + LONGEST)
            until = max(until, hold.until)
        give_back(tx, hold, dropped)
        known = _lots(tx, list(picks))
        good = {number: known[number] for number, pick in picks.items() if _fits(pick, known.get(number))}
        taken = set(reserve(tx, self.resource, self.id, sorted(set(good) & set(fresh)), until))
        after = {number: held for number, held in before.items() if number not in dropped}
        for number, lot in good.items():
            if number in taken or number in after:
                after[number] = _held(number, lot, picks[number].capabilities)
        prolong(tx, hold, until)
        detail = HoldDetail(tuple(after[number] for number in sorted(after)))
        change_hold(tx, hold, HoldEvent.CHANGE, until=until, detail=detail)
        result = Hold(
            hold.resource,
            hold.kind,
            hold.id,
            hold.state,
            hold.created,
            until,
            detail,
            until - (hold.until - hold.ends),
        )
        failed = {number: pick for number, pick in picks.items() if number not in after or number not in good}
        return Reserved(result, created, failed)


@dataclass(frozen=True, slots=True)
class DeleteReservation:
    """Job: give a reservation's numbers back. Raises NotFound, and Conflict when it is over."""

    resource: ResourceId
    id: bytes

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        hold = find_to_change(tx, self.resource, HoldKind.RESERVATION, self.id, moment(tx))
        if hold is None:
            raise not_there()
        if hold.state is not HoldState.ACTIVE:
            raise Conflict(f"The reservation is {hold.state.value}.", target=TARGET)
        give_back(tx, hold, [held.number for held in hold.numbers])
        drop_hold(tx, hold)


def not_there() -> NotFound:
    """Return the error for a reservation that the caller does not have."""
    return NotFound("There is no such reservation.", target=TARGET)


def _lots(tx: Connection, wanted: list[str]) -> dict[str, Lot]:
    query = (
        select(inventory.c.number, *lots.columns)
        .join(lots, lots.c.id == inventory.c.lot)
        .where(one_of(tx, wanted))
    )
    return {row.number: lot_of(row) for row in tx.execute(query)} if wanted else {}


def _fits(pick: Pick, lot: Lot | None) -> bool:
    return (
        lot is not None
        and (pick.country, pick.type, pick.assignment) == (lot.country, lot.type, lot.assignment)
        and lot.capabilities.includes(pick.capabilities)
    )


def _held(number: str, lot: Lot, capabilities: Capabilities) -> Held:
    return Held(
        number,
        capabilities.mask,
        lot.country,
        lot.type.value,
        lot.assignment.value,
        lot.cost.micros,
        lot.cost.currency,
        lot.agreement,
    )
