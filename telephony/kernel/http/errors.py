"""Errors on the wire: `{"error": {"code", "message", "target"?, "details"?, "innererror"?}}`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from telephony.kernel.errors import (
    CallerError,
    InvalidRequest,
    LimitForbids,
    LimitReached,
    TandemError,
    Unauthorized,
)

INTERNAL: Final = "An internal error happened. Its details are in the log under this request's id."
"""All that a caller learns about a mistake of ours."""


class InnerError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was wrong more exactly: a limit's name, or what ACS calls it within."""

    code: str
    message: str | None = None


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of several things that were wrong, or all of it."""

    code: str
    message: str
    target: str | None = None
    details: Sequence["ErrorDetail"] = ()
    innererror: InnerError | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error reply."""

    error: ErrorDetail


class ManyInvalid(InvalidRequest):
    """Several things of one request are wrong: each stands in `details`."""

    def __init__(self, message: str, *, details: Sequence[ErrorDetail], target: str | None = None) -> None:
        super().__init__(message, target=target)
        self.details = tuple(details)


class Explained(InvalidRequest):
    """Wrong in a way that ACS names twice: in general by its code, more exactly in `innererror`."""

    def __init__(self, message: str, *, code: str, inner: InnerError, target: str | None = None) -> None:
        super().__init__(message, code=code, target=target)
        self.inner = inner


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error ready to be sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def describe(error: TandemError) -> ErrorDetail:
    """Return what the caller may know about `error`."""
    inner = InnerError(error.limit) if isinstance(error, LimitReached | LimitForbids) else None
    if isinstance(error, Explained):
        inner = error.inner
    details = error.details if isinstance(error, ManyInvalid) else ()
    message, target = _speakable(error.message), error.target
    if error.status == 500 and not isinstance(error, CallerError):
        message, target = INTERNAL, None
    return ErrorDetail(error.code, message, target and _speakable(target), details, inner)


def error_reply(error: TandemError) -> ErrorReply:
    """Return the reply for `error`: body, x-ms-error-code and, where a later try makes sense, Retry-After."""
    headers = {"x-ms-error-code": error.code}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "HMAC-SHA256, Bearer"  # RFC 9110 §11.6.1
    if error.retry_after is not None:
        headers |= retry_after(error.retry_after)
    return ErrorReply(error.status, msgspec.json.encode(ErrorBody(describe(error))), headers)


def unexpected_reply() -> ErrorReply:
    """Return the reply for an exception that nobody foresaw: nothing of it goes out."""
    return error_reply(TandemError(INTERNAL))


def retry_after(seconds: float) -> dict[str, str]:
    """Return the headers that say when to come back: whole seconds (RFC 9110 §10.2.3), and the exact time
    as Azure's clients read it."""
    seconds = max(seconds, 0.0)
    return {
        "Retry-After": str(max(1, math.ceil(seconds))),
        "retry-after-ms": str(max(1, math.ceil(seconds * 1000))),
    }


def _speakable(text: str) -> str:
    """Return `text` without what UTF-8 cannot carry: texts may quote a caller's raw bytes."""
    return text.encode("utf-8", "replace").decode()
