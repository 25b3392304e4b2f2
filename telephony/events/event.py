"""An event, and its two forms on the wire: the Event Grid schema and CloudEvents 1.0."""

from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.ids import ResourceId, to_text

METADATA_VERSION: Final = "1"
SPEC_VERSION: Final = "1.0"

EVENT_GRID_TYPE: Final = "application/json; charset=utf-8"
CLOUD_EVENTS_TYPE: Final = "application/cloudevents+json; charset=utf-8"

VALIDATION_EVENT: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"


class EventSchema(Enum):
    """The form in which a subscription wants its events. The values stand in the store and in /admin."""

    EVENT_GRID = "eventgrid"
    CLOUD_EVENTS = "cloudevents"


class Event(Struct, frozen=True, gc=False, kw_only=True):
    """Something that happened in a resource."""

    id: str
    """Unique in the resource, at most 128 printable ASCII characters; receivers drop a second one by it."""
    type: str
    """`Microsoft.Communication.SMSReceived`."""
    subject: str
    """`/phonenumber/14255550123`."""
    time: int
    """When it happened: microseconds UTC."""
    data: Raw
    """The payload, already JSON."""
    data_version: str = "1.0"
    ttl_seconds: float | None = None
    """How long it is worth delivering when that is less than the subscription says (a ringing call: 30)."""


class EventGridEvent(Struct, frozen=True, gc=False, rename="camel"):
    """Event Grid schema, in the order in which Azure writes the fields."""

    id: str
    topic: str
    subject: str
    data: Raw
    event_type: str
    data_version: str
    metadata_version: str
    event_time: str


class CloudEvent(Struct, frozen=True, gc=False):
    """CloudEvents 1.0, JSON format."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    specversion: str
    datacontenttype: str
    data: Raw


_encode: Final = msgspec.json.Encoder().encode


@lru_cache(maxsize=1024)
def topic_of(resource: ResourceId) -> str:
    """Return what `topic` and `source` say: a path shaped as Azure's, so that whoever takes it apart can."""
    return (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/tandem"
        f"/providers/Microsoft.Communication/communicationServices/{to_text(resource)}"
    )


def to_event_grid(event: Event, topic: str) -> bytes:
    """Return the body of a notification in the Event Grid schema: an array of one."""
    return _encode(
        (
            EventGridEvent(
                event.id,
                topic,
                event.subject,
                event.data,
                event.type,
                event.data_version,
                METADATA_VERSION,
                to_iso(event.time),
            ),
        )
    )


def to_cloud_event(event: Event, source: str) -> bytes:
    """Return the body of a notification as one CloudEvent in structured mode."""
    return _encode(
        CloudEvent(
            event.id,
            source,
            event.type,
            event.subject,
            to_iso(event.time),
            SPEC_VERSION,
            "application/json",
            event.data,
        )
    )


def body_of(event: Event, schema: EventSchema, topic: str) -> bytes:
    """Return the body in the form that a subscription wants."""
    return to_event_grid(event, topic) if schema is EventSchema.EVENT_GRID else to_cloud_event(event, topic)


def constant_headers(schema: EventSchema, subscription: str) -> dict[str, str]:
    """Return the headers that all notifications of a subscription share."""
    if schema is EventSchema.CLOUD_EVENTS:
        return {"Content-Type": CLOUD_EVENTS_TYPE, "aeg-subscription-name": subscription}
    return {
        "Content-Type": EVENT_GRID_TYPE,
        "aeg-event-type": "Notification",
        "aeg-subscription-name": subscription,
        "aeg-metadata-version": METADATA_VERSION,
    }


def header_line(name: str, value: str) -> bytes:
    """Return a header as it goes out. Raises ValueError when `value` is not printable ASCII."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} cannot be a header")
    return f"{name}: {value}\r\n".encode()
