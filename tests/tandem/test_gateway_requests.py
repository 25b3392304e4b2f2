"""Every way in which a request to send can be malformed, at a whole gateway, and the error that it gets."""

import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from telephony.kernel.ids import to_text
from tests.support.inside import Inside, inside
from tests.support.promises import Report

pytestmark = [pytest.mark.wire, pytest.mark.promise("Bad input")]

SMS: Final = "/sms?api-version=2021-03-07"
RECIPIENT: Final = "+12065550100"
GOOD: Final[dict[str, Any]] = {
    "from": "+14255550100",
    "smsRecipients": [{"to": RECIPIENT}],
    "message": "Hello",
}
ABSENT: Final = object()
BAD, REQUIRED = "BadRequest", "It is required."


def body(**changes: object) -> bytes:
    """Return a good body but for `changes` (`from_` stands for `from`)."""
    whole = GOOD | {name.rstrip("_"): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in whole.items() if value is not ABSENT}).encode()


def recipient(**members: object) -> bytes:
    return body(smsRecipients=[{"to": RECIPIENT}, {"to": RECIPIENT, **members}])


def options(**members: object) -> bytes:
    return body(smsSendOptions={"enableDeliveryReport": True, **members})


ID, SENT = "repeatabilityRequestId", "repeatabilityFirstSent"
SECOND, OPTIONS = "smsRecipients[1]", "smsSendOptions"
TIMEOUT = "deliveryReportTimeoutInSeconds"
GUID, NOW, THEN = str(uuid4()), formatdate(usegmt=True), "Tue, 01 Jan 2999 00:00:00 GMT"

BODIES: Final[dict[str, tuple[bytes, int, str, str, str | None]]] = {
    "none": (b"", 400, BAD, "A body is required.", None),
    "no JSON": (b"{from: me}", 400, BAD, "The body is not valid JSON", None),
    "half of it": (body()[:-20], 400, BAD, "The body is not valid JSON", None),
    "more than it": (body() + b"{}", 400, BAD, "The body is not valid JSON", None),
    "an array": (b"[]", 400, BAD, "Expected 'object', got 'array'", None),
    "null": (b"null", 400, BAD, "Expected 'object', got 'null'", None),
    "not UTF-8": (b'{"from": "\xff"}', 400, BAD, "The body is not valid UTF-8.", None),
    "nested deeply": (b'{"from":' + b"[" * 100_000, 400, BAD, "from: Expected 'str'", "from"),
    "too long": (body(message="x" * 300_000), 413, "RequestBodyTooLarge", "longer than 262144 bytes", None),
    "no from": (body(from_=ABSENT), 400, BAD, f"from: {REQUIRED}", "from"),
    "from null": (body(from_=None), 400, BAD, "from: Expected 'str', got 'null'", "from"),
    "from a number": (body(from_=14255550100), 400, BAD, "from: Expected 'str', got 'int'", "from"),
    "from empty": (body(from_=""), 400, BAD, "from: Expected 'str' of length >= 1", "from"),
    "from nobody's": (
        body(from_="+14255550177"),
        401,
        "Denied",
        "not a phone number of this resource",
        "from",
    ),
    "from another's": (
        body(from_="+14255550101"),
        401,
        "Denied",
        "not a phone number of this resource",
        "from",
    ),
    "from a word": (body(from_="TANDEM"), 401, "Denied", "not a phone number of this resource", "from"),
    "no recipients": (body(smsRecipients=ABSENT), 400, BAD, REQUIRED, "smsRecipients"),
    "recipients null": (body(smsRecipients=None), 400, BAD, "Expected 'array'", "smsRecipients"),
    "recipients an object": (body(smsRecipients={}), 400, BAD, "Expected 'array'", "smsRecipients"),
    "recipients empty": (body(smsRecipients=[]), 400, BAD, "of length >= 1", "smsRecipients"),
    "101 recipients": (
        body(smsRecipients=[{"to": RECIPIENT}] * 101),
        400,
        BAD,
        "of length <= 100",
        "smsRecipients",
    ),
    "a recipient a text": (
        body(smsRecipients=[RECIPIENT]),
        400,
        BAD,
        "Expected 'object', got 'str'",
        "smsRecipients[0]",
    ),
    "no to": (body(smsRecipients=[{}]), 400, BAD, REQUIRED, "smsRecipients[0].to"),
    "to null": (recipient(to=None), 400, BAD, "Expected 'str', got 'null'", f"{SECOND}.to"),
    "to a number": (recipient(to=12065550100), 400, BAD, "Expected 'str', got 'int'", f"{SECOND}.to"),
    "no to a number": (
        body(smsRecipients=[{"to": each} for each in ("12065550100", "+1", "", "+1 206 555 0100")]),
        400,
        BAD,
        "Invalid To phone number format.",
        "smsRecipients",
    ),
    "no message": (body(message=ABSENT), 400, BAD, f"message: {REQUIRED}", "message"),
    "message null": (body(message=None), 400, BAD, "Expected 'str', got 'null'", "message"),
    "message a number": (body(message=5), 400, BAD, "Expected 'str', got 'int'", "message"),
    "message empty": (body(message=""), 400, BAD, f"message: {REQUIRED}", "message"),
    "message too long": (body(message="x" * 2049), 400, BAD, "of length <= 2048", "message"),
    "message too long in UTF-16": (body(message="🎉" * 1025), 400, BAD, "at most 2048 characters", "message"),
    "message with U+0000": (body(message="a\0b"), 400, BAD, "U+0000 is not allowed", "message"),
    "message half a pair": (
        body(message="\ud83d"),
        400,
        BAD,
        "message: Character 1 is half a surrogate pair",
        "message",
    ),
    "options a list": (body(smsSendOptions=[]), 400, BAD, "Expected 'object | null'", OPTIONS),
    "options empty": (body(smsSendOptions={}), 400, BAD, REQUIRED, f"{OPTIONS}.enableDeliveryReport"),
    "report a text": (
        options(enableDeliveryReport="yes"),
        400,
        BAD,
        "Expected 'bool', got 'str'",
        f"{OPTIONS}.enableDeliveryReport",
    ),
    "tag a number": (options(tag=5), 400, BAD, "Expected 'str | null', got 'int'", f"{OPTIONS}.tag"),
    "tag too long": (options(tag="x" * 2049), 400, BAD, "of length <= 2048", f"{OPTIONS}.tag"),
    "timeout too short": (options(**{TIMEOUT: 59}), 400, BAD, ">= 60", f"{OPTIONS}.{TIMEOUT}"),
    "timeout too long": (options(**{TIMEOUT: 43_201}), 400, BAD, "<= 43200", f"{OPTIONS}.{TIMEOUT}"),
    "timeout a text": (options(**{TIMEOUT: "60"}), 400, BAD, "got 'str'", f"{OPTIONS}.{TIMEOUT}"),
    "timeout a fraction": (options(**{TIMEOUT: 60.5}), 400, BAD, "got 'float'", f"{OPTIONS}.{TIMEOUT}"),
    "another provider": (
        options(messagingConnect={"apiKey": "k", "partner": "p"}),
        400,
        BAD,
        "every number has its carrier",
        f"{OPTIONS}.messagingConnect",
    ),
    "id without time": (recipient(**{ID: GUID}), 400, BAD, "It is required with", f"{SECOND}.{SENT}"),
    "time without id": (recipient(**{SENT: NOW}), 400, BAD, "It is required with", f"{SECOND}.{ID}"),
    "id no GUID": (recipient(**{ID: "x", SENT: NOW}), 400, BAD, "It must be a GUID.", f"{SECOND}.{ID}"),
    "time no date": (
        recipient(**{ID: GUID, SENT: "now"}),
        400,
        BAD,
        "It must be an HTTP date.",
        f"{SECOND}.{SENT}",
    ),
    "time to come": (
        recipient(**{ID: GUID, SENT: THEN}),
        400,
        BAD,
        "It lies in the future.",
        f"{SECOND}.{SENT}",
    ),
}
"""By name: the body; status, code, part of the message and target of the answer."""

TARGETS: Final[dict[tuple[str, str], tuple[int, str, str, str | None]]] = {
    ("POST", "/sms"): (400, "MissingApiVersionParameter", "is required for all requests", "api-version"),
    ("POST", "/sms?api-version="): (400, "MissingApiVersionParameter", "is required", "api-version"),
    ("POST", "/sms?api-version=1999-01-01"): (
        400,
        "UnsupportedApiVersionValue",
        "Unsupported api-version '1999-01-01'. The supported api-versions are '2021-03-07",
        "api-version",
    ),
    ("GET", SMS): (405, "MethodNotAllowed", "GET is not among the methods of this path: POST.", None),
    ("PUT", SMS): (405, "MethodNotAllowed", "PUT is not among", None),
    ("POST", "/smses?api-version=2021-03-07"): (404, "NotFound", "There is no such path.", None),
    ("POST", "/sms/?api-version=2021-03-07"): (404, "NotFound", "There is no such path.", None),
    ("POST", "/?api-version=2021-03-07"): (404, "NotFound", "There is no such path.", None),
}

HEADERS: Final[dict[tuple[str, str], tuple[int, str, str, str]]] = {
    ("Content-Type", "text/plain"): (415, "UnsupportedMediaType", "of type application/json", "Content-Type"),
    ("Content-Type", ""): (415, "UnsupportedMediaType", "of type application/json", "Content-Type"),
    ("Content-Type", "application/json; charset=latin-1"): (
        415,
        "UnsupportedMediaType",
        "in UTF-8",
        "Content-Type",
    ),
    ("Content-Encoding", "gzip"): (415, "UnsupportedMediaType", "not be compressed", "Content-Encoding"),
}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", http__rate="1000000", log__level="warning") as running:
        yield running


async def test_every_malformed_request_gets_the_documented_error(home: Inside, promise: Report) -> None:
    asked: dict[str, tuple[Any, tuple[int, str, str, str | None]]] = {}
    for name, (raw, *rest) in BODIES.items():
        asked[name] = (await home.sign_and_ask("POST", SMS, raw), tuple(rest))  # type: ignore[assignment]
    for (method, target), wanted in TARGETS.items():
        raw = body() if method != "GET" else b""
        asked[f"{method} {target}"] = (await home.sign_and_ask(method, target, raw), wanted)
    for (header, value), wanted in HEADERS.items():
        headers = {**home.signed("POST", SMS, body()), header: value}
        asked[f"{header}: {value}"] = (await home.ask("POST", SMS, body(), headers), wanted)
    for name, (answer, (status, code, message, target)) in asked.items():
        assert answer.status == status, (name, answer)
        assert answer.headers["content-type"] == "application/json; charset=utf-8", name
        assert answer.headers["x-ms-error-code"] == code, name
        error = answer.json["error"]
        assert error["code"] == code, name
        assert message in error["message"], name
        assert error.get("target") == target, name
    listed = await home.administer("GET", f"/admin/resources/{to_text(home.one.id)}/messages")
    assert listed.json["value"] == [], "a malformed request left a message behind"
    promise(requests=len(asked), accepted=0)


async def test_a_malformed_recipient_among_others_gets_an_error_of_its_own(home: Inside) -> None:
    to = [RECIPIENT, "12345", "+12065550101", ""]
    answer = await home.sign_and_ask("POST", SMS, body(smsRecipients=[{"to": each} for each in to]))
    assert answer.status == 202
    items = answer.json["value"]
    assert [(item["to"], item["httpStatusCode"], item["successful"]) for item in items] == [
        (RECIPIENT, 202, True),
        ("12345", 400, False),
        ("+12065550101", 202, True),
        ("", 400, False),
    ]
    for item in items:
        assert ("messageId" in item) is item["successful"]
        assert item.get("errorMessage", "") == (
            "" if item["successful"] else "Invalid To phone number format."
        )


async def test_what_is_unknown_or_null_is_left_aside(home: Inside) -> None:
    for raw in (
        body(future="member"),
        body(smsSendOptions=None),
        recipient(**{ID: None, SENT: None}),
        options(tag=None, **{TIMEOUT: None}),
    ):
        assert (await home.sign_and_ask("POST", SMS, raw)).status == 202


async def test_an_id_too_old_to_know_is_refused_at_its_recipient(home: Inside) -> None:
    old = {ID: str(uuid4()), SENT: formatdate(1_000_000_000, usegmt=True)}
    answer = await home.sign_and_ask("POST", SMS, recipient(**old))
    assert [item["httpStatusCode"] for item in answer.json["value"]] == [202, 412]
    assert answer.json["value"][1]["repeatabilityResult"] == "rejected"


async def test_too_much_waiting_for_a_carrier_is_refused_by_the_limits_name(tmp_path: Path) -> None:
    async with inside(tmp_path / "var", sms__max_backlog="1") as home:
        first = await home.sign_and_ask("POST", SMS, body())
        second = await home.sign_and_ask("POST", SMS, body())
    assert first.status == 202
    assert second.status == 429
    assert int(second.headers["retry-after"]) >= 1
    error = second.json["error"]
    assert error["code"] == "TooManyRequests"
    assert error["innererror"]["code"] == "sms.max_backlog"
