"""Collections in pages: `skip` and `top` or `maxPageSize`, an opaque continuation, and `nextLink`."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from telephony.kernel.errors import InvalidRequest

T = TypeVar("T")

DEFAULT_SIZE: Final = 100
"""What ACS's clients ask for when their caller does not say."""

MAX_SIZE: Final = 1000
"""Items a page: a reply stays under a megabyte."""

MAX_SKIP: Final = 1_000_000
"""Items that may be skipped: each costs a row read."""

MAX_CONTINUATION: Final = 512
"""Characters of a continuation; ours have some forty."""

CONTINUATION: Final = "continuation"


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a collection is asked for."""

    skip: int
    size: int


def page_of(
    query: Mapping[str, str], *, size: str = "top", default: int = DEFAULT_SIZE, ceiling: int = MAX_SIZE
) -> Page:
    """Return the page that `query` asks for; `size` names its parameter: `top` or `maxPageSize`.

    A size above `ceiling` is cut to it, as a server may always send less. Raises InvalidRequest with the
    parameter as target.
    """
    return Page(
        skip=_integer(query, "skip", 0, minimum=0, ceiling=MAX_SKIP),
        size=min(_integer(query, size, default, minimum=1, ceiling=2**31 - 1, told=ceiling), ceiling),
    )


def next_link(path: str, query: Mapping[str, str], **changes: object) -> str:
    """Return the relative link to the next page: `query` with `changes`, of which None removes one.

    Clients put their own api-version in again; it is kept for those that do not.
    """
    fields: dict[str, object] = {**query, **changes}
    encoded = "&".join(
        f"{quote(name)}={quote(str(value), safe='')}" for name, value in fields.items() if value is not None
    )
    return f"{path}?{encoded}" if encoded else path


def continuation(position: object) -> str:
    """Return where the next page begins, as a text that clients hand back unread."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def position_of(text: str, kind: type[T]) -> T:
    """Return the position that `continuation` wrote. Raises InvalidRequest when `text` is not one of ours."""
    try:
        if len(text) > MAX_CONTINUATION:
            raise ValueError("too long")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position: T = msgspec.json.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest("The continuation is not one of ours.", target=CONTINUATION) from error
    return position


def collection(key: str, items: list[Any], link: str | None = None) -> dict[str, Any]:
    """Return the body of a page: its items under `key`, and `nextLink` unless it is the last."""
    return {key: items} if link is None else {key: items, "nextLink": link}


def _integer(
    query: Mapping[str, str], name: str, default: int, *, minimum: int, ceiling: int, told: int | None = None
) -> int:
    """Return a parameter; `told` is the limit that an error names, where `ceiling` is only the parser's."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and minimum <= int(text) <= ceiling):
        most = ceiling if told is None else told
        raise InvalidRequest(f"{name}: It must be an integer from {minimum} to {most}.", target=name)
    return int(text)
