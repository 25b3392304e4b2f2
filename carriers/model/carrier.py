"""A carrier: how it is reached and how it wants things. Units stand in the names or the comments."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from telephony.kernel.secret import Secret

MAX_PASSWORD = 8
"""Octets of a password without its NUL (SMPP 3.4 §5.2.2)."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Window = Annotated[int, Meta(ge=1, le=1000)]


class SmppLink(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One SMPP bind to a carrier's SMSC."""

    host: str
    """Name or address of the SMSC."""
    port: Port = 2775
    """TCP port; 2775 is IANA's for SMPP."""
    system_id: Annotated[str, Meta(min_length=1, max_length=15)]
    """Who we are there (SMPP 3.4 §5.2.1)."""
    password: Secret = Secret("")
    """At most 8 octets (SMPP 3.4 §5.2.2)."""
    system_type: Annotated[str, Meta(max_length=12)] = ""
    """What kind of client we are, when the carrier asks for it (SMPP 3.4 §5.2.3)."""
    window: Window = 100
    """Requests of ours that may be unanswered at once."""
    enquire_link_seconds: Annotated[float, Meta(gt=0)] = 30.0
    """Silence after which the link is tested."""
    response_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long an answer may take; after that the request counts as lost and the link is reconnected."""
    connect_seconds: Annotated[float, Meta(gt=0)] = 5.0
    """How long connecting and binding may take."""
    reconnect_seconds: tuple[float, float] = (0.5, 30.0)
    """First and longest pause between attempts; it doubles, with jitter."""

    def __post_init__(self) -> None:
        if len(self.password.reveal().encode()) > MAX_PASSWORD:
            raise ValueError(f"password: at most {MAX_PASSWORD} octets")


class Carrier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A carrier and its links."""

    smpp: dict[str, SmppLink] = {}
    """Links by name."""
    data_coding_default: Literal["gsm", "latin1", "ascii"] = "gsm"
    """What data_coding 0 means there."""
    receipt_id: Literal["same", "hex-to-decimal", "decimal-to-hex"] = "same"
    """How the id in a receipt is spelled when compared to the one in submit_sm_resp."""
    simulated: bool = False
    """Whether this is the carrier inside: nothing leaves the machine."""
