"""The handshake before the first event: what is asked of an endpoint, and what its answer means.

Event Grid schema: a POST with a code that has to come back, or a visit to a URL within five minutes.
CloudEvents: OPTIONS with our origin, which has to be allowed (HTTP 1.1 Web Hooks for Event Delivery §4).
"""

import hmac
from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from telephony.events.event import EVENT_GRID_TYPE, VALIDATION_EVENT, Event, to_event_grid

TIMEOUT_SECONDS: Final = 30.0
"""How long the endpoint may take to answer."""

MANUAL_SECONDS: Final = 300
"""How long somebody may take to visit the validation URL."""

RATE: Final = "120"
"""WebHook-Request-Rate: requests a minute that are asked for; no receiver is known to hold us to it."""


class Verdict(Enum):
    """What an endpoint's answer means."""

    AGREED = "agreed"
    LATER = "later"  # it took the question and did not answer it: somebody may visit the URL
    REFUSED = "refused"


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    validation_code: str
    validation_url: str


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    validation_response: str | None = None


def validation_event(event_id: str, topic: str, *, code: str, url: str, now: int) -> bytes:
    """Return the body of the POST."""
    data = msgspec.Raw(msgspec.json.encode(_Data(code, url)))
    return to_event_grid(
        Event(id=event_id, type=VALIDATION_EVENT, subject="", time=now, data=data, data_version="1"), topic
    )


def validation_headers(subscription: str) -> dict[str, str]:
    """Return the headers of the POST, the signature's excepted."""
    return {
        "Content-Type": EVENT_GRID_TYPE,
        "aeg-event-type": "SubscriptionValidation",
        "aeg-subscription-name": subscription,
        "aeg-delivery-count": "0",
        "aeg-data-version": "1",
        "aeg-metadata-version": "1",
    }


def options_headers(origin: str, callback: str) -> dict[str, str]:
    """Return the headers of the OPTIONS; `origin` is our host name."""
    return {
        "WebHook-Request-Origin": origin,
        "WebHook-Request-Callback": callback,
        "WebHook-Request-Rate": RATE,
    }


def judge_post(status: int, body: bytes, *, code: str) -> Verdict:
    """Return what the answer to the POST means: 200 is needed, and the code in it."""
    if status != 200:
        return Verdict.REFUSED
    try:
        given = msgspec.json.decode(body, type=_Answer).validation_response if body else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        given = None
    if given is None:
        return Verdict.LATER
    return Verdict.AGREED if hmac.compare_digest(given.encode(), code.encode()) else Verdict.REFUSED


def judge_options(status: int, headers: Mapping[str, str], *, origin: str) -> Verdict:
    """Return what the answer to the OPTIONS means: 200 is needed, and our origin or `*` allowed."""
    if status != 200:
        return Verdict.REFUSED
    allowed = headers.get("WebHook-Allowed-Origin")
    if allowed is None:
        return Verdict.LATER
    return Verdict.AGREED if allowed.strip().lower() in ("*", origin.lower()) else Verdict.REFUSED
