"""Errors on the wire."""

import msgspec
import pytest

from telephony.kernel.errors import (
    InvalidRequest,
    LimitReached,
    NodeError,
    RemoteError,
    TandemError,
    Unauthorized,
)
from telephony.kernel.http.errors import INTERNAL, ErrorDetail, ManyInvalid, error_reply, unexpected_reply

pytestmark = pytest.mark.unit


def body_of(error: TandemError) -> dict[str, object]:
    body: dict[str, dict[str, object]] = msgspec.json.decode(error_reply(error).body)
    return body["error"]


def test_an_error_has_code_message_and_target() -> None:
    error = InvalidRequest("message: too long", target="message")
    assert body_of(error) == {"code": "BadRequest", "message": "message: too long", "target": "message"}
    assert error_reply(error).status == 400
    assert error_reply(error).headers["x-ms-error-code"] == "BadRequest"


def test_what_is_not_known_is_left_out() -> None:
    assert set(body_of(InvalidRequest("no"))) == {"code", "message"}


def test_a_limit_names_itself_and_when_to_come_back() -> None:
    error = LimitReached("too fast", limit="http.requests_per_second", retry_after=0.25)
    reply = error_reply(error)
    assert reply.status == 429
    assert (reply.headers["Retry-After"], reply.headers["retry-after-ms"]) == ("1", "250")
    assert body_of(error)["innererror"] == {"code": "http.requests_per_second"}


def test_several_mistakes_stand_in_details() -> None:
    error = ManyInvalid("2 mistakes", details=[ErrorDetail("A", "a", "x"), ErrorDetail("B", "b")])
    assert body_of(error)["details"] == [
        {"code": "A", "message": "a", "target": "x"},
        {"code": "B", "message": "b"},
    ]


def test_a_refused_caller_is_told_the_schemes() -> None:
    assert error_reply(Unauthorized("no")).headers["WWW-Authenticate"] == "HMAC-SHA256, Bearer"


def test_mistakes_of_ours_do_not_show_what_they_are() -> None:
    assert body_of(NodeError("/var/lib/secret is gone", target="secret")) == {
        "code": "InternalServerError",
        "message": INTERNAL,
    }
    assert unexpected_reply().status == 500


def test_mistakes_of_others_are_told() -> None:
    assert body_of(RemoteError("the carrier refused"))["message"] == "the carrier refused"


def test_a_text_that_quotes_raw_bytes_can_be_sent() -> None:
    assert body_of(InvalidRequest("bad \udcff", target="\ud800"))["message"] == "bad ?"
