"""Long-running operations as ACS's phone numbers have them: 202 now, and a place to ask how it goes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import msgspec

from telephony.kernel.clock import to_iso
from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.route import Reply
from telephony.kernel.ids import from_text

OPERATIONS: Final = "/phoneNumbers/operations/"


class OperationKind(StrEnum):
    """What is being done; the value is the wire's operationType."""

    PURCHASE = "purchase"
    RELEASE = "releasePhoneNumber"
    SEARCH = "search"
    UPDATE_CAPABILITIES = "updatePhoneNumberCapabilities"
    RESERVATION_PURCHASE = "reservationPurchase"


class OperationStatus(StrEnum):
    """How far it is."""

    NOT_STARTED = "notStarted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


ID_HEADER: Final[Mapping[OperationKind, str]] = {
    OperationKind.PURCHASE: "purchase-id",
    OperationKind.RELEASE: "release-id",
    OperationKind.SEARCH: "search-id",
    OperationKind.UPDATE_CAPABILITIES: "capabilities-id",
    OperationKind.RESERVATION_PURCHASE: "reservation-purchase-id",
}
"""The header that carries the id of what comes out."""

_PREFIX: Final[Mapping[OperationKind, str]] = {
    OperationKind.PURCHASE: "purchase_",
    OperationKind.RELEASE: "release_",
    OperationKind.SEARCH: "search_",
    OperationKind.UPDATE_CAPABILITIES: "capabilities_",
    OperationKind.RESERVATION_PURCHASE: "reservationPurchase_",
}


class Operation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of a poll."""

    operation_type: OperationKind
    status: OperationStatus
    created_date_time: str
    id: str
    last_action_date_time: str
    resource_location: str | None = None
    error: ErrorDetail | None = None


def operation_id(kind: OperationKind, guid: str) -> str:
    """Return the wire's id of an operation: `search_<guid>`."""
    return _PREFIX[kind] + guid


def parse_operation_id(text: str) -> tuple[OperationKind, bytes] | None:
    """Return the kind and the 16 bytes of an operation's id, or None when it is not one of ours."""
    for kind, prefix in _PREFIX.items():
        if text.startswith(prefix) and (identifier := from_text(text[len(prefix) :])) is not None:
            return kind, identifier
    return None


def accepted(
    kind: OperationKind,
    identifier: str,
    *,
    version: str,
    result_id: str,
    location: str | None = None,
    body: object = None,
    poll_after: float | None = None,
) -> Reply:
    """Return the first reply, 202.

    `identifier` is the operation's id, `result_id` goes into the kind's own header, `location` is where the
    result will be (search and capabilities: clients fetch it at the end). `poll_after` is when a client
    should ask for the first time, in seconds; None: when it likes, which is 2 s for Azure's.
    """
    poll = f"{OPERATIONS}{quote(identifier, safe='')}?api-version={quote(version, safe='')}"
    headers = {
        "Operation-Location": poll,
        "operation-id": identifier,
        ID_HEADER[kind]: result_id,
    }
    if location is not None:
        headers["Location"] = location
    if poll_after is not None:
        headers["retry-after-ms"] = str(max(1, round(poll_after * 1000)))
    return Reply(202, body, headers)


def progress(
    kind: OperationKind,
    status: OperationStatus,
    identifier: str,
    *,
    created: int,
    updated: int,
    location: str | None = None,
    error: ErrorDetail | None = None,
    poll_after: int | None = None,
) -> Reply:
    """Return the reply to a poll, 200; times in microseconds, `poll_after` in seconds while it runs."""
    body = Operation(kind, status, to_iso(created), identifier, to_iso(updated), location, error)
    headers = {} if location is None else {"Location": location}
    if poll_after and status in (OperationStatus.NOT_STARTED, OperationStatus.RUNNING):
        headers["Retry-After"] = str(poll_after)
    return Reply(200, body, headers)
