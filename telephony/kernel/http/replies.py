"""An HTTP/1.1 answer as a client reads it: bytes in, one reply out. Pure.

What a server that was never tested against us may say is taken (RFC 9112 §2.2 and §6.3): bare line feeds,
folded fields, interim answers, chunks, a body that ends with the connection. What is malformed or beyond a
limit raises `MalformedReply`, and nothing else does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

MAX_HEAD: Final = 32 * 1024
"""Bytes of a status line with all fields, and of all trailers: four times what servers send by default."""

MAX_FIELDS: Final = 200
"""Fields of an answer; beyond, somebody plays with us."""

MAX_INTERIM: Final = 8
"""1xx answers before the final one (RFC 9110 §15.2 names no number)."""

MAX_LINE: Final = 8 * 1024
"""Bytes of a line between chunks: a size with extensions, which nobody uses, or a trailer."""

MAX_WHOLE: Final = 512
"""Bytes of an answer that is remembered as a whole: a webhook's receiver says the same again and again."""

SWITCHING: Final = 101
NO_BODY: Final = frozenset({204, 304})

_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE: Final = re.compile(rb"\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile("[0-9]{1,15}", re.ASCII)
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?", re.DOTALL)


class MalformedReply(Exception):
    """What came is no answer in HTTP/1.1, or it is beyond a limit; the text says which."""


@dataclass(frozen=True, slots=True)
class OutboundReply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Look-ups ignore case."""
    body: bytes
    """As sent, never decompressed; at most as long as was asked for."""
    truncated: bool = False
    """Whether the body was longer."""


@dataclass(frozen=True, slots=True)
class _Head:
    """Status line and fields."""

    status: int
    headers: Mapping[str, str]
    length: int | None
    chunked: bool
    keep: bool
    """Whether the server says that the connection goes on."""


class _Phase(Enum):
    """What comes next."""

    HEAD = "head"
    LENGTH = "length"  # a body of a known length
    CLOSE = "close"  # a body that the connection's end ends
    SIZE = "size"  # a chunk's size
    CHUNK = "chunk"
    CHUNK_END = "chunk-end"
    TRAILERS = "trailers"


class ReplyParser:
    """Reads the answer to one request. Feed it until it returns the reply; then ask `keep`."""

    __slots__ = (
        "_at",
        "_body",
        "_ceiling",
        "_data",
        "_head",
        "_interim",
        "_left",
        "_method",
        "_phase",
        "_searched",
        "keep",
    )

    def __init__(self, method: str, ceiling: int) -> None:
        """`ceiling` is how many bytes of the body are read."""
        self._method, self._ceiling = method, ceiling
        self._phase = _Phase.HEAD
        self._data = b""
        self._at = 0  # how much of `_data` is read: cutting it off each time would cost its square
        self._searched = 0  # where the end of a head can begin at the earliest
        self._head = _NO_HEAD
        self._interim = 0
        self._body = bytearray()
        self._left = 0
        self.keep = False
        """Whether the connection can carry another request, once the reply is complete."""

    @property
    def begun(self) -> bool:
        """Whether anything has come."""
        return bool(self._data)

    def feed(self, data: bytes) -> OutboundReply | None:
        """Take what came; return the reply once it is complete. Raises MalformedReply."""
        if self._data:
            rest = self._data[self._at :]
            self._data, self._searched = rest + data, max(0, len(rest) - 3)
        else:
            self._data = data
        self._at = 0
        while self._phase is _Phase.HEAD:
            head = self._next_head()
            if head is None:
                return None
            if head.status >= 200:
                self._head = head
                if self._begin_body(head):
                    return self._done(head, complete=True)
        if self._phase is _Phase.LENGTH:
            return self._by_length(self._head)
        if self._phase is _Phase.CLOSE:
            self._take(len(self._data) - self._at)
            return self._done(self._head) if len(self._body) > self._ceiling else None
        return self._by_chunks(self._head)

    def end(self) -> OutboundReply:
        """The connection ended: return a reply whose body ends with it. Raises MalformedReply."""
        if self._phase is not _Phase.CLOSE:
            raise MalformedReply("it ended in the middle")
        return self._done(self._head)

    def _next_head(self) -> _Head | None:
        end = _END.search(self._data, max(self._at, self._searched), self._at + MAX_HEAD)
        if end is None:
            if len(self._data) - self._at >= MAX_HEAD:
                raise MalformedReply("its head is too long")
            return None
        head = _read_head(self._data[self._at : end.start()])
        self._at = self._searched = end.end()
        if head.status < 200:
            self._interim += 1
            if head.status == SWITCHING or self._interim > MAX_INTERIM:
                raise MalformedReply("an interim answer that was not asked for")
        return head

    def _begin_body(self, head: _Head) -> bool:
        """Choose how the body ends (RFC 9112 §6.3); true when there is none."""
        if self._method == "HEAD" or head.status in NO_BODY or (not head.chunked and head.length == 0):
            return True
        if head.chunked:
            self._phase = _Phase.SIZE
        elif head.length is None:
            self._phase = _Phase.CLOSE
        else:
            self._phase, self._left = _Phase.LENGTH, head.length
        return False

    def _by_length(self, head: _Head) -> OutboundReply | None:
        self._take(min(self._left, len(self._data) - self._at))
        if self._left == 0:
            return self._done(head, complete=True)
        return self._done(head) if len(self._body) > self._ceiling else None

    def _by_chunks(self, head: _Head) -> OutboundReply | None:
        while True:
            if self._phase is _Phase.CHUNK:
                self._take(min(self._left, len(self._data) - self._at))
                if len(self._body) > self._ceiling:
                    return self._done(head)
                if self._left:
                    return None
                self._phase = _Phase.CHUNK_END
            line = self._line()
            if line is None:
                return None
            if self._phase is _Phase.SIZE:
                size = _SIZE.fullmatch(line)
                if size is None:
                    raise MalformedReply("a chunk has no size")
                self._left = int(size[1], 16)
                self._phase = _Phase.CHUNK if self._left else _Phase.TRAILERS
            elif self._phase is _Phase.CHUNK_END:
                if line:
                    raise MalformedReply("a chunk is longer than its size")
                self._phase = _Phase.SIZE
            elif not line:
                return self._done(head, complete=True)
            else:  # a trailer, which nobody asked for
                self._left += len(line)
                if self._left > MAX_HEAD:
                    raise MalformedReply("its trailers are too long")

    def _line(self) -> bytes | None:
        end = self._data.find(b"\n", self._at, self._at + MAX_LINE)
        if end < 0:
            if len(self._data) - self._at >= MAX_LINE:
                raise MalformedReply("a line between chunks is too long")
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    def _take(self, count: int) -> None:
        self._body += self._data[self._at : self._at + count]
        self._at += count
        self._left -= count

    def _done(self, head: _Head, *, complete: bool = False) -> OutboundReply:
        truncated = len(self._body) > self._ceiling
        self.keep = complete and head.keep and self._at == len(self._data)
        return OutboundReply(head.status, head.headers, bytes(self._body[: self._ceiling]), truncated)


@lru_cache(maxsize=256)
def read_whole(data: bytes, ceiling: int) -> OutboundReply | None:
    """Return the answer to anything but HEAD that `data` is from beginning to end.

    None when it is not, or when the connection cannot carry another request afterwards: then a parser of its
    own tells more.
    """
    parser = ReplyParser("", ceiling)
    try:
        reply = parser.feed(data)
    except MalformedReply:
        return None
    return reply if parser.keep else None


_NO_HEAD: Final = _Head(0, {}, None, chunked=False, keep=False)


@lru_cache(maxsize=256)
def _read_head(raw: bytes) -> _Head:
    """Read a head without the empty line at its end. A server says the same again and again."""
    first, *lines = _LINE.split(raw)
    status = _STATUS.fullmatch(first)
    if status is None:
        raise MalformedReply("its first line is no status")
    headers = CIMultiDictProxy(CIMultiDict(_fields(lines)))
    coded = ",".join(headers.getall("Transfer-Encoding", ())).lower()
    connection = ",".join(headers.getall("Connection", ())).lower()
    if coded and coded.strip() != "chunked":
        raise MalformedReply("its body is coded in a way that was not asked for")
    lengths = {length.strip() for length in ",".join(headers.getall("Content-Length", ())).split(",")} - {""}
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise MalformedReply("its length is no number")
    persistent = "close" not in connection if status[1] == b"1" else "keep-alive" in connection
    return _Head(
        int(status[2]),
        headers,
        int(lengths.pop()) if lengths and not coded else None,
        chunked=bool(coded),
        # A body framed twice may be read differently by somebody in between (RFC 9112 §6.1).
        keep=persistent and not (coded and lengths),
    )


def _fields(lines: Sequence[bytes]) -> list[tuple[str, str]]:
    if len(lines) > MAX_FIELDS:
        raise MalformedReply("it has too many fields")
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and found:  # folded (RFC 9112 §5.2)
            name, value = found[-1]
            found[-1] = name, f"{value} {_text(line)}".strip()
            continue
        field, colon, rest = line.partition(b":")
        if not colon or not _NAME.fullmatch(field):
            raise MalformedReply("a field has no name")
        found.append((field.decode("ascii"), _text(rest)))
    return found


def _text(value: bytes) -> str:
    return value.strip(b" \t").decode("utf-8", "surrogateescape")
