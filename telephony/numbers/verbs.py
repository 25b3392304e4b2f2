"""What can be done with numbers: the verbs behind ACS's operations and the operator's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from telephony.kernel.e164 import shorten
from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.longrunning import OperationKind
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.numbers import catalogue
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.holds import FindHold, Hold, HoldKind, ListHolds
from telephony.numbers.kinds import Assignment, Capability, Lot, NumberType
from telephony.numbers.operations import FindOperation, StoredOperation
from telephony.numbers.plan import Operator, country_of, operator_of
from telephony.numbers.reservations import ChangeReservation, DeleteReservation, Pick, Reserved, not_there
from telephony.numbers.search import Browse, SearchNumbers, Wanted
from telephony.numbers.settings import NumberSettings
from telephony.numbers.states import HoldState
from telephony.numbers.store import FindOwned, ListOwned, Owned
from telephony.numbers.trade import (
    CancelSearch,
    Purchase,
    ReleaseNumber,
    UpdateCapabilities,
    not_owned,
)
from telephony.resources.audit import Actor, AuditSettings, Change, Trail

log = structlog.get_logger(__name__)
T = TypeVar("T")

PURCHASE: Final = "/availablePhoneNumbers/:purchase"
RESERVED: Final = "/availablePhoneNumbers/reservations/{}/:purchase"

_NO_OPERATION: Final = "There is no such operation."


class Numbers:
    """The verbs. Each raises Unavailable when the store is away. `by` is who asks for a change, which then
    leaves a record."""

    def __init__(
        self, *, store: Store, directory: NumberDirectory, settings: NumberSettings, audit: AuditSettings
    ) -> None:
        self._store = store
        self._directory = directory
        self._audit = audit
        self.settings: Final = settings

    async def search(self, resource: ResourceId, wanted: Wanted) -> StoredOperation:
        """Hold numbers; the operation's id is the search's. Raises InvalidRequest, LimitReached."""
        if wanted.quantity > self.settings.max_held:
            raise InvalidRequest(
                f"quantity: It must be an integer from 1 to {self.settings.max_held}.",
                code="InvalidInput",
                target="quantity",
            )
        done = await self._store.write(SearchNumbers(resource, wanted, self.settings))
        log.info(
            "numbers.searched", resource=to_text(resource), search=to_text(done.id), status=done.status.value
        )
        return done

    async def search_result(self, resource: ResourceId, search: bytes) -> Hold:
        """Return what a search holds, or held. Raises NotFound, also when it was cancelled."""
        found = await self._store.read(FindHold(resource, HoldKind.SEARCH, search))
        if found is None or found.state is HoldState.CANCELLED:
            raise NotFound("There is no such search.", target="searchId")
        return found

    async def purchase(
        self, resource: ResourceId, kind: HoldKind, hold: bytes, *, agreed: bool, by: Actor
    ) -> StoredOperation:
        """Buy what a search or a reservation holds: see `Purchase`."""
        if kind is HoldKind.SEARCH:
            change = Change(resource, by, "numbers.purchase", PURCHASE, {"searchId": to_text(hold)})
        else:
            change = Change(resource, by, "numbers.purchase_reservation", RESERVED.format(to_text(hold)))
        trail = Trail(change, self._audit.days)
        bought = await self._store.write(Purchase(resource, kind, hold, agreed, self.settings, trail))
        self._directory.forget(*bought.numbers)
        log.info(
            "numbers.bought",
            resource=to_text(resource),
            hold=to_text(hold),
            numbers=[shorten(number) for number in bought.numbers[:5]],
            count=len(bought.numbers),
        )
        return bought.operation

    async def owned(self, resource: ResourceId, skip: int, limit: int) -> list[Owned]:
        """Return a page of the resource's numbers."""
        return await self._store.read(ListOwned(resource, skip, limit))

    async def get(self, resource: ResourceId, number: str) -> Owned:
        """Return one of the resource's numbers. Raises NotFound."""
        found = await self._store.read(FindOwned(resource, number))
        if found is None:
            raise not_owned(number)
        return found

    async def update(
        self, resource: ResourceId, number: str, calling: Capability | None, sms: Capability | None, by: Actor
    ) -> StoredOperation:
        """Change what a number can do: see `UpdateCapabilities`."""
        path = f"/phoneNumbers/{number}/capabilities"
        trail = Trail(Change(resource, by, "numbers.update_capabilities", path), self._audit.days)
        done = await self._store.write(
            UpdateCapabilities(resource, number, calling, sms, self.settings, trail)
        )
        self._directory.forget(number)
        log.info("numbers.updated", resource=to_text(resource), number=shorten(number))
        return done

    async def release(self, resource: ResourceId, number: str, by: Actor) -> StoredOperation:
        """Give a number up; from the answer on it neither sends nor receives here. Raises NotFound."""
        trail = Trail(Change(resource, by, "numbers.release", f"/phoneNumbers/{number}"), self._audit.days)
        done = await self._store.write(ReleaseNumber(resource, number, self.settings, trail))
        self._directory.forget(number)
        log.info("numbers.released", resource=to_text(resource), number=shorten(number))
        return done

    async def operation(
        self, resource: ResourceId, kind: OperationKind, identifier: bytes
    ) -> StoredOperation:
        """Return an operation. Raises NotFound."""
        found = await self._store.read(FindOperation(resource, kind, identifier))
        if found is None:
            raise NotFound(_NO_OPERATION, target="operationId")
        return found

    async def cancel(self, resource: ResourceId, kind: OperationKind, identifier: bytes) -> None:
        """Cancel an operation: a search gives back what it holds, the others are over and stay so.

        Raises NotFound, and Conflict when what a search found was bought.
        """
        if kind is OperationKind.SEARCH:
            await self._store.write(CancelSearch(resource, identifier))
        else:
            await self.operation(resource, kind, identifier)

    async def reserve(
        self, resource: ResourceId, identifier: bytes, changes: Mapping[str, Pick | None]
    ) -> Reserved:
        """Make or change a reservation: see `ChangeReservation`."""
        return await self._store.write(ChangeReservation(resource, identifier, changes, self.settings))

    async def reservation(self, resource: ResourceId, identifier: bytes) -> Hold:
        """Return a reservation. Raises NotFound."""
        found = await self._store.read(FindHold(resource, HoldKind.RESERVATION, identifier))
        if found is None:
            raise not_there()
        return found

    async def reservations(self, resource: ResourceId, after: bytes, limit: int) -> list[Hold]:
        """Return a page of the resource's reservations."""
        return await self._store.read(ListHolds(resource, after, limit))

    async def delete_reservation(self, resource: ResourceId, identifier: bytes) -> None:
        """Give a reservation's numbers back. Raises NotFound, Conflict."""
        await self._store.write(DeleteReservation(resource, identifier))

    async def browse(self, wanted: Wanted, prefixes: Sequence[str]) -> list[tuple[str, Lot]]:
        """Return some numbers that are free now."""
        return await self._store.read(Browse(wanted, prefixes))

    async def operator(self, resource: ResourceId, number: str) -> tuple[Operator, str]:
        """Return what is known of any number's operator, and the carrier's name when the number is the
        resource's own. Raises InvalidRequest when it is no number of any plan."""
        found, owned = await asyncio.gather(
            asyncio.to_thread(operator_of, number), self._store.read(FindOwned(resource, number))
        )
        if found is None:
            raise InvalidRequest(
                "It is not a phone number in E.164 format.", code="BadRequest", target="phoneNumbers"
            )
        return found, "" if owned is None else owned.carrier

    async def countries(self, skip: int, limit: int) -> list[str]:
        """Return countries with free numbers."""
        return await self._read(catalogue.countries(skip, limit))

    async def localities(
        self, country: str, skip: int, limit: int, *, kind: NumberType | None, division: str
    ) -> list[catalogue.Place]:
        """Return localities with free numbers. Raises InvalidRequest."""
        found = catalogue.localities(country_of(country), skip, limit, kind=kind, division=division)
        return await self._read(found)

    async def area_codes(
        self,
        country: str,
        skip: int,
        limit: int,
        *,
        kind: NumberType,
        assignment: Assignment | None,
        locality: str,
        division: str,
    ) -> list[str]:
        """Return area codes with free numbers. Raises InvalidRequest."""
        found = catalogue.area_codes(
            country_of(country),
            skip,
            limit,
            kind=kind,
            assignment=assignment,
            locality=locality,
            division=division,
        )
        return await self._read(found)

    async def offerings(
        self, country: str, skip: int, limit: int, *, kind: NumberType | None, assignment: Assignment | None
    ) -> list[catalogue.Offering]:
        """Return what can be had, and at which price. Raises InvalidRequest."""
        found = catalogue.offerings(country_of(country), skip, limit, kind=kind, assignment=assignment)
        return await self._read(found)

    def _read(self, query: Callable[[Connection], T]) -> Awaitable[T]:
        return self._store.read(query)
