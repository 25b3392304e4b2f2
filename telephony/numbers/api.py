"""ACS phone numbers: what is owned, and long-running operations (PhoneNumbersClient, 2025-06-01)."""

from typing import Any, Final

from msgspec import UNSET

from telephony.kernel.errors import InvalidRequest, NotFound
from telephony.kernel.http.longrunning import (
    OPERATIONS,
    OperationKind,
    OperationStatus,
    accepted,
    operation_id,
    parse_operation_id,
    progress,
)
from telephony.kernel.http.paging import collection, next_link, page_of
from telephony.kernel.http.route import JSON, MERGE_PATCH, Reply, Request, Route
from telephony.kernel.ids import from_text, to_text
from telephony.numbers.holds import HoldKind
from telephony.numbers.kinds import Capabilities
from telephony.numbers.operations import StoredOperation
from telephony.numbers.plan import country_of
from telephony.numbers.search import Wanted
from telephony.numbers.verbs import PURCHASE, Numbers
from telephony.numbers.wire import (
    OperatorDetails,
    OperatorInformation,
    OperatorInformationRequest,
    OperatorInformationResult,
    PhoneNumberCapabilitiesRequest,
    PhoneNumberPurchaseRequest,
    PhoneNumberSearchRequest,
    purchased,
    search_result,
)
from telephony.resources.audit import actor_of

VERSIONS: Final = (
    "2021-03-07",
    "2022-01-11-preview2",
    "2022-06-01-preview",
    "2022-12-01",
    "2023-05-01-preview",
    "2024-03-01-preview",
    "2025-02-11",
    "2025-04-01",
    "2025-06-01",
)
"""What azure-communication-phonenumbers 1.0 to 1.4 and @azure/communication-phone-numbers 1.0 to 1.5 send."""

POLL_SECONDS: Final = 0.01
"""Operations are over when they are answered, so nobody has to wait before asking."""


class _Owned:
    """The handlers."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def search(self, request: Request[PhoneNumberSearchRequest]) -> Reply:
        body = request.body
        capabilities = Capabilities(body.capabilities.calling, body.capabilities.sms)
        if capabilities.mask == 0:
            raise invalid("A number that can neither call nor text is of no use.", "capabilities")
        wanted = Wanted(
            country_of(request.path["countryCode"]),
            body.phone_number_type,
            body.assignment_type,
            capabilities,
            body.area_code or "",
            1 if body.quantity is None else body.quantity,
        )
        return begun(request, await self._numbers.search(request.resource, wanted))

    async def get_search_result(self, request: Request[None]) -> Reply:
        text = request.path["searchId"]
        identifier = from_text(text)
        if identifier is None:
            raise NotFound("There is no such search.", target="searchId")
        return Reply(
            200, search_result(text, await self._numbers.search_result(request.resource, identifier))
        )

    async def purchase(self, request: Request[PhoneNumberPurchaseRequest]) -> Reply:
        identifier = from_text(request.body.search_id)
        if identifier is None:
            raise NotFound("There is no such search.", target="searchId")
        agreed = bool(request.body.agree_to_not_resell)
        return begun(
            request,
            await self._numbers.purchase(
                request.resource, HoldKind.SEARCH, identifier, agreed=agreed, by=actor_of(request)
            ),
        )

    async def list_owned(self, request: Request[None]) -> Reply:
        page = page_of(request.query)
        found = await self._numbers.owned(request.resource, page.skip, page.size + 1)
        link = None
        if len(found) > page.size:
            link = next_link("/phoneNumbers", request.query, skip=page.skip + page.size, top=page.size)
        return Reply(200, collection("phoneNumbers", [purchased(one) for one in found[: page.size]], link))

    async def get(self, request: Request[None]) -> Reply:
        return Reply(200, purchased(await self._numbers.get(request.resource, request.path["phoneNumber"])))

    async def update(self, request: Request[PhoneNumberCapabilitiesRequest]) -> Reply:
        number, body = request.path["phoneNumber"], request.body
        done = await self._numbers.update(request.resource, number, body.calling, body.sms, actor_of(request))
        return begun(request, done, {"capabilitiesUpdateId": to_text(done.id)})

    async def release(self, request: Request[None]) -> Reply:
        number = request.path["phoneNumber"]
        return begun(request, await self._numbers.release(request.resource, number, actor_of(request)))

    async def get_operation(self, request: Request[None]) -> Reply:
        kind, identifier = _operation(request)
        found = await self._numbers.operation(request.resource, kind, identifier)
        return progress(
            found.kind,
            found.status,
            operation_id(found.kind, to_text(found.id)),
            created=found.created,
            updated=found.updated,
            location=_location(found, request),
            error=found.error,
        )

    async def cancel_operation(self, request: Request[None]) -> Reply:
        kind, identifier = _operation(request)
        await self._numbers.cancel(request.resource, kind, identifier)
        return Reply(204)

    async def look_up(self, request: Request[OperatorInformationRequest]) -> Reply:
        asked = request.body.phone_numbers
        if len(asked) != 1:
            text = "Can only accept one phoneNumber" if asked else "A phoneNumber is required"
            raise InvalidRequest(text, code="BadRequest", target="phoneNumbers")
        found, carrier = await self._numbers.operator(request.resource, asked[0])
        options = request.body.options
        if options is None or not options.include_additional_operator_details:
            information = OperatorInformation(asked[0], found.national, found.international)
        else:
            name = carrier or found.name
            information = OperatorInformation(
                asked[0],
                found.national,
                found.international,
                iso_country_code=found.country or UNSET,
                number_type=found.type,
                operator_details=OperatorDetails(name) if name else UNSET,
            )
        return Reply(200, OperatorInformationResult((information,)))


def routes(numbers: Numbers) -> list[Route]:
    """Return the operations of ACS phone numbers that have to do with owning."""
    api = _Owned(numbers)
    one = "/phoneNumbers/{phoneNumber}"
    operation = OPERATIONS + "{operationId}"
    return [
        acs(
            "search",
            "POST",
            "/availablePhoneNumbers/countries/{countryCode}/:search",
            api.search,
            "Find numbers and hold them for 15 minutes (long-running).",
            body=PhoneNumberSearchRequest,
        ),
        acs(
            "search_result",
            "GET",
            "/availablePhoneNumbers/searchResults/{searchId}",
            api.get_search_result,
            "What a search found.",
        ),
        acs(
            "purchase",
            "POST",
            PURCHASE,
            api.purchase,
            "Buy what a search found (long-running).",
            body=PhoneNumberPurchaseRequest,
            recorded=True,
        ),
        acs("list", "GET", "/phoneNumbers", api.list_owned, "The resource's numbers, in pages."),
        acs("get", "GET", one, api.get, "One of the resource's numbers."),
        acs(
            "update_capabilities",
            "PATCH",
            one + "/capabilities",
            api.update,
            "Change what a number can do (long-running).",
            body=PhoneNumberCapabilitiesRequest,
            media_types=(MERGE_PATCH, JSON),
            recorded=True,
        ),
        acs("release", "DELETE", one, api.release, "Give a number up (long-running).", recorded=True),
        acs("get_operation", "GET", operation, api.get_operation, "How far a long-running operation is."),
        acs(
            "cancel_operation",
            "DELETE",
            operation,
            api.cancel_operation,
            "Cancel an operation; a search gives its numbers back.",
        ),
        acs(
            "operator_information",
            "POST",
            "/operatorInformation/:search",
            api.look_up,
            "What is known of a number's operator.",
            body=OperatorInformationRequest,
        ),
    ]


def acs(
    operation: str,
    method: str,
    template: str,
    handler: Any,  # noqa: ANN401 - a handler of the route's own body
    summary: str,
    **more: Any,  # noqa: ANN401 - fields of Route
) -> Route:
    """Return a route of ACS phone numbers."""
    return Route(
        f"numbers.{operation}", method, template, handler, versions=VERSIONS, summary=summary, **more
    )


def begun(request: Request[Any], done: StoredOperation, body: object = None) -> Reply:
    """Return the first reply of a long-running operation."""
    result = to_text(done.id)
    return accepted(
        done.kind,
        operation_id(done.kind, result),
        version=request.version,
        result_id=result,
        location=_location(done, request),
        body=body,
        poll_after=POLL_SECONDS,
    )


def invalid(message: str, target: str) -> InvalidRequest:
    """Return an error of the plane's, with Azure's code."""
    return InvalidRequest(message, code="InvalidInput", target=target)


def _location(done: StoredOperation, request: Request[Any]) -> str | None:
    """Return where clients fetch the result once it is over; of one that failed there is none."""
    if done.location is None or done.status is not OperationStatus.SUCCEEDED:
        return None
    return next_link(done.location, {"api-version": request.version})


def _operation(request: Request[None]) -> tuple[OperationKind, bytes]:
    found = parse_operation_id(request.path["operationId"])
    if found is None:
        raise NotFound("There is no such operation.", target="operationId")
    return found
