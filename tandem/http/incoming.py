"""A request and its answer as the application sees them, whoever reads and writes the wire."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Incoming(Protocol):
    """A request whose head has come."""

    @property
    def method(self) -> str:
        """The method, as it was written."""
        ...

    @property
    def target(self) -> str:
        """Path and query, as they are on the wire."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Look-ups ignore case."""
        ...

    @property
    def body(self) -> bytes | None:
        """The body when it is here already, empty when there is none; None: it has to be read."""
        ...

    @property
    def unread(self) -> bool:
        """Whether more of the body is still to come."""
        ...

    @property
    def address(self) -> str:
        """Where the connection comes from; empty on a unix socket."""
        ...

    async def read(self, ceiling: int, seconds: float) -> bytes:
        """Read the body. Raises TooLarge beyond `ceiling` bytes, RequestTimeout, InvalidRequest."""
        ...


class Outgoing(Struct, frozen=True, gc=False):
    """An answer."""

    status: int
    headers: dict[str, str]
    """Without the body's length, the date and what concerns the connection."""
    body: bytes
    close: bool = False
    """Whether the connection ends with it: what else came on it is not worth reading."""
