"""The requests that nearly all are, read and answered at a tenth of what any HTTP is read for. Pure.

Simple is: HTTP/1.1, one of six methods, a target that begins with a slash, plain ASCII fields, one Host, at
most one Content-Length, a whole body, and nothing that asks for more (Transfer-Encoding, Expect, Upgrade).
Everything else is not refused here: it is aiohttp's to read, and the application's to answer. So this never
has to be lenient, and there is nothing on which two readers could disagree.
"""

import re
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy

from tandem.http.incoming import Outgoing

MAX_HEAD: Final = 8 * 1024
"""Bytes: less than aiohttp takes of one field, so that its ceilings hold for whatever is beyond."""

MAX_FIELDS: Final = 64
"""Below the ceiling of `ServerLimits.fields`, for the same reason."""

MAX_WHOLE: Final = 256 * 1024
"""Bytes of a body that is waited for here."""

_FIRST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE|OPTIONS) (/[!-\"$-~]*) HTTP/1\.1")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_ONCE: Final = frozenset({"host", "content-length", "connection"})
_MORE: Final = frozenset(
    {
        "transfer-encoding",
        "expect",
        "upgrade",
        "te",
        "trailer",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
    }
)


class NotSimple(Exception):
    """A request that somebody else has to read."""


class Simple(Struct, frozen=True, gc=False):
    """A simple request. An `Incoming`."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    close: bool
    """Whether the client says that it is the last on its connection."""
    length: int
    """Bytes that it takes on the wire."""
    unread: bool = False
    address: str = ""

    async def read(self, ceiling: int, seconds: float) -> bytes:
        """See Incoming; the body is here."""
        return self.body


def read_simple(data: bytes, address: str = "") -> Simple | None:
    """Return the request that `data` begins with, or None while it is not whole. Raises NotSimple."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(data) >= MAX_HEAD or not data[:1].isalpha():
            raise NotSimple
        return None
    first, _, lines = data[:end].partition(b"\r\n")
    method, target = _read_first(first)
    headers, length, close = _read_fields(lines)
    if length > MAX_WHOLE:
        raise NotSimple
    begin, whole = end + 4, end + 4 + length
    if len(data) < whole:
        return None
    return Simple(method, target, headers, data[begin:whole], close, whole, address=address)


@lru_cache(maxsize=1024)
def _read_first(line: bytes) -> tuple[str, str]:
    first = _FIRST.fullmatch(_ascii(line))
    if first is None:
        raise NotSimple
    return first[1], first[2]


def _read_fields(raw: bytes) -> tuple[Mapping[str, str], int, bool]:
    lines = _ascii(raw).split("\r\n")
    if len(lines) > MAX_FIELDS or not "".join(lines).isprintable():
        raise NotSimple
    fields: list[tuple[str, str]] = []
    once: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise NotSimple
        value = value.strip(" ")
        place = _place(name)
        if place:
            if place in once:
                raise NotSimple
            once[place] = value
        fields.append((name, value))
    length = once.get("content-length", "0")
    connection = once.get("connection", "keep-alive").lower()
    if "host" not in once or not _LENGTH.fullmatch(length) or connection not in ("keep-alive", "close"):
        raise NotSimple
    return CIMultiDictProxy(CIMultiDict(fields)), int(length), connection == "close"


@lru_cache(maxsize=1024)
def _place(name: str) -> str:
    """Return the lower-case name of a field that may stand there once, nothing for any other."""
    lower = name.lower()
    if not _NAME.fullmatch(name) or lower in _MORE:
        raise NotSimple
    return lower if lower in _ONCE else ""


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise NotSimple from None


def answer_bytes(answer: Outgoing, *, now: float, close: bool) -> bytes:
    """Return an answer as it goes out at `now`, seconds since the epoch. Raises ValueError for a field that
    would be more than one line."""
    lines = [_status_line(answer.status), *[f"{name}: {value}" for name, value in answer.headers.items()]]
    if answer.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(answer.body)}")
    lines.append(_date(int(now)))
    if close:
        lines.append("Connection: close")
    lines += ("", "")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header field must be one line")
    raw = head.encode("utf-8", "surrogateescape")
    if not answer.body or answer.status == HTTPStatus.NO_CONTENT:  # it would be taken for the next answer
        return raw
    return raw + answer.body


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    except ValueError:  # one of ours
        return f"HTTP/1.1 {status} "


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
