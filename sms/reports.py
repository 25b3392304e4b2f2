"""ACS DeliveryReports: `GET /deliveryReports/{outgoingMessageId}` (Communication Services SMS)."""

from typing import Final

from msgspec import Struct, field

from sms.events import DeliveryAttempt
from sms.message import from_wire_id, wire_id
from sms.store.report import Fate, FindFate
from telephony.kernel.clock import to_iso
from telephony.kernel.http.route import Reply, Request, Route
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store

VERSIONS: Final = ("2025-08-01-preview", "2026-01-23")

PROBLEM: Final = "application/problem+json; charset=utf-8"
"""The media type of RFC 9457, which replaces RFC 7807."""


class DeliveryReport(Struct, frozen=True, rename="camel", omit_defaults=True):
    """DeliveryReport."""

    delivery_status: str
    """Pending | Delivered | Failed | Unknown."""
    delivery_status_details: str
    delivery_attempts: tuple[DeliveryAttempt, ...]
    message_id: str
    from_: str = field(name="from")
    to: str
    received_timestamp: str | None = None
    tag: str | None = None


class Problem(Struct, frozen=True, rename="camel"):
    """ErrorResponse of this one operation: a problem of RFC 7807, unlike all other errors of ACS's."""

    trace_id: str
    """As W3C Trace Context spells it; the first GUID in it is the request's x-ms-request-id."""
    type: str = "https://tools.ietf.org/html/rfc9110#section-15.5.5"
    title: str = "Not Found"
    status: int = 404


def routes(store: Store) -> list[Route]:
    """Return the operation of ACS DeliveryReports."""

    async def get_report(request: Request[None]) -> Reply:
        identifier = from_wire_id(request.path["outgoingMessageId"])
        fate = None
        if identifier is not None:
            fate = await store.read(FindFate(request.resource, identifier))
        if identifier is None or fate is None:
            return Reply(404, Problem(_trace(request.request_id)), content_type=PROBLEM)
        return Reply(200, _report(identifier, fate))

    return [
        Route(
            operation="sms.delivery_reports.get",
            method="GET",
            template="/deliveryReports/{outgoingMessageId}",
            handler=get_report,
            versions=VERSIONS,
            summary="What became of a message that was sent.",
        )
    ]


def _report(identifier: InteractionId, fate: Fate) -> DeliveryReport:
    return DeliveryReport(
        delivery_status=fate.status,
        delivery_status_details=fate.details,
        delivery_attempts=fate.attempts,
        message_id=wire_id(identifier, "outbound"),
        from_=fate.own,
        to=fate.peer,
        received_timestamp=None if fate.ended is None else to_iso(fate.ended),
        tag=fate.tag,
    )


def _trace(request_id: str) -> str:
    digits = request_id.replace("-", "")
    return f"00-{digits}-{digits[16:]}-00"
