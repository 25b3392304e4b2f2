"""SDP: what an offer or an answer says about audio (RFC 8866, RFC 3264). Pure.

Lines that are not read here are kept as they are, in their place, so that what is read and written again says
the same. `v=` must come first; the order of the other session lines is taken as it comes.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from sip.wire.errors import Malformed, TooLarge

MAX_SDP: Final = 8 * 1024
"""Octets: half of a message."""
MAX_LINES: Final = 400
MAX_MEDIA: Final = 16

_LINE: Final = re.compile(r"^([a-z])=(.*)$", re.DOTALL)
_ORIGIN: Final = re.compile(r"^\S+ \d{1,20} \d{1,20} IN IP[46] \S+$")
_MEDIA: Final = re.compile(r"^([A-Za-z0-9\-]+) (\d{1,5})(?:/(\d{1,5}))? ([A-Za-z0-9/]+)((?: [^\s]+)*)$")
_RTPMAP: Final = re.compile(r"^(\d{1,3}) ([A-Za-z0-9.\-_]+)/(\d{1,6})(?:/(\d{1,2}))?$")

STATIC: Final = {
    0: ("PCMU", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
}
"""Payload types that need no rtpmap (RFC 3551 §6), as far as telephones use them."""

DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A payload type."""

    payload_type: int
    name: str
    """In upper case: `PCMU`, `TELEPHONE-EVENT`."""
    rate: int
    channels: int = 1
    fmtp: str = ""


@dataclass(frozen=True, slots=True)
class Crypto:
    """A line of SDES keys (RFC 4568 §4)."""

    tag: int
    suite: str
    key: str
    """Master key and salt in base64, without `inline:` and what stands behind the bar."""


@dataclass(slots=True)
class MediaSection:
    """An `m=` line and what belongs to it."""

    kind: str = "audio"
    port: int = 0
    protocol: str = "RTP/AVP"
    formats: list[str] = field(default_factory=list)
    connection: str | None = None
    """Address of its own `c=`; None: the session's."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """All its other lines, in order."""

    def attribute(self, name: str) -> str | None:
        """Return an attribute's value, `""` for one without; None when it is not there."""
        return next(iter(self.attributes(name)), None)

    def attributes(self, name: str) -> list[str]:
        """Return the values of an attribute that may stand several times."""
        found = []
        for letter, value in self.lines:
            each, colon, rest = value.partition(":")
            if letter == "a" and each == name:
                found.append(rest if colon else "")
        return found

    def drop(self, *names: str) -> None:
        """Take attributes away."""
        self.lines = [
            (letter, value)
            for letter, value in self.lines
            if letter != "a" or value.partition(":")[0] not in names
        ]

    @property
    def encodings(self) -> list[Encoding]:
        """The formats that are known by number or by rtpmap, in their order."""
        mapped = {}
        for value in self.attributes("rtpmap"):
            found = _RTPMAP.match(value.strip())
            if found:
                mapped[found[1]] = (found[2].upper(), int(found[3]), int(found[4] or 1))
        parameters = dict(_split(value) for value in self.attributes("fmtp"))
        encodings = []
        for number in self.formats:
            if not number.isascii() or not number.isdigit() or int(number) > 127:
                continue
            if number in mapped:
                name, rate, channels = mapped[number]
            elif int(number) in STATIC:
                name, rate = STATIC[int(number)]
                channels = 1
            else:
                continue
            encodings.append(Encoding(int(number), name, rate, channels, parameters.get(number, "")))
        return encodings

    @property
    def cryptos(self) -> list[Crypto]:
        """SDES keys, in order; those that cannot be read are left out."""
        found = []
        for value in self.attributes("crypto"):
            parts = value.split()
            if len(parts) >= 3 and parts[0].isdigit() and parts[2].startswith("inline:"):
                found.append(Crypto(int(parts[0]), parts[1], parts[2][7:].partition("|")[0]))
        return found


def _split(value: str) -> tuple[str, str]:
    number, _, rest = value.strip().partition(" ")
    return number, rest.strip()


@dataclass(slots=True)
class Sdp:
    """A session description."""

    origin: str = "- 0 0 IN IP4 127.0.0.1"
    connection: str | None = None
    """Address of the session's `c=`."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Lines of the session but v, o and c, in order."""
    media: list[MediaSection] = field(default_factory=list)

    @property
    def audio(self) -> MediaSection | None:
        """The first audio section that is not refused; None when there is none."""
        return next((each for each in self.media if each.kind == "audio" and each.port), None)

    def address(self, media: MediaSection) -> str | None:
        """Return where a section's media go."""
        return media.connection or self.connection

    def direction(self, media: MediaSection) -> str:
        """Return a section's direction; the address 0.0.0.0 holds as RFC 2543 did."""
        if self.address(media) == "0.0.0.0":  # noqa: S104 - compared, not bound
            return "inactive" if media.attribute("inactive") is not None else "sendonly"
        for name in DIRECTIONS:
            if media.attribute(name) is not None:
                return name
        session = [value for letter, value in self.lines if letter == "a"]
        return next((name for name in DIRECTIONS if name in session), "sendrecv")

    def octets(self) -> bytes:
        """Return it as it goes on the wire."""
        lines = ["v=0", f"o={self.origin}"]
        early = [line for line in self.lines if line[0] in "siuep"]
        late = [line for line in self.lines if line[0] not in "siuep"]
        if not any(letter == "s" for letter, _ in early):
            early.insert(0, ("s", "-"))
        lines += [f"{letter}={value}" for letter, value in early]
        if self.connection is not None:
            lines.append(f"c={_family(self.connection)} {self.connection}")
        if not any(letter == "t" for letter, _ in late):
            lines.append("t=0 0")
        lines += [f"{letter}={value}" for letter, value in late]
        for each in self.media:
            formats = "".join(f" {one}" for one in each.formats)
            lines.append(f"m={each.kind} {each.port} {each.protocol}{formats}")
            if each.connection is not None:
                lines.append(f"c={_family(each.connection)} {each.connection}")
            lines += [f"{letter}={value}" for letter, value in each.lines]
        return ("\r\n".join(lines) + "\r\n").encode(errors="surrogateescape")


def _family(address: str) -> str:
    return "IN IP6" if ":" in address else "IN IP4"


def parse_sdp(octets: bytes) -> Sdp:
    """Return a description. Raises Malformed, or TooLarge beyond the ceilings."""
    if len(octets) > MAX_SDP:
        raise TooLarge(f"SDP of more than {MAX_SDP} octets")
    rows = [row.removesuffix("\r") for row in octets.decode(errors="surrogateescape").split("\n")]
    rows = [row for row in rows if row]
    if len(rows) > MAX_LINES:
        raise TooLarge(f"SDP of more than {MAX_LINES} lines")
    if not rows or rows[0] != "v=0":
        raise Malformed("SDP: expected v=0 first")
    sdp = Sdp(origin="")
    for row in rows[1:]:
        found = _LINE.match(row)
        if not found or "\0" in row or "\r" in row:
            raise Malformed(f"SDP: no line: {row[:40]!r}")
        _take(sdp, found[1], found[2])
    if not sdp.origin:
        raise Malformed("SDP: o= is missing")
    for each in sdp.media:
        if each.port and sdp.address(each) is None:
            raise Malformed("SDP: no c= for a medium")
    return sdp


def _take(sdp: Sdp, letter: str, value: str) -> None:
    """Put a line where it belongs: to the session, or behind the first m= to the medium above it."""
    if letter == "m":
        if len(sdp.media) == MAX_MEDIA:
            raise TooLarge(f"SDP of more than {MAX_MEDIA} media")
        sdp.media.append(_media(value))
    elif letter == "c":
        place = sdp.media[-1] if sdp.media else sdp
        place.connection = place.connection or _connection(value)
    elif sdp.media:
        sdp.media[-1].lines.append((letter, value))
    elif letter == "o":
        if not _ORIGIN.match(value):
            raise Malformed("SDP: o= wants a user, two numbers, IN, a kind of address and an address")
        sdp.origin = value
    else:
        sdp.lines.append((letter, value))


def _media(value: str) -> MediaSection:
    found = _MEDIA.match(value)
    if not found or int(found[2]) > 65535:
        raise Malformed(f"SDP: no medium: {value[:40]!r}")
    return MediaSection(found[1], int(found[2]), found[4], found[5].split())


def _connection(value: str) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in {"IP4", "IP6"}:
        raise Malformed(f"SDP: no connection: {value[:40]!r}")
    address = parts[2].partition("/")[0]
    if not re.match(r"^[A-Za-z0-9.:\-]+$", address):
        raise Malformed("SDP: no address")
    return address


def next_version(origin: str) -> str:
    """Return an `o=` with its version one higher, as every changed offer wants (RFC 3264 §8)."""
    parts = origin.split()
    parts[2] = str(int(parts[2]) + 1)
    return " ".join(parts)


def moved(sdp: Sdp, address: str, port: int) -> Sdp:
    """Return a description whose audio goes to another place: c=, o=, the port and a=rtcp."""
    origin = sdp.origin.split()
    origin[4:6] = _family(address).split()[1], address
    sections = []
    for each in sdp.media:
        lines = [
            (letter, f"rtcp:{port + 1} {_family(address)} {address}")
            if letter == "a" and value.startswith("rtcp:")
            else (letter, value)
            for letter, value in each.lines
        ]
        own = None if each.connection is None else address
        sections.append(replace(each, port=port if each.port else 0, connection=own, lines=lines))
    return Sdp(" ".join(origin), address, list(sdp.lines), sections)
