"""A SIP trunk to a carrier as data: how it is reached, who may come from there, what it wants."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from carriers.model.limits import Channels
from carriers.model.networks import Networks
from carriers.model.smpp import PerSecond, Port
from telephony.kernel.secret import Secret

MAX_SIP_TEXT = 128
"""Characters of a user name, realm or header value: what real ones stay far below."""

SipText = Annotated[str, Meta(max_length=MAX_SIP_TEXT, pattern=r'^[^\x00-\x1f\x7f"]*$')]
"""Without quotation marks and control characters: they would end the header that it stands in."""

Weight = Annotated[int, Meta(ge=0, le=65_535)]
"""As of DNS SRV (RFC 2782)."""

Transport = Literal["udp", "tcp", "tls"]
Srtp = Literal["off", "optional", "required"]
Dtmf = Literal["rfc4733", "inband", "info"]

RetryCode = Annotated[str, Meta(pattern=r"^(no-response|transport|[3-6][0-9]{2})$")]
"""`no-response`: nothing within 4 s, not even 100; `transport`: the connection failed; or a SIP status."""

USUAL_RETRIES: tuple[str, ...] = ("no-response", "transport", "408", "500", "502", "503", "504", "488")
"""After which the next trunk is tried, if nothing rang before."""

NEVER_RETRIED = frozenset({"486", "600", "603", "604", "607", "608", "401", "407", "487"})
"""The called party decided, the caller hung up, or it is a challenge: another trunk changes nothing."""

LEAST_OPTIONS, MOST_OPTIONS = 10, 60


class SipDigest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """User name and password by digest (RFC 3261 §22, RFC 8760)."""

    username: Annotated[str, Meta(max_length=MAX_SIP_TEXT, pattern=r'^[^\x00-\x1f\x7f"]+$')]
    """Who is proven."""
    password: Secret
    """Its password."""
    realm: SipText = ""
    """The realm that is answered or asked for. Empty: towards the carrier whichever it names, from it our
    host."""

    def __post_init__(self) -> None:
        if not self.password:
            raise ValueError("password: expected one, or file:PATH, or env:NAME")


class SipRegister(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """We register there, and calls come to where we registered from (RFC 3261 §10)."""

    aor: Annotated[str, Meta(max_length=MAX_SIP_TEXT, pattern=r'^sips?:[^@\s"<>]+@[^@\s"<>]+$')]
    """The address of record: `sip:user@carrier.example`."""
    registrar: SipText = ""
    """Name or address of the registrar, with `:port` when it is not 5060. Empty: the trunk's `host`."""
    expires_seconds: Annotated[int, Meta(ge=60, le=86_400)] = 600
    """How long a registration is asked to hold; it is refreshed at half of what was granted."""


class SipTls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS of a trunk, 1.2 at least. The carrier's certificate is always verified, by name."""

    ca: Path | None = None
    """PEM file of the authorities that may have signed the carrier's certificate. Empty: the system's."""
    certificate: Path | None = None
    """PEM file of our own certificate with its chain, for carriers that ask for one."""
    key: Path | None = None
    """PEM file of its private key."""
    server_name: SipText = ""
    """Name that the carrier's certificate must bear, both ways. Empty: the trunk's `host`."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: expected both or neither")


class SipHeaders(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What headers say who calls, who was called first, and what may be shown."""

    caller: Literal["from", "pai", "ppi"] = "pai"
    """Where our number stands: `from` alone, or besides in P-Asserted-Identity or P-Preferred-Identity
    (RFC 3325). What comes in is read there first, then in From."""
    diversion: Literal["none", "diversion", "history-info"] = "diversion"
    """How a call that we pass on names the number it came for: RFC 5806 or RFC 7044."""
    privacy: Literal["header", "anonymous-from", "both"] = "both"
    """How a caller who hides is hidden: `Privacy: id` (RFC 3323), From without a number, or both."""


class SipTrunk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One SIP trunk to a carrier."""

    host: Annotated[str, Meta(max_length=255, pattern=r'^[^\s/@"<>;]+$')]
    """Name or address that calls are sent to. A name is looked up by NAPTR and SRV when `port` is unset."""
    port: Port | None = None
    """Port there. Unset: by DNS, else 5060, with TLS 5061."""
    transport: Transport = "udp"
    """udp, tcp or tls."""
    addresses: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    """Addresses and networks that calls may come from. Empty: none, calls from there are refused."""
    digest: SipDigest | None = None
    """Who we are there, when the carrier challenges us. Unset: it knows us by our address."""
    challenge: SipDigest | None = None
    """Who the carrier has to prove to be on top of its address. Unset: its address is enough."""
    register: SipRegister | None = None
    """Set when we register with the carrier."""
    tls: SipTls | None = None
    """Certificates and names; only with `transport = "tls"`. Unset: the system's authorities, `host`."""
    srtp: Srtp = "off"
    """Encrypted media (RFC 3711, keys in SDP, RFC 4568): `required` fails a call without, `optional` goes
    on."""
    dtmf: Dtmf = "rfc4733"
    """How digits pressed in a call travel: as events in RTP, as tones, or in INFO."""
    options_seconds: Annotated[int, Meta(ge=0, le=MOST_OPTIONS)] = 30
    """Seconds between the OPTIONS that ask whether it is alive, 10 to 60; 0: none are sent, the results of
    calls tell."""
    retry_on: Annotated[tuple[RetryCode, ...], Meta(max_length=100)] = USUAL_RETRIES
    """What lets the next trunk be tried as long as nothing rang: `no-response`, `transport`, and statuses.
    What the called party decided (486, 603 …) and challenges cannot stand here."""
    priority: Weight = 0
    """The trunks of the lowest number are tried first."""
    weight: Weight = 100
    """Share among trunks of one priority."""
    channels: Channels | None = None
    """Calls at once, both ways. Unset: the carrier's limit alone."""
    calls_per_second: PerSecond | None = None
    """New calls a second, both ways. Unset: the carrier's limit alone."""
    emergency: bool = False
    """Whether emergency calls may go by it: only where the carrier has our address on file."""
    headers: SipHeaders = SipHeaders()
    """What headers say."""

    def __post_init__(self) -> None:
        try:
            Networks(self.addresses)
        except ValueError as error:
            raise ValueError(f"addresses: {error}") from None
        for status in self.retry_on:
            if status in NEVER_RETRIED:
                raise ValueError(f"retry_on: after {status} no other trunk may be tried; take it out")
        if self.options_seconds and self.options_seconds < LEAST_OPTIONS:
            raise ValueError(f"options_seconds: expected 0, or {LEAST_OPTIONS} to {MOST_OPTIONS}")
        if self.tls is not None and self.transport != "tls":
            raise ValueError('tls: only with transport = "tls"')
        if self.srtp == "required" and self.transport != "tls":
            raise ValueError('srtp: "required" needs transport = "tls": the keys stand in the signalling')
        if self.register is not None and self.digest is None:
            raise ValueError("register: needs digest, because registrars ask who we are")
