"""Where a URL that somebody gave us may lead: decided without a socket.

Denied by default. An address is connected to when it is a public unicast address and the port is one of the
usual ones, or when the operator's settings name its network. The tables are IANA's special-purpose registries
(RFC 6890 and its updates), written out: `ipaddress.is_global` passes multicast, 192.0.0.9 and NAT64
(RFC 6052), and differs between Python's patch releases.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct
from yarl import URL

from telephony.kernel.errors import ConfigurationError, InvalidRequest

Address = IPv4Address | IPv6Address

MAX_URL: Final = 2048
"""Characters of a URL: what every server and proxy takes (RFC 9110 §4.1 asks for 8000)."""

MAX_HOST: Final = 253
"""Characters of a name (RFC 1035 §2.3.4, without the length octets)."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_FORBIDDEN_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared, carrier-grade NAT (RFC 6598); one cloud's metadata
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # looks public, is the host below a machine at Azure
        "169.254.0.0/16",  # link-local (RFC 3927); the clouds' metadata
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890); one cloud's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 sink (RFC 7535)
        "192.52.193.0/24",  # AMT relays (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 sink (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast (RFC 1112 §4, RFC 919)
    )
)

_PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All that IANA gives out as global unicast; whatever lies outside (mapped, compatible, unique local,
link-local, site-local, multicast, discard, SRv6) is refused without a table."""

_FORBIDDEN_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: an IPv4 address in disguise (RFC 3056)
        "2620:4f:8000::/48",  # AS112 sink (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""An IPv4 address as an IPv6-only node with DNS64 sees it (RFC 6052): as good as the address inside."""

_SPACE_OR_CONTROL: Final = re.compile(r"[\x00-\x20\x7f\\]")
_NAME: Final = re.compile(
    r"(?=.{1,253}\.?\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


class DestinationRefused(InvalidRequest):
    """The URL leads where nothing may be sent. The text never says what a name resolved to."""

    default_code = "DestinationRefused"
    metric = "destination_refused"


class OutboundSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be reached by URLs that callers give (webhooks, prompts, callbacks)."""

    allow: tuple[str, ...] = ()
    """Networks of one's own that may be reached beside public addresses: `10.1.0.0/16`, `127.0.0.1:8080`,
    `[fd00::/8]:443`; without a port, every port of it. Empty: none."""
    ports: tuple[Annotated[int, Meta(ge=1, le=65535)], ...] = (80, 443, 8080, 8443)
    """Ports of public addresses that may be reached."""
    connect_seconds: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """How long the look-up, the connection and TLS may take together."""
    total_seconds: Annotated[float, Meta(gt=0, le=300)] = 30.0
    """How long a whole request may take, unless it says otherwise; 30 s is Event Grid's."""
    reply_bytes: Annotated[int, Meta(ge=0, le=16 << 20)] = 64 * 1024
    """Bytes of an answer's body that are read; the rest is not."""
    keepalive_seconds: Annotated[float, Meta(gt=0, le=600)] = 15.0
    """How long an unused connection is kept."""


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """A network that the operator named; `port` None stands for every port."""

    network: IPv4Network | IPv6Network
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "AllowedNetwork":
        """Read one entry of `OutboundSettings.allow`. Raises ConfigurationError."""
        network, port = text, None
        bracketed = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?", text)
        if bracketed:
            network, port = bracketed.groups()
        elif text.count(":") == 1:
            network, port = text.split(":")
        try:
            number = None if port is None else int(port)
            if number is not None and not 1 <= number <= 65535:
                raise ValueError(port)
            return cls(ipaddress.ip_network(network), number)
        except ValueError:
            raise ConfigurationError(
                f"outbound.allow: {text!r} is no network; write 10.1.0.0/16, 127.0.0.1:80 or [fd00::/8]:443.",
                target="outbound.allow",
            ) from None


class AddressPolicy:
    """Which addresses and ports may be connected to."""

    def __init__(self, settings: OutboundSettings) -> None:
        """Raises ConfigurationError when `settings.allow` cannot be read."""
        self._allowed = tuple(AllowedNetwork.parse(text) for text in settings.allow)
        self._ports = frozenset(settings.ports)

    def permits(self, address: str, port: int) -> bool:
        """Tell whether to connect to a numeric address; anything that is not one is refused, zone ids too."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
            return False
        for allowed in self._allowed:
            if (
                allowed.port in (None, port)
                and parsed.version == allowed.network.version
                and parsed in allowed.network
            ):
                return True
        return port in self._ports and is_public(parsed)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public Internet that a single host answers."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _PUBLIC_V6 and not any(address in network for network in _FORBIDDEN_V6)


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL taken apart, and put together again from what was checked."""

    scheme: str
    host: str
    """A name in ASCII, or a numeric address in its one usual spelling, without brackets."""
    port: int
    literal: bool
    """Whether `host` is a numeric address."""
    path: str
    """As given, with whatever is not ASCII percent-encoded."""
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown; paths and queries of webhooks hold their tokens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" if usual else f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL to use: made of nothing but what was checked, path and query as given, no fragment."""
        return f"{self.origin}{self.path}?{self.query}" if self.query else f"{self.origin}{self.path}"


@lru_cache(maxsize=4096)
def parse_destination(url: str) -> Destination:
    """Take `url` apart. Raises DestinationRefused when it is not a plain http or https URL.

    No userinfo, no white space or backslash (parsers disagree about them), names by IDNA, IPv4 addresses in
    every spelling that a system's resolver takes: octal, decimal, hexadecimal, short.
    """
    if len(url) > MAX_URL or _SPACE_OR_CONTROL.search(url):
        raise DestinationRefused("The URL is too long or has characters that a URL cannot have.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise DestinationRefused("The URL cannot be read.") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise DestinationRefused("The URL must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise DestinationRefused("The URL must not hold a user name or password.")
    if port == 0 or not host:
        raise DestinationRefused("The URL has no host, or port 0.")
    bracketed = parts.netloc.startswith("[")
    name, literal = _host_in_brackets(host) if bracketed else _host(host)
    return Destination(
        parts.scheme,
        name,
        DEFAULT_PORTS[parts.scheme] if port is None else port,
        literal,
        quote(parts.path or "/", safe=_ALL_OF_ASCII),
        quote(parts.query, safe=_ALL_OF_ASCII),
    )


_ALL_OF_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


def _host_in_brackets(host: str) -> tuple[str, bool]:
    try:
        address = IPv6Address(host)
    except ValueError:
        raise DestinationRefused("The URL's host is no IPv6 address.") from None
    if address.scope_id is not None:
        raise DestinationRefused("The URL's host must not have a zone.")
    return address.compressed, True


def _host(host: str) -> tuple[str, bool]:
    if not host.isascii():
        try:
            host = (URL.build(scheme="http", host=host).raw_host or "").lower()
        except ValueError:
            raise DestinationRefused("The URL's host is no name.") from None
    if len(host.rstrip(".")) > MAX_HOST or not _NAME.fullmatch(host):
        raise DestinationRefused("The URL's host is no name.")
    last = host.removesuffix(".").rpartition(".")[2]
    if not _NUMBER.fullmatch(last):
        return host, False
    return str(_any_ipv4(host)), True


def _any_ipv4(host: str) -> IPv4Address:
    """Read an IPv4 address as inet_aton(3) does: `0177.1`, `0x7f000001`, `2130706433`."""
    parts = host.removesuffix(".").split(".")
    try:
        if len(parts) > 4:
            raise ValueError(host)
        numbers = [_number(part) for part in parts]
        *leading, last = numbers
        if any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
            raise ValueError(host)
    except ValueError:
        raise DestinationRefused("The URL's host is no IPv4 address.") from None
    value = last
    for index, number in enumerate(leading):
        value += number << (8 * (3 - index))
    return IPv4Address(value)


def _number(part: str) -> int:
    if not _NUMBER.fullmatch(part):
        raise ValueError(part)
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)
