"""ACS phone numbers: what can be had, and reservations (PhoneNumbersClient, 2025-06-01)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.paging import (
    CONTINUATION,
    collection,
    continuation,
    next_link,
    page_of,
    position_of,
)
from telephony.kernel.http.route import JSON, MERGE_PATCH, Reply, Request, Route
from telephony.kernel.ids import from_text, to_text
from telephony.numbers.api import acs, begun, invalid
from telephony.numbers.holds import Hold, HoldKind
from telephony.numbers.kinds import Assignment, Capabilities, Capability, NumberType
from telephony.numbers.plan import country_name, country_of
from telephony.numbers.reservations import Pick, not_there
from telephony.numbers.search import Wanted
from telephony.numbers.verbs import Numbers
from telephony.numbers.wire import (
    AreaCode,
    AvailablePhoneNumber,
    BrowseResult,
    Country,
    PhoneNumbersBrowseRequest,
    PurchaseReservationRequest,
    Reservation,
    ReservationPatch,
    bare_id,
    capabilities_of,
    free_number,
    held_number,
    locality,
    offering,
)
from telephony.resources.audit import actor_of

E = TypeVar("E", bound=StrEnum)

RESERVATIONS: Final = "/availablePhoneNumbers/reservations"
COUNTRIES: Final = "/availablePhoneNumbers/countries"
SHORTEST_NUMBER: Final = 9
"""Digits below which an id is a short code's: numbers in E.164 have more, codes at most eight."""

_SIZE: Final = "maxPageSize"


class _Available:
    """The handlers."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def countries(self, request: Request[None]) -> Reply:
        page = page_of(request.query, size=_SIZE)
        found = await self._numbers.countries(page.skip, page.size + 1)
        language = request.headers.get("accept-language") or ""
        shown = [Country(country_name(code, language), code) for code in found]
        return _paged(request, "countries", shown)

    async def localities(self, request: Request[None]) -> Reply:
        page = page_of(request.query, size=_SIZE)
        found = await self._numbers.localities(
            request.path["countryCode"],
            page.skip,
            page.size + 1,
            kind=_one_of(request, "phoneNumberType", NumberType),
            division=request.query.get("administrativeDivision", ""),
        )
        return _paged(request, "phoneNumberLocalities", [locality(place) for place in found])

    async def area_codes(self, request: Request[None]) -> Reply:
        page = page_of(request.query, size=_SIZE)
        kind = _one_of(request, "phoneNumberType", NumberType)
        if kind is None:
            raise invalid("phoneNumberType: It is required.", "phoneNumberType")
        found = await self._numbers.area_codes(
            request.path["countryCode"],
            page.skip,
            page.size + 1,
            kind=kind,
            assignment=_one_of(request, "assignmentType", Assignment),
            locality=request.query.get("locality", ""),
            division=request.query.get("administrativeDivision", ""),
        )
        return _paged(request, "areaCodes", [AreaCode(code) for code in found])

    async def offerings(self, request: Request[None]) -> Reply:
        page = page_of(request.query, size=_SIZE)
        found = await self._numbers.offerings(
            request.path["countryCode"],
            page.skip,
            page.size + 1,
            kind=_one_of(request, "phoneNumberType", NumberType),
            assignment=_one_of(request, "assignmentType", Assignment),
        )
        return _paged(request, "phoneNumberOfferings", [offering(one) for one in found])

    async def browse(self, request: Request[PhoneNumbersBrowseRequest]) -> Reply:
        body = request.body
        asked = body.capabilities
        capabilities = Capabilities(
            (asked and asked.calling) or Capability.NONE, (asked and asked.sms) or Capability.NONE
        )
        country = country_of(request.path["countryCode"])
        wanted = Wanted(country, body.phone_number_type, body.assignment_type, capabilities)
        prefixes = [
            prefix if body.phone_number_type is NumberType.SHORT_CODE else "+" + prefix.lstrip("+")
            for prefix in body.phone_number_prefixes or ()
        ]
        found = await self._numbers.browse(wanted, prefixes)
        return Reply(200, BrowseResult(tuple(free_number(number, lot) for number, lot in found)))

    async def list_reservations(self, request: Request[None]) -> Reply:
        size = page_of(request.query, size=_SIZE).size
        mark = request.query.get(CONTINUATION)
        after = b"" if mark is None else from_text(position_of(mark, str))
        if after is None:
            raise InvalidRequest("The continuation is not one of ours.", target=CONTINUATION)
        found = await self._numbers.reservations(request.resource, after, size + 1)
        shown = [_reservation(hold, numbers=False) for hold in found[:size]]
        link = None
        if len(found) > size:
            mark = continuation(to_text(found[size - 1].id))
            link = next_link(RESERVATIONS, request.query, **{CONTINUATION: mark, _SIZE: size})
        return Reply(200, collection("reservations", shown, link))

    async def change_reservation(self, request: Request[ReservationPatch]) -> Reply:
        identifier = from_text(request.path["reservationId"])
        if identifier is None:  # whoever makes one chooses its id
            raise invalid("reservationId: It must be a GUID.", "reservationId")
        changes = {
            _number(key): None
            if picked is None
            else Pick(
                picked.country_code.upper(),
                picked.phone_number_type,
                picked.assignment_type,
                Capabilities(picked.capabilities.calling, picked.capabilities.sms),
            )
            for key, picked in request.body.phone_numbers.items()
        }
        reserved = await self._numbers.reserve(request.resource, identifier, changes)
        view = _reservation(reserved.hold, failed=reserved.failed)
        return Reply(207 if reserved.failed else 201 if reserved.created else 200, view)

    async def get_reservation(self, request: Request[None]) -> Reply:
        return Reply(
            200, _reservation(await self._numbers.reservation(request.resource, _identifier(request)))
        )

    async def delete_reservation(self, request: Request[None]) -> Reply:
        await self._numbers.delete_reservation(request.resource, _identifier(request))
        return Reply(204)

    async def purchase_reservation(self, request: Request[PurchaseReservationRequest]) -> Reply:
        agreed = bool(request.body.agree_to_not_resell)
        done = await self._numbers.purchase(
            request.resource,
            HoldKind.RESERVATION,
            _identifier(request),
            agreed=agreed,
            by=actor_of(request),
        )
        return begun(request, done)


def routes(numbers: Numbers) -> list[Route]:
    """Return the operations of ACS phone numbers that have to do with choosing."""
    api = _Available(numbers)
    country = COUNTRIES + "/{countryCode}"
    one = RESERVATIONS + "/{reservationId}"
    return [
        acs("countries", "GET", COUNTRIES, api.countries, "Countries with free numbers."),
        acs("localities", "GET", country + "/localities", api.localities, "Localities with free numbers."),
        acs("area_codes", "GET", country + "/areaCodes", api.area_codes, "Area codes with free numbers."),
        acs("offerings", "GET", country + "/offerings", api.offerings, "Kinds of numbers and their prices."),
        acs(
            "browse",
            "POST",
            country + "/:browse",
            api.browse,
            "Free numbers at random; nothing is held.",
            body=PhoneNumbersBrowseRequest,
        ),
        acs(
            "list_reservations",
            "GET",
            RESERVATIONS,
            api.list_reservations,
            "The resource's reservations, in pages.",
        ),
        acs(
            "change_reservation",
            "PATCH",
            one,
            api.change_reservation,
            "Reserve numbers for 15 minutes, or change a reservation.",
            body=ReservationPatch,
            media_types=(MERGE_PATCH, JSON),
        ),
        acs("get_reservation", "GET", one, api.get_reservation, "A reservation with its numbers."),
        acs(
            "delete_reservation", "DELETE", one, api.delete_reservation, "Give a reservation's numbers back."
        ),
        acs(
            "purchase_reservation",
            "POST",
            one + "/:purchase",
            api.purchase_reservation,
            "Buy what is reserved (long-running).",
            body=PurchaseReservationRequest,
            recorded=True,
        ),
    ]


def _paged(request: Request[None], key: str, shown: list[Any]) -> Reply:
    """Return a page of what was read with one item more than asked for."""
    page = page_of(request.query, size=_SIZE)
    link = None
    if len(shown) > page.size:
        path = _path(request, key)
        link = next_link(path, request.query, skip=page.skip + page.size, **{_SIZE: page.size})
    return Reply(200, collection(key, shown[: page.size], link))


_PATHS: Final = {
    "phoneNumberLocalities": "/localities",
    "areaCodes": "/areaCodes",
    "phoneNumberOfferings": "/offerings",
}


def _path(request: Request[None], key: str) -> str:
    return COUNTRIES if key == "countries" else f"{COUNTRIES}/{request.path['countryCode']}{_PATHS[key]}"


def _one_of(request: Request[None], name: str, kind: type[E]) -> E | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise invalid(f"{name}: It must be one of {', '.join(kind)}.", name) from None


def _identifier(request: Request[Any]) -> bytes:
    found = from_text(request.path["reservationId"])
    if found is None:
        raise not_there()
    return found


def _number(key: str) -> str:
    """Return the number that an id means: its digits, mostly without the plus."""
    return key if key.startswith("+") or len(key) < SHORTEST_NUMBER else "+" + key


def _reservation(
    hold: Hold, *, numbers: bool = True, failed: Mapping[str, Pick] | None = None
) -> Reservation:
    view = Reservation(to_text(hold.id), to_iso(hold.ends), hold.state.value)
    if not numbers:
        return view
    shown = {bare_id(held.number): held_number(held, hold.state) for held in hold.numbers}
    for number, pick in (failed or {}).items():
        shown[bare_id(number)] = AvailablePhoneNumber(
            bare_id(number),
            pick.country,
            number,
            capabilities_of(pick.capabilities),
            pick.type.value,
            pick.assignment.value,
            "error",
            error=ErrorDetail("FailedToReserveNumber", "The number cannot be added to the reservation."),
        )
    return Reservation(view.id, view.expires_at, view.status, shown)
