"""What applications are told: SMSReceived and SMSDeliveryReportReceived (Microsoft.Communication).

Field names are camelCase and numbers keep their plus; Azure's own examples are of two minds about both.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sms.extension import TandemMessage
from telephony.events.event import Event

RECEIVED: Final = "Microsoft.Communication.SMSReceived"
DELIVERY_REPORT: Final = "Microsoft.Communication.SMSDeliveryReportReceived"


class ReceivedSms(Struct, frozen=True, rename="camel"):
    """AcsSmsReceivedEventData."""

    message_id: str
    from_: str = msgspec.field(name="from")
    to: str
    message: str
    received_timestamp: str
    segment_count: int
    tandem: TandemMessage | UnsetType = UNSET
    """Not ACS's: of a message that is no text, or has more in its header than long texts need."""


class DeliveryAttempt(Struct, frozen=True, rename="camel"):
    """AcsSmsDeliveryAttempt."""

    timestamp: str
    segments_succeeded: int
    segments_failed: int


class DeliveryReport(Struct, frozen=True, rename="camel", omit_defaults=True):
    """AcsSmsDeliveryReportReceivedEventData."""

    message_id: str
    from_: str = msgspec.field(name="from")
    to: str
    delivery_status: str
    """Delivered | Failed."""
    delivery_status_details: str
    delivery_attempts: tuple[DeliveryAttempt, ...]
    received_timestamp: str
    tag: str | None = None


def received_event(at: int, data: ReceivedSms) -> Event:
    """Return the event of an inbound message."""
    return _event(data.message_id, RECEIVED, at, data.to, msgspec.json.encode(data))


def delivery_report_event(at: int, data: DeliveryReport) -> Event:
    """Return the event of a message's end."""
    return _event(data.message_id, DELIVERY_REPORT, at, data.from_, msgspec.json.encode(data))


def _event(message_id: str, kind: str, at: int, own: str, data: bytes) -> Event:
    return Event(
        id=message_id,  # as Azure does; a message has one event of each type
        type=kind,
        subject=f"/phonenumber/{own.removeprefix('+')}",
        time=at,
        data=msgspec.Raw(data),
    )
