"""SIP messages: octets to requests and responses and back (RFC 3261 §7, §25). Pure.

`parse` is strict where a lenient reading would let two readers disagree: control characters, several
Content-Lengths, a CSeq that is not the request's. Ceilings are R6's.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from sip.wire.address import Address, parse_address
from sip.wire.errors import Malformed, TooLarge, UriTooLong, VersionNotSupported
from sip.wire.headers import Headers, full_name
from sip.wire.uri import MAX_URI, Uri, parse_uri
from sip.wire.via import Via, parse_via

MAX_MESSAGE: Final = 16 * 1024
"""Octets of a message: STIR's Identity and multipart bodies fit (R6)."""
MAX_HEADERS: Final = 100
MAX_NAME: Final = 128
"""Octets of a header's name; RFC 4475's valid long request has one of 93."""

MAX_HOPS: Final = 255
"""Of Max-Forwards (RFC 3261 §20.22)."""

VERSION: Final = "SIP/2.0"

_TOKEN: Final = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~]+$")
_CONTROL: Final = re.compile(r"(?<!\\)[\x00-\x08\x0b-\x1f\x7f]")
"""Control characters; behind a backslash they are a quoted pair (RFC 3261 §25.1)."""
_END: Final = re.compile(rb"\r?\n\r?\n")
_CSEQ: Final = re.compile(r"^(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)$")
_STATUS: Final = re.compile(r"^SIP/2\.0 ([1-6]\d\d) (.*)$", re.IGNORECASE)
_ONCE: Final = ("Call-ID", "CSeq", "From", "To", "Max-Forwards", "Content-Length", "Content-Type")
_MANDATORY: Final = ("Via", "From", "To", "Call-ID", "CSeq")
_HOPS: Final = re.compile(r"^[0-9]{1,10}$")
_MAX_CSEQ: Final = 2**31
_BODY_ROOM: Final = 65536


@dataclass(slots=True)
class _Message:
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def call_id(self) -> str:
        """Call-ID; empty when there is none."""
        return self.headers.get("Call-ID") or ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq. Raises Malformed."""
        found = _CSEQ.match(self.headers.get("CSeq") or "")
        if not found or int(found[1]) >= _MAX_CSEQ:
            raise Malformed("CSeq: expected a number below 2^31 and a method")
        return int(found[1]), found[2]

    @property
    def from_(self) -> Address:
        """Who it is from. Raises Malformed."""
        return self._address("From")

    @property
    def to(self) -> Address:
        """Whom it is to. Raises Malformed."""
        return self._address("To")

    @property
    def contact(self) -> Address | None:
        """The first Contact; None when there is none. Raises Malformed."""
        found = self.headers.all("Contact")
        return parse_address(found[0]) if found else None

    @property
    def vias(self) -> list[Via]:
        """Every Via, the newest first. Raises Malformed."""
        return [parse_via(each) for each in self.headers.all("Via")]

    def _address(self, name: str) -> Address:
        value = self.headers.get(name)
        if value is None:
            raise Malformed(f"{name}: missing")
        return parse_address(value)

    def _lines(self, first: str) -> bytes:
        headers = self.headers.copy()
        headers.set("Content-Length", str(len(self.body)))
        lines = [first, *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode(errors="surrogateescape") + self.body


@dataclass(slots=True)
class Request(_Message):
    """A request."""

    method: str = "OPTIONS"
    uri: str = "sip:localhost"
    """The Request-URI as it stands; `target` reads it."""

    @property
    def target(self) -> Uri:
        """The Request-URI. Raises Malformed, or UriTooLong."""
        return parse_uri(self.uri, MAX_URI)

    def octets(self) -> bytes:
        """Return it as it goes on the wire, Content-Length made right."""
        return self._lines(f"{self.method} {self.uri} {VERSION}")

    def answer(self, status: int, reason: str, *, tag: str = "") -> "Response":
        """Return a response with the fields that a response takes from its request (RFC 3261 §8.2.6.2)."""
        response = Response(status=status, reason=reason)
        for name, value in self.headers:
            if name.lower() in {"via", "from", "call-id", "cseq", "to"}:
                response.headers.add(name, value)
        if tag and status > 100 and not self.to.tag:
            response.headers.set("To", f"{self.headers.get('To')};tag={tag}")
        for name, value in self.headers:
            if name.lower() == "record-route" and status < 300:
                response.headers.add(name, value)
        return response


@dataclass(slots=True)
class Response(_Message):
    """A response."""

    status: int = 200
    reason: str = "OK"

    def octets(self) -> bytes:
        """Return it as it goes on the wire, Content-Length made right."""
        return self._lines(f"{VERSION} {self.status} {self.reason}")


Message = Request | Response


def parse(octets: bytes) -> Message:
    """Return the message in a datagram, or in what `framing` cut out of a stream.

    What stands behind the body that Content-Length names is left out (RFC 3261 §18.3). Raises Malformed or
    one of its kinds; nothing else.
    """
    octets = octets.lstrip(b"\r\n")
    if len(octets) > MAX_MESSAGE:
        raise TooLarge(f"a message of more than {MAX_MESSAGE} octets")
    end = _END.search(octets)
    if end is None:
        raise Malformed("no empty line behind the headers")
    lines = _unfolded(octets[: end.start()])
    message = _first_line(lines[0])
    message.headers = Headers(_field(line) for line in lines[1:])
    _check(message)
    message.body = _body(message.headers, octets[end.end() :])
    return message


def _unfolded(head: bytes) -> list[str]:
    """Return the lines, those that go on behind white space joined (RFC 3261 §7.3.1)."""
    lines: list[str] = []
    # Latin-1 octets in old messages survive as surrogates and are written as they came.
    for line in head.decode(errors="surrogateescape").split("\n"):
        bare = line.removesuffix("\r")
        if _CONTROL.search(bare):
            raise Malformed("a control character in the headers")
        if bare[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] += " " + bare.strip()
        else:
            lines.append(bare)
    if len(lines) > MAX_HEADERS + 1:
        raise TooLarge(f"more than {MAX_HEADERS} headers")
    return lines


def _first_line(line: str) -> Message:
    if line[:8].upper().startswith("SIP/2.0 "):
        found = _STATUS.match(line)
        if not found:
            raise Malformed("no status line")
        return Response(status=int(found[1]), reason=found[2])
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.match(words[0]):
        raise Malformed("no request line: expected a method, a URI and the version, a space between each")
    method, uri, version = words
    if not re.match(r"^SIP/\d+\.\d+$", version, re.IGNORECASE):
        raise Malformed("no request line: no version at its end")
    if version.upper() != VERSION:
        raise VersionNotSupported(f"{version[:20]}: expected {VERSION}")
    if len(uri.encode(errors="surrogateescape")) > MAX_URI:
        raise UriTooLong(f"a Request-URI of more than {MAX_URI} octets")
    if uri.startswith("<") or not re.match(r"^[A-Za-z][A-Za-z0-9+.\-]*:.", uri):
        raise Malformed("no Request-URI")
    return Request(method=method, uri=uri)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or not _TOKEN.match(name):
        raise Malformed(f"no header: {line[:40]!r}")
    if len(name) > MAX_NAME:
        raise TooLarge(f"a header's name of more than {MAX_NAME} octets")
    return full_name(name), value.strip()


def _check(message: Message) -> None:
    for name in _MANDATORY:
        if name not in message.headers:
            raise Malformed(f"{name}: missing")
    for name in _ONCE:
        if len(message.headers.all(name)) > 1:
            raise Malformed(f"{name}: more than once")
    _, method = message.cseq
    if isinstance(message, Request) and method != message.method:
        raise Malformed("CSeq: another method than the request's")
    for name in ("From", "To"):
        parse_address_of_any_scheme(message.headers.get(name) or "")
    if not message.vias:
        raise Malformed("Via: empty")
    hops = message.headers.get("Max-Forwards")
    if hops is not None and not (_HOPS.match(hops) and int(hops) <= MAX_HOPS):
        raise Malformed(f"Max-Forwards: expected 0 to {MAX_HOPS}")


def parse_address_of_any_scheme(text: str) -> Address | None:
    """Return an address; None for one whose URI is of a scheme that is not read here. Raises Malformed."""
    spec = text.partition("<")[2].partition(">")[0] or text.partition(";")[0]
    scheme = spec.strip().partition(":")[0].lower()
    if scheme in {"sip", "sips", "tel"} or not re.match(r"^[a-z][a-z0-9+.\-]*$", scheme):
        return parse_address(text)
    return None


def _body(headers: Headers, rest: bytes) -> bytes:
    written = headers.get("Content-Length")
    if written is None:
        return rest
    if not written.isascii() or not written.isdigit():
        raise Malformed("Content-Length: expected a number")
    length = int(written[:10])
    if len(written) > 10 or length > _BODY_ROOM:
        raise TooLarge("Content-Length: beyond what is taken")
    if length > len(rest):
        raise Malformed("Content-Length: more than there is")
    return rest[:length]
