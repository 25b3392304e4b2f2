"""The structs of ACS's phone numbers (PhoneNumbersClient, 2025-06-01), as clients send and read them."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from telephony.kernel.clock import to_iso
from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.money import Money
from telephony.numbers.catalogue import Offering, Place
from telephony.numbers.holds import Held, Hold
from telephony.numbers.kinds import Assignment, Capabilities, Capability, Lot, NumberType
from telephony.numbers.search import OUT_OF_STOCK
from telephony.numbers.states import HoldState
from telephony.numbers.store import Owned

MAX_TEXT = 64
"""Characters of any text that is looked for."""

MAX_PREFIXES = 20
"""Prefixes of a browse: each is looked for in every lot."""

OUT_OF_STOCK_CODE = 1000
"""What the published example has beside OutOfStock."""


class PhoneNumberCapabilities(Struct, frozen=True):
    """PhoneNumberCapabilities."""

    calling: Capability
    sms: Capability


class PhoneNumberCapabilitiesRequest(Struct, frozen=True):
    """PhoneNumberCapabilitiesRequest, and PhoneNumberBrowseCapabilitiesRequest."""

    calling: Capability | None = None
    sms: Capability | None = None


class PhoneNumberCost(Struct, frozen=True, rename="camel"):
    """PhoneNumberCost."""

    amount: float
    currency_code: str
    billing_frequency: str = "monthly"


class PhoneNumberSearchRequest(Struct, frozen=True, rename="camel"):
    """PhoneNumberSearchRequest."""

    phone_number_type: NumberType
    assignment_type: Assignment
    capabilities: PhoneNumberCapabilities
    area_code: Annotated[str, Meta(pattern=r"^[0-9]{0,8}$")] | None = None
    quantity: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class PhoneNumberPurchaseRequest(Struct, frozen=True, rename="camel"):
    """PhoneNumberPurchaseRequest."""

    search_id: str
    agree_to_not_resell: bool | None = None


class PurchaseReservationRequest(Struct, frozen=True, rename="camel"):
    """PhoneNumbersReservationPurchaseRequest."""

    agree_to_not_resell: bool | None = None


class PhoneNumbersBrowseRequest(Struct, frozen=True, rename="camel"):
    """PhoneNumbersBrowseRequest."""

    phone_number_type: NumberType
    capabilities: PhoneNumberCapabilitiesRequest | None = None
    assignment_type: Assignment | None = None
    phone_number_prefixes: (
        Annotated[
            tuple[Annotated[str, Meta(pattern=r"^\+?[0-9]{1,15}$")], ...], Meta(max_length=MAX_PREFIXES)
        ]
        | None
    ) = None


class PickedNumber(Struct, frozen=True, rename="camel"):
    """AvailablePhoneNumber as a client sends it back; what only the server says is not read."""

    country_code: Annotated[str, Meta(max_length=MAX_TEXT)]
    capabilities: PhoneNumberCapabilities
    phone_number_type: NumberType
    assignment_type: Assignment


class ReservationPatch(Struct, frozen=True, rename="camel"):
    """PhoneNumbersReservation as a merge patch: null takes a number out."""

    phone_numbers: Annotated[
        dict[Annotated[str, Meta(pattern=r"^\+?[0-9]{3,15}$")], PickedNumber | None], Meta(max_length=1000)
    ] = {}


class OperatorInformationOptions(Struct, frozen=True, rename="camel"):
    """OperatorInformationOptions."""

    include_additional_operator_details: bool | None = None


class OperatorInformationRequest(Struct, frozen=True, rename="camel"):
    """OperatorInformationRequest."""

    phone_numbers: Annotated[tuple[Annotated[str, Meta(max_length=MAX_TEXT)], ...], Meta(max_length=1000)]
    options: OperatorInformationOptions | None = None


class AvailablePhoneNumber(Struct, frozen=True, rename="camel", omit_defaults=True):
    """AvailablePhoneNumber."""

    id: str
    country_code: str
    phone_number: str
    capabilities: PhoneNumberCapabilities
    phone_number_type: str
    assignment_type: str
    status: str
    cost: PhoneNumberCost | UnsetType = UNSET
    is_agreement_to_not_resell_required: bool | UnsetType = UNSET
    error: ErrorDetail | UnsetType = UNSET


class BrowseResult(Struct, frozen=True, rename="camel"):
    """PhoneNumbersBrowseResult."""

    phone_numbers: tuple[AvailablePhoneNumber, ...]


class Reservation(Struct, frozen=True, rename="camel"):
    """PhoneNumbersReservation."""

    id: str
    expires_at: str
    status: str
    phone_numbers: dict[str, AvailablePhoneNumber] | UnsetType = UNSET


class SearchResult(Struct, frozen=True, rename="camel"):
    """PhoneNumberSearchResult."""

    search_id: str
    phone_numbers: tuple[str, ...]
    phone_number_type: str
    assignment_type: str
    capabilities: PhoneNumberCapabilities
    cost: PhoneNumberCost
    search_expires_by: str
    is_agreement_to_not_resell_required: bool
    error_code: int | UnsetType = UNSET
    error: str | UnsetType = UNSET


class PurchasedPhoneNumber(Struct, frozen=True, rename="camel"):
    """PurchasedPhoneNumber."""

    id: str
    phone_number: str
    country_code: str
    phone_number_type: str
    capabilities: PhoneNumberCapabilities
    assignment_type: str
    purchase_date: str
    cost: PhoneNumberCost


class Country(Struct, frozen=True, rename="camel"):
    """PhoneNumberCountry."""

    localized_name: str
    country_code: str


class Division(Struct, frozen=True, rename="camel"):
    """PhoneNumberAdministrativeDivision."""

    localized_name: str
    abbreviated_name: str


class Locality(Struct, frozen=True, rename="camel"):
    """PhoneNumberLocality."""

    localized_name: str
    administrative_division: Division | UnsetType = UNSET


class AreaCode(Struct, frozen=True, rename="camel"):
    """PhoneNumberAreaCode."""

    area_code: str


class OfferingView(Struct, frozen=True, rename="camel"):
    """PhoneNumberOffering."""

    phone_number_type: str
    assignment_type: str
    available_capabilities: PhoneNumberCapabilities
    cost: PhoneNumberCost


class OperatorDetails(Struct, frozen=True, rename="camel"):
    """OperatorDetails: codes of networks stand in no data that we have."""

    name: str


class OperatorInformation(Struct, frozen=True, rename="camel"):
    """OperatorInformation."""

    phone_number: str
    national_format: str
    international_format: str
    iso_country_code: str | UnsetType = UNSET
    number_type: str | UnsetType = UNSET
    operator_details: OperatorDetails | UnsetType = UNSET


class OperatorInformationResult(Struct, frozen=True):
    """OperatorInformationResult."""

    values: tuple[OperatorInformation, ...]


def bare_id(number: str) -> str:
    """Return a number's id: its digits."""
    return number.lstrip("+")


def capabilities_of(capabilities: Capabilities) -> PhoneNumberCapabilities:
    """Return capabilities as the wire has them."""
    return PhoneNumberCapabilities(capabilities.calling, capabilities.sms)


def cost_of(cost: Money) -> PhoneNumberCost:
    """Return a cost as the wire has it: a number of whole units."""
    return PhoneNumberCost(cost.micros / 1_000_000, cost.currency)


def purchased(owned: Owned) -> PurchasedPhoneNumber:
    """Return a number as its owner sees it."""
    return PurchasedPhoneNumber(
        bare_id(owned.number),
        owned.number,
        owned.country,
        owned.type.value,
        capabilities_of(owned.capabilities),
        owned.assignment.value,
        to_iso(owned.acquired),
        cost_of(owned.cost),
    )


def search_result(identifier: str, hold: Hold) -> SearchResult:
    """Return what a search found. All its numbers cost the same."""
    first = hold.numbers[0]
    short = hold.detail.short
    return SearchResult(
        identifier,
        tuple(held.number for held in hold.numbers),
        first.type,
        first.assignment,
        capabilities_of(Capabilities.of(first.capabilities)),
        cost_of(Money(first.cost, first.currency)),
        to_iso(hold.ends),
        any(held.agreement for held in hold.numbers),
        OUT_OF_STOCK_CODE if short else UNSET,
        OUT_OF_STOCK if short else UNSET,
    )


_STATUS = {HoldState.ACTIVE: "reserved", HoldState.COMPLETED: "purchased"}


def held_number(held: Held, state: HoldState) -> AvailablePhoneNumber:
    """Return a number of a reservation."""
    return AvailablePhoneNumber(
        bare_id(held.number),
        held.country,
        held.number,
        capabilities_of(Capabilities.of(held.capabilities)),
        held.type,
        held.assignment,
        _STATUS.get(state, "expired"),
        cost_of(Money(held.cost, held.currency)),
        held.agreement,
    )


def free_number(number: str, lot: Lot) -> AvailablePhoneNumber:
    """Return a number that anybody may have."""
    return AvailablePhoneNumber(
        bare_id(number),
        lot.country,
        number,
        capabilities_of(lot.capabilities),
        lot.type.value,
        lot.assignment.value,
        "available",
        cost_of(lot.cost),
        lot.agreement,
    )


def locality(place: Place) -> Locality:
    """Return a locality."""
    if not place.division:
        return Locality(place.locality)
    return Locality(place.locality, Division(place.division_name or place.division, place.division))


def offering(found: Offering) -> OfferingView:
    """Return what can be had at a price."""
    return OfferingView(
        found.type.value, found.assignment.value, capabilities_of(found.capabilities), cost_of(found.cost)
    )
