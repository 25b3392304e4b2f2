"""The two forms of an event on the wire."""

from datetime import datetime

import msgspec
import pytest

from telephony.events.event import (
    Event,
    EventSchema,
    body_of,
    constant_headers,
    header_line,
    to_cloud_event,
    to_event_grid,
    topic_of,
)
from telephony.kernel.ids import ResourceId

pytestmark = pytest.mark.unit

TOPIC = topic_of(ResourceId(bytes(16)))
EVENT = Event(
    id="Incoming_20260101000000x",
    type="Microsoft.Communication.SMSReceived",
    subject="/phonenumber/14255550123",
    time=1_767_225_600_250_000,
    data=msgspec.Raw(b'{"from":"+14255550199","segmentCount":1}'),
)


def test_the_event_grid_schema_is_an_array_of_one_with_all_required_fields() -> None:
    (found,) = msgspec.json.decode(to_event_grid(EVENT, TOPIC))
    assert found == {
        "id": "Incoming_20260101000000x",
        "topic": TOPIC,
        "subject": "/phonenumber/14255550123",
        "data": {"from": "+14255550199", "segmentCount": 1},
        "eventType": "Microsoft.Communication.SMSReceived",
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": "2026-01-01T00:00:00.250000+00:00",
    }


def test_a_cloud_event_is_one_object_with_all_required_attributes() -> None:
    found = msgspec.json.decode(to_cloud_event(EVENT, TOPIC))
    assert found == {
        "id": "Incoming_20260101000000x",
        "source": TOPIC,
        "type": "Microsoft.Communication.SMSReceived",
        "subject": "/phonenumber/14255550123",
        "time": "2026-01-01T00:00:00.250000+00:00",
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "data": {"from": "+14255550199", "segmentCount": 1},
    }
    assert datetime.fromisoformat(found["time"]).utcoffset() is not None


def test_the_topic_names_the_resource_as_azure_does() -> None:
    assert TOPIC.startswith("/subscriptions/")
    assert TOPIC.endswith("/communicationServices/00000000-0000-0000-0000-000000000000")


def test_headers_say_what_comes() -> None:
    assert constant_headers(EventSchema.EVENT_GRID, "first") == {
        "Content-Type": "application/json; charset=utf-8",
        "aeg-event-type": "Notification",
        "aeg-subscription-name": "first",
        "aeg-metadata-version": "1",
    }
    assert constant_headers(EventSchema.CLOUD_EVENTS, "first") == {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "aeg-subscription-name": "first",
    }


@pytest.mark.parametrize(
    "value", ["a\r\nb: c", "a\nb", "a\0", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a\x7f"]
)
def test_a_header_is_one_line_of_ascii(value: str) -> None:
    assert header_line("aeg-data-version", "1.0") == b"aeg-data-version: 1.0\r\n"
    with pytest.raises(ValueError, match="aeg-data-version"):
        header_line("aeg-data-version", value)


def test_a_subscription_gets_its_own_form() -> None:
    assert body_of(EVENT, EventSchema.EVENT_GRID, TOPIC) == to_event_grid(EVENT, TOPIC)
    assert body_of(EVENT, EventSchema.CLOUD_EVENTS, TOPIC) == to_cloud_event(EVENT, TOPIC)
