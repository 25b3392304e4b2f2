"""What an endpoint's answer to the handshake means."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.events.handshake import (
    Verdict,
    judge_options,
    judge_post,
    options_headers,
    validation_event,
    validation_headers,
)

pytestmark = pytest.mark.unit

ORIGIN = "gateway.example"


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"validationResponse":"code"}', Verdict.AGREED),
        (200, b'{"validationResponse":"code","more":1}', Verdict.AGREED),
        (200, b'{"validationResponse":"other"}', Verdict.REFUSED),
        (200, b"", Verdict.LATER),
        (200, b"OK", Verdict.LATER),
        (200, b"{}", Verdict.LATER),
        (200, b"\xff", Verdict.LATER),
        (202, b'{"validationResponse":"code"}', Verdict.REFUSED),
        (204, b"", Verdict.REFUSED),
        (302, b"", Verdict.REFUSED),
        (500, b'{"validationResponse":"code"}', Verdict.REFUSED),
    ],
)
def test_a_post_needs_200_and_the_code(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge_post(status, body, code="code") is verdict


@given(st.integers(100, 599), st.binary(max_size=50))
def test_nothing_but_the_code_agrees(status: int, body: bytes) -> None:
    assert judge_post(status, body, code="0123456789abcdef" * 4) is not Verdict.AGREED


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {"WebHook-Allowed-Origin": ORIGIN}, Verdict.AGREED),
        (200, {"WebHook-Allowed-Origin": "Gateway.Example"}, Verdict.AGREED),
        (200, {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "100"}, Verdict.AGREED),
        (200, {"WebHook-Allowed-Origin": "eventgrid.azure.net"}, Verdict.REFUSED),
        (200, {}, Verdict.LATER),
        (204, {"WebHook-Allowed-Origin": "*"}, Verdict.REFUSED),
        (405, {}, Verdict.REFUSED),
    ],
)
def test_an_options_needs_200_and_our_origin(status: int, headers: dict[str, str], verdict: Verdict) -> None:
    assert judge_options(status, headers, origin=ORIGIN) is verdict


def test_the_question_has_azures_form() -> None:
    (found,) = msgspec.json.decode(validation_event("id", "/topic", code="c", url="https://u", now=0))
    assert found["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert found["data"] == {"validationCode": "c", "validationUrl": "https://u"}
    assert found["dataVersion"] == "1"
    assert validation_headers("first")["aeg-event-type"] == "SubscriptionValidation"
    assert options_headers(ORIGIN, "https://u")["WebHook-Request-Origin"] == ORIGIN
