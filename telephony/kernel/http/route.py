"""What a plane gives to the HTTP application: routes as data, and the request and reply its verbs see."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from telephony.kernel.ids import ResourceId

B = TypeVar("B")

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

MAX_BODY: Final = 256 * 1024
"""Bytes a request's body may have unless its route says otherwise: 100 recipients of a long SMS are 30 kB."""


class Auth(Enum):
    """How a caller of a route proves who it is."""

    HMAC = "hmac"  # a resource's access key signs the request (ACS)
    USER = "user"  # a user's token (chat)
    ADMIN = "admin"  # an administration key (/admin)
    NONE = "none"  # health, metrics, CORS preflight


class Role(StrEnum):
    """What an administration key may do."""

    OWNER = "owner"  # everything
    OPERATOR = "operator"  # everything but keys and money
    BILLING = "billing"  # money; sees the rest
    READ_ONLY = "read-only"  # sees


class UserToken(Struct, frozen=True, gc=False):
    """What a user's token says, proven and in force."""

    user: str
    """The user's raw id."""
    scopes: tuple[str, ...]
    issued: int
    """Seconds since the epoch, UTC."""
    expires: int


# Structs, because each request makes some: a frozen dataclass takes ten times as long to make.
class Request(Struct, Generic[B], frozen=True, gc=False):
    """A request that passed every check: authenticated, of a known version, with a decoded body."""

    resource: ResourceId
    """Whose request it is; for ADMIN routes the all-zero id."""
    body: B
    """The decoded body, of the route's `body` type; None when the route takes none."""
    path: Mapping[str, str] = field(default_factory=dict)
    """Path parameters, percent-decoded once."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Query parameters, `api-version` included."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers; look-ups ignore case."""
    version: str = ""
    """The api-version asked for."""
    request_id: str = ""
    """Ours, for logs and the timeline."""
    origin: str = ""
    """scheme://authority as the client addressed us."""
    user: str | None = None
    """USER routes: whose token it is, as a raw id."""
    role: Role | None = None
    """ADMIN routes: what the key may do."""
    key: bytes = b""
    """ADMIN routes: the key's id."""
    address: str = ""
    """Where the connection comes from; empty on a unix socket."""
    token: UserToken | None = None
    """USER routes: what the token says."""


class Reply(Struct, frozen=True, gc=False):
    """What a handler answers: `body` is anything msgspec encodes, None for an empty body."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"
    """Sent with a body only. A body of bytes is sent as it is."""


Handler = Callable[[Request[Any]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter of an operation of ours: what the OpenAPI document says of it."""

    name: str
    meaning: str = ""
    kind: Any = str
    """str, int or bool, or one of these with `msgspec.Meta`."""
    required: bool = False


PAGING: Final = (
    Query("top", "Items a page; at most 1000.", int),
    Query("continuation", "Where the page begins, from the `nextLink` before."),
)
"""The parameters of a list in pages."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    operation: str
    """Its name in docs, logs and metrics: `sms.send`."""
    method: str
    template: str
    """The path: `/phoneNumbers/{phoneNumber}`; a parameter is a whole segment, or all of one before a verb:
    `/calling/callConnections/{callConnectionId}:play`."""
    handler: Handler
    auth: Auth = Auth.HMAC
    versions: tuple[str, ...] = ()
    """The api-versions it takes, oldest first; empty: none is asked for."""
    body: type[msgspec.Struct] | None = None
    media_types: tuple[str, ...] = (JSON,)
    max_body: int = MAX_BODY
    summary: str = ""
    """One line for the reference."""
    roles: tuple[Role, ...] = ()
    """ADMIN routes: the roles that may; empty: GET for all, the rest for owner and operator."""
    reply: Any = None
    """The type of the answer's body for the OpenAPI document; None: an answer without one."""
    reply_status: int = 200
    """The status of an answer that is no error; 204 when there is no body."""
    reply_type: str = JSON
    """The media type of that body; of any other than JSON `reply` is str."""
    query: tuple[Query, ...] = ()
    """The query parameters it knows, for the OpenAPI document."""
    scopes: tuple[str, ...] = ()
    """USER routes: the scopes of which a token needs one; empty: any token will do."""
    unsupported: str = ""
    """ACS operations that are known and always refused: why, and what to do instead."""
    audited: bool = True
    """ADMIN routes: leaves a record; False only for what changes nothing though it is no GET."""
    recorded: bool = False
    """ACS operations: a change that is made leaves a record, written in the transaction that makes it."""

    def allowed(self) -> tuple[Role, ...]:
        """Return the roles that may call an ADMIN route; the owner always may."""
        if self.roles:
            return self.roles if Role.OWNER in self.roles else (Role.OWNER, *self.roles)
        return tuple(Role) if self.method == "GET" else (Role.OWNER, Role.OPERATOR)
