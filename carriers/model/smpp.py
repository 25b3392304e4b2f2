"""An SMPP bind to a carrier as data: how it is reached and what it wants. Units stand in the names."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from carriers.model.addressing import Octet
from carriers.model.networks import Networks
from carriers.model.tlvs import parse_tlvs
from telephony.kernel.secret import Secret

MAX_PASSWORD = 8
"""Octets of a password without its NUL (SMPP 3.4 §5.2.2)."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Window = Annotated[int, Meta(ge=1, le=1000)]
Seconds = Annotated[float, Meta(gt=0)]
ResponseSeconds = Annotated[float, Meta(gt=0, le=240)]
"""Under the five minutes after which a message whose validity ran out is ended without its answer."""
PerSecond = Annotated[float, Meta(gt=0)]

TimeForm = Literal["never", "relative", "absolute"]
"""How a time stands in submit_sm (SMPP 3.4 §7.1.1)."""

LostResponse = Literal["resend", "fail", "wait"]
"""What becomes of a message whose answer never came: the carrier may have it or not."""

IdForm = Literal["same", "hex-to-decimal", "decimal-to-hex"]
"""How a receipt's id becomes the submit_sm_resp's: `hex-to-decimal` reads the receipt's as hexadecimal and
looks for it in decimal. Zeros in front and upper or lower case matter in none of them."""

ReceiptIds = Literal["same", "hex-to-decimal", "decimal-to-hex", "auto"]
"""A form, or `auto`: it is learned from what comes."""


class SmppTls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS of a link, 1.2 at least. The SMSC's certificate is always verified, by name."""

    ca: Path | None = None
    """PEM file of the authorities that may have signed the SMSC's certificate. Empty: the system's."""
    certificate: Path | None = None
    """PEM file of our own certificate with its chain, for carriers that ask for one."""
    key: Path | None = None
    """PEM file of its private key."""
    server_name: str = ""
    """Name that the certificate must bear. Empty: `host`."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: expected both or neither")


class Outbind(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The SMSC connects to us and says outbind; we bind on that connection (SMPP 3.4 §2.2.1, §4.1.7)."""

    host: str = "127.0.0.1"
    """Address that we listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 2775
    """TCP port; 0: the system chooses."""
    addresses: tuple[str, ...] = ()
    """Addresses and networks that the SMSC may connect from. Empty: none."""
    system_id: Annotated[str, Meta(min_length=1, max_length=15)]
    """What the SMSC calls itself in outbind."""
    password: Secret
    """The SMSC's own password in outbind."""
    certificate: Path | None = None
    """PEM file of the certificate we show the SMSC. Empty: no TLS."""
    key: Path | None = None
    """PEM file of its private key."""
    client_ca: Path | None = None
    """PEM file of the authorities that must have signed the SMSC's certificate. Empty: it needs none."""

    def __post_init__(self) -> None:
        Networks(self.addresses)
        _fits(self.password)
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: expected both or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca: needs certificate and key")


class SmppLink(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One SMPP bind to a carrier's SMSC."""

    host: str = ""
    """Name or address of the SMSC. Empty only with `outbind`."""
    port: Port = 2775
    """TCP port; 2775 is IANA's for SMPP."""
    system_id: Annotated[str, Meta(min_length=1, max_length=15)]
    """Who we are there (SMPP 3.4 §5.2.1)."""
    password: Secret = Secret("")
    """At most 8 octets (SMPP 3.4 §5.2.2)."""
    system_type: Annotated[str, Meta(max_length=12)] = ""
    """What kind of client we are, when the carrier asks for it (SMPP 3.4 §5.2.3)."""
    bind: Literal["transceiver", "transmitter", "receiver"] = "transceiver"
    """What the bind carries: both ways, what we send, or what we receive."""
    interface_version: Literal["3.3", "3.4"] = "3.4"
    """The version of SMPP that we say we speak (§5.2.4). With 3.3 no optional parameters are sent."""
    address_range: Annotated[str, Meta(max_length=40)] = ""
    """Which of our numbers this bind serves, in the carrier's own notation (§5.2.7). Empty: all."""
    address_ton: Octet = 0
    """Type of number of `address_range`."""
    address_npi: Octet = 0
    """Numbering plan of `address_range`."""
    tls: SmppTls | None = None
    """TLS of this link. Unset: none."""
    outbind: Outbind | None = None
    """Set when the SMSC connects to us instead."""
    service_type: Annotated[str, Meta(max_length=5)] = ""
    """service_type of every message that names none (§5.2.11)."""
    validity_period: TimeForm = "relative"
    """How the carrier is told how long a message that has a validity of its own is still valid (§5.2.16)."""
    schedule_delivery_time: TimeForm = "never"
    """How the carrier is told when a message is due (§5.2.15): it keeps it until then, if every link of the
    carrier says so. `never`: it is kept here, where it can still be taken back."""
    tlvs: dict[str, str] = {}
    """Optional parameters of every message, `0x1400 = "hex"` or `"text:..."`: 10DLC campaign, DLT entity."""
    per_second: PerSecond | None = None
    """Messages (parts) a second on this link. Unset: as many as the carrier takes."""
    throttle_seconds: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=20)] = (0.25, 0.5, 1, 2, 5)
    """Pauses after the carrier said 0x58 or 0x14, once and again; the last repeats."""
    on_lost_response: LostResponse = "resend"
    """When an answer never came: `resend` the message, marked; `fail` it; or `wait`, as if it was taken."""
    receipt_id: ReceiptIds | None = None
    """How ids in receipts that come in on this link are read; unset: as the carrier's `receipt_id` says."""
    window: Window = 100
    """Requests of ours that may be unanswered at once."""
    enquire_link_seconds: Seconds = 30.0
    """Silence after which the link is tested."""
    response_seconds: ResponseSeconds = 10.0
    """How long an answer may take; after that the request counts as lost and the link is reconnected."""
    connect_seconds: Seconds = 5.0
    """How long connecting and binding may take."""
    reconnect_seconds: tuple[float, float] = (0.5, 30.0)
    """First and longest pause between attempts; it doubles, with jitter."""

    def __post_init__(self) -> None:
        _fits(self.password)
        if not self.host and self.outbind is None:
            raise ValueError("host: expected the name or address of the SMSC, or outbind")
        if self.outbind is not None and self.tls is not None:
            raise ValueError("tls: is of connections that we make; with outbind use outbind.certificate")
        if parse_tlvs(self.tlvs) and self.interface_version == "3.3":
            raise ValueError("tlvs: SMPP 3.3 has no optional parameters")


def _fits(password: Secret) -> None:
    if len(password.reveal().encode()) > MAX_PASSWORD:
        raise ValueError(f"password: at most {MAX_PASSWORD} octets")
