"""Addresses in From, To, Contact, Route and their like: a name, a URI, parameters (RFC 3261 §20.10). Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from sip.wire.errors import Malformed
from sip.wire.uri import Uri, parse_uri

_QUOTED: Final = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*<', re.DOTALL)
_PLAIN_NAME: Final = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~ \t]*$")  # tokens (RFC 3261 §25.1)
_PART: Final = re.compile(r'((?:[^;"]|"(?:[^"\\]|\\.)*")+)')
_TOKEN: Final = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~]+$")


@dataclass(frozen=True, slots=True)
class Address:
    """A name-addr or addr-spec."""

    uri: Uri
    name: str = ""
    parameters: dict[str, str | None] = field(default_factory=dict)
    """Of the field, not of the URI; names in lower case."""

    @property
    def tag(self) -> str:
        """The tag; empty when there is none."""
        return self.parameters.get("tag") or ""

    def __str__(self) -> str:
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{quoted}" ' if self.name else ""
        return f"{name}<{self.uri}>{write_parameters(self.parameters)}"


def parse_address(text: str) -> Address:
    """Return an address. Raises Malformed, or UriTooLong."""
    quoted = _QUOTED.match(text)
    if quoted:
        name = re.sub(r"\\(.)", r"\1", quoted[1])
        rest = text[quoted.end() :]
    elif "<" in text:
        plain, _, rest = text.partition("<")
        name = plain.strip()
        if not _PLAIN_NAME.match(name):
            raise Malformed("a name that wants quotes")
    else:
        # Without brackets every parameter is the field's, and a URI must have no comma or question mark.
        spec, semicolon, parameters = text.strip().partition(";")
        if "," in spec or "?" in spec:
            raise Malformed("a URI that wants angle brackets")
        return Address(parse_uri(spec.strip()), "", read_parameters(semicolon + parameters))
    spec, bracket, parameters = rest.partition(">")
    if not bracket:
        raise Malformed("an angle bracket that is not closed")
    return Address(parse_uri(spec), name, read_parameters(parameters))


def read_parameters(text: str) -> dict[str, str | None]:
    """Return what stands behind semicolons; values in quotes without them. Raises Malformed."""
    text = text.strip()
    if not text:
        return {}
    if not text.startswith(";"):
        raise Malformed(f"no parameter: {text[:40]!r}")
    found: dict[str, str | None] = {}
    for part in _PART.findall(text):
        name, equals, value = part.strip().partition("=")
        name, value = name.strip().lower(), value.strip()
        if not _TOKEN.match(name):
            raise Malformed(f"no parameter: {part[:40]!r}")
        if name in found:
            raise Malformed(f"the parameter {name[:40]} twice")
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elif equals and not value:
            raise Malformed(f"the parameter {name[:40]} without a value")
        found[name] = value if equals else None
    return found


def write_parameters(parameters: dict[str, str | None]) -> str:
    """Return parameters as they stand in a field, each behind a semicolon."""
    return "".join(
        f";{name}" if value is None else f";{name}={_written(value)}" for name, value in parameters.items()
    )


def _written(value: str) -> str:
    if _TOKEN.match(value) or re.match(r"^[A-Za-z0-9.:\[\]\-]+$", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
