"""SIP and tel URIs (RFC 3261 §19.1, RFC 3966). Pure."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from sip.wire.errors import Malformed, UriTooLong

MAX_URI: Final = 256
"""Octets of a Request-URI (R6)."""
MAX_ADDRESS: Final = 2048
"""Octets of a URI elsewhere: RFC 4475's valid long request has one of many parameters."""

_HOST: Final = re.compile(r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])$")
_TOKEN: Final = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~\[\]/:&$]+$")
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_SAFE: Final = "-_.!~*'()&=+$,;?/"
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI; `user` is unescaped, parameter names are in lower case."""

    scheme: str
    user: str = ""
    host: str = ""
    port: int | None = None
    parameters: dict[str, str | None] = field(default_factory=dict)
    headers: str = ""
    """What stands behind the question mark, as it is."""
    password: str | None = None

    def __str__(self) -> str:
        user = quote(self.user, safe=_USER_SAFE)
        parameters = "".join(
            f";{name}" if value is None else f";{name}={value}" for name, value in self.parameters.items()
        )
        if self.scheme == "tel":
            return f"tel:{user}{parameters}"
        secret = "" if self.password is None else f":{self.password}"
        at = "@" if self.user or self.password is not None else ""
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{secret}{at}{self.host}{port}{parameters}{headers}"


def parse_uri(text: str, most: int = MAX_ADDRESS) -> Uri:
    """Return a URI of the schemes sip, sips and tel.

    Raises UriTooLong beyond `most` octets, Malformed for what is none.
    """
    if len(text.encode(errors="surrogateescape")) > most:
        raise UriTooLong(f"a URI of more than {most} octets")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in {"sip", "sips", "tel"}:
        raise Malformed(f"no sip, sips or tel URI: {text[:40]!r}")
    if any(letter.isspace() or ord(letter) < 0x20 or letter in '<>"' for letter in rest):
        raise Malformed("white space, quotes or brackets in a URI")
    if _ESCAPE.search(rest):
        raise Malformed("a percent sign without two hexadecimal digits in a URI")
    if scheme == "tel":
        number, _, parameters = rest.partition(";")
        if not number:
            raise Malformed("a tel URI without a number")
        return Uri("tel", unquote(number), parameters=_parameters(parameters))
    userinfo, at, place = rest.rpartition("@")
    # Headers may hold an @ only escaped (RFC 3261 §19.1.1), so the last one ends the user's part.
    user, secret, password = userinfo.partition(":")
    if at and not user:
        raise Malformed("a URI with an empty user")
    place, _, headers = place.partition("?")
    host, _, parameters = place.partition(";")
    host, port = _host_and_port(host)
    return Uri(
        scheme, unquote(user), host, port, _parameters(parameters), headers, password if secret else None
    )


def _host_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise Malformed("characters behind an address in brackets")
        port = rest[1:] if rest else None
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
    if not _HOST.match(host):
        raise Malformed(f"no host: {host[:40]!r}")
    if port is None:
        return host, None
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) <= _MAX_PORT:
        raise Malformed(f"no port: {port[:10]!r}")
    return host, int(port)


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in text.split(";") if text else ():
        name, equals, value = part.partition("=")
        if not _TOKEN.match(name) or (equals and not _TOKEN.match(value)):
            raise Malformed(f"no URI parameter: {part[:40]!r}")
        if name.lower() in found:
            raise Malformed(f"the URI parameter {name[:40]} twice")
        found[name.lower()] = value if equals else None
    return found
