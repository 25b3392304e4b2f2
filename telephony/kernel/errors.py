"""The tree of errors: whose fault something is stands in its type.

TandemError
├── CallerError             whoever asked is at fault; asking the same again gives the same
│   ├── InvalidRequest      400  malformed or against a rule
│   ├── Unauthorized        401  not known, or not proven
│   ├── Forbidden           403  known, but not allowed
│   │   └── LimitForbids         names the limit: waiting a little does not help
│   ├── NotFound            404  not there, or not the caller's: nobody can tell which
│   ├── MethodNotAllowed    405
│   ├── Conflict            409  the state forbids it
│   ├── PreconditionFailed  412  a repeatability id was used for something else
│   ├── TooLarge            413  beyond a ceiling of ours
│   ├── UnsupportedMedia    415
│   └── LimitReached        429  names the limit, and when to come back
├── RemoteError             a carrier, a webhook, a trunk is at fault
│   └── RemoteUnavailable   it cannot be reached: may be tried again
└── NodeError               we are at fault
    ├── Unavailable         503  a part of ours is away; nothing was accepted; come back later
    └── ConfigurationError  names file, key and remedy
"""

from typing import ClassVar


class TandemError(Exception):
    """Anything that went wrong in a known way.

    `status` is the HTTP status an API answers, `code` the ACS error code, `metric` the label it is counted
    under, `retryable` whether the same request may succeed later.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "InternalServerError"
    metric: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.target = target
        self.retry_after = retry_after
        """Seconds after which another try makes sense, when known."""


class CallerError(TandemError):
    """Whoever asked is at fault."""

    status = 400
    default_code = "BadRequest"
    metric = "caller"


class InvalidRequest(CallerError):
    """Malformed, or against a rule of the operation."""

    metric = "invalid"


class Unauthorized(CallerError):
    """Not known, or not proven. Says nothing about which part was wrong."""

    status = 401
    default_code = "Denied"
    metric = "unauthorized"


class Forbidden(CallerError):
    """Known, but not allowed to do this."""

    status = 403
    default_code = "Forbidden"
    metric = "forbidden"


class LimitForbids(Forbidden):
    """A limit forbids it, and trying again soon gives the same; `limit` names it as configuration spells it.

    No 429: on that clients wait and try again, and a day's budget would make them wait for hours.
    """

    metric = "limit"

    def __init__(self, message: str, *, limit: str, target: str | None = None) -> None:
        super().__init__(message, target=target)
        self.limit = limit


class NotFound(CallerError):
    """Not there, or not the caller's: both look the same."""

    status = 404
    default_code = "NotFound"
    metric = "not_found"


class MethodNotAllowed(CallerError):
    """The path exists, the method does not."""

    status = 405
    default_code = "MethodNotAllowed"
    metric = "method"


class Conflict(CallerError):
    """The state of the thing forbids it."""

    status = 409
    default_code = "Conflict"
    metric = "conflict"


class PreconditionFailed(CallerError):
    """A repeatability id that was used for another request."""

    status = 412
    default_code = "PreconditionFailed"
    metric = "precondition"


class TooLarge(CallerError):
    """Beyond a ceiling of ours."""

    status = 413
    default_code = "RequestBodyTooLarge"
    metric = "too_large"


class UnsupportedMedia(CallerError):
    """A body of a type that the operation does not take."""

    status = 415
    default_code = "UnsupportedMediaType"
    metric = "media_type"


class LimitReached(CallerError):
    """A limit was reached; `limit` names it as configuration spells it."""

    status = 429
    default_code = "TooManyRequests"
    metric = "limit"
    retryable = True

    def __init__(self, message: str, *, limit: str, retry_after: float, target: str | None = None) -> None:
        super().__init__(message, target=target, retry_after=retry_after)
        self.limit = limit


class RemoteError(TandemError):
    """Another party is at fault."""

    status = 502
    default_code = "BadGateway"
    metric = "remote"


class RemoteUnavailable(RemoteError):
    """Another party cannot be reached now."""

    status = 504
    default_code = "GatewayTimeout"
    metric = "remote_unavailable"
    retryable = True


class NodeError(TandemError):
    """We are at fault."""

    metric = "node"


class Unavailable(NodeError):
    """A part of ours is away; nothing was accepted."""

    status = 503
    default_code = "ServiceUnavailable"
    metric = "unavailable"
    retryable = True

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after=retry_after)


class ConfigurationError(NodeError):
    """A configuration that cannot be used; the text names file, key and remedy."""

    metric = "configuration"
