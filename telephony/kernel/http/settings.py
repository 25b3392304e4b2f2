"""What an operator may set about HTTP."""

from typing import Annotated

from msgspec import Meta, Struct

from telephony.kernel.http.plain import parse_plain


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ceilings of the HTTP listener."""

    rate: Annotated[float, Meta(gt=0)] = 5000.0
    """Requests a second of one resource to one gateway; beyond, 429. Only a runaway client meets it."""
    burst: Annotated[float, Meta(ge=1)] = 10_000.0
    """Requests that a resource saves up while it is silent."""
    concurrent: Annotated[int, Meta(ge=1)] = 1000
    """Requests of a resource at a time: each holds a connection, a body and a place in the store's queue."""
    connections: Annotated[int, Meta(ge=1)] = 5000
    """Connections at a time: each is a descriptor and some 30 kB."""
    body_seconds: Annotated[float, Meta(gt=0)] = 20.0
    """How long a body may take to come: 256 kB at 13 kB/s."""
    cors_origins: tuple[str, ...] = ("*",)
    """Origins whose pages may call; `*` for all. A page has nothing but what it can sign with."""
    plain: str = ""
    """Answer http too, for proxies here: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:/path`. Empty: no."""

    def __post_init__(self) -> None:
        if self.plain:
            try:
                parse_plain(self.plain)
            except ValueError as error:
                raise ValueError(f"plain: {error}") from error
